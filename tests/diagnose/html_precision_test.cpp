#include <stet/diagnose/html_precision.hpp>

#include <stet/core/error.hpp>
#include <stet/io/file.hpp>
#include <stet/quant/scheme.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace html_precision_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

PrecisionFrontier frontier() {
  const auto layer = [](const std::string& name, std::int64_t weights, std::vector<double> loss) {
    LayerSensitivity l{name, weights, 10 * weights, 8, {}, std::move(loss)};
    for (const int bits : {8, 4, 2}) l.schemes.push_back(symmetric(bits));
    return l;
  };
  return precision_frontier({layer("stem <1>", 100, {0, 0.5, 2}), layer("body", 800, {0, 0.01, 0.25})}, {8, 4, 2});
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("a frontier as a page has the choices as a line, what was measured as dots, and all of it in words") {
  PrecisionFrontier f = frontier();
  REQUIRE(f.choices.size() > 3);
  const std::string unmeasured = html(f);
  CHECK(count(unmeasured, "<circle") == 0);
  // One step of the line for each choice behind the first.
  const std::size_t line = unmeasured.find("class=\"line loss\"");
  REQUIRE(line != std::string::npos);
  const std::string path = unmeasured.substr(unmeasured.rfind("<path", line), line - unmeasured.rfind("<path", line));
  CHECK(count(path, "H") == f.choices.size() - 1);

  f.choices[1].measured_accuracy = 0.875;
  f.choices[1].measured_loss = 0.4321;
  const std::string page = html(f, "bytes & more");
  CHECK(count(page, "<circle") == 1);
  CHECK_THAT(page, ContainsSubstring("87.50&nbsp;%") && ContainsSubstring("0.4321"));
  CHECK_THAT(page, ContainsSubstring("stem &lt;1&gt;") && !ContainsSubstring("stem <1>") && ContainsSubstring("bytes &amp; more"));
  CHECK_THAT(page, ContainsSubstring("prefers-color-scheme:dark") && ContainsSubstring("aria-label=\"Loss that is predicted against bytes &amp; more: "));
  for (const char* outside : {"http:", "https:", "src=", "@import", "<link", "<script"}) CHECK_THAT(page, !ContainsSubstring(outside));
  for (const PrecisionChoice& c : f.choices) CHECK_THAT(page, ContainsSubstring(formatted(">{:.0f}<", c.cost)));
}

TEST_CASE("a frontier of one choice is a page too, and none is an error; a page is written whole") {
  PrecisionFrontier f = frontier();
  f.choices.resize(1);
  CHECK_THAT(html(f), ContainsSubstring("1 choices"));
  const stet_test::TemporaryDirectory directory;
  const std::string path = directory.path("frontier.html");
  save_html(path, f);
  const std::vector<std::uint8_t> written = read_file(path);
  CHECK(std::string(written.begin(), written.end()) == html(f));
  f.choices.clear();
  CHECK_THROWS_AS(save_html(path, f), Error);
}

}  // namespace html_precision_test
