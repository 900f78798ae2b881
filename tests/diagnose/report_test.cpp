#include <stet/diagnose/html.hpp>
#include <stet/diagnose/json.hpp>
#include <stet/diagnose/report_text.hpp>
#include <stet/diagnose/screen.hpp>

#include <stet/io/file.hpp>
#include <stet/io/json_reader.hpp>

#include "../io/temporary_directory.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace report_test {

using namespace stet;

namespace {

PairedDifference difference(double points, double p) {
  PairedDifference d;
  d.images = 1000;
  d.points = points;
  d.low = points - 0.5;
  d.high = points + 0.5;
  d.p = p;
  return d;
}

// Every part filled; names that would break a page that trusts them.
Diagnosis rich() {
  Diagnosis d;
  d.verdict = Verdict::worse;
  d.sentence = "QAT is 5.00 points below its control";
  d.data = "images <of> somebody";
  d.images = 1000;
  d.target = "litert_default";
  d.recipe_name = "int8";
  d.models = {{"fp32", "FP32", 0.9, 0.3, std::nullopt, ""}, {"deployed", "deployed integers", 0.85, 0.5, difference(-5, 1e-9), "fp32"}};
  d.waterfall = d.models;
  d.interventions = {{"recalibrate", "calibrated anew", "calibrate", 0.9, 0.3, 1.0, 1.0, true, 0.5}, {"reestimate", "batch norm", "again", 0.86, 0.45, -2.5, 0.2, false, 0.5}};
  d.gap_loss = 0.2;
  d.gap_points = 5;
  for (int i = 0; i < 30; ++i) {
    DiagnosedNode n;
    n.node = i == 3 ? "</script><script>alert(1)</script>\"'&" : "conv2d_" + std::to_string(i);
    n.kind = "conv2d";
    if (i > 0) n.inputs = {i - 1};
    if (i > 4 && i % 3 == 0) n.inputs.push_back(i - 3);
    n.loss_alone = 0.01 * i;
    n.weight_bits = n.activation_bits = 8;
    n.low = -1;
    n.high = 2;
    n.least = -1.5;
    n.most = 2.5;
    n.histogram = {0, 5, 100, 3, 0, 1};
    n.p999 = 1.2;
    n.extreme_image = 7;
    d.nodes.push_back(n);
  }
  Cause c;
  c.id = "calibration_scale";
  c.title = "Calibrated on images of another scale";
  c.what = "the images are <large>";
  c.cure = "calibrate again";
  c.share = 1;
  c.evidence = {{"range / p99.9", "conv2d_1", 582, "1.6 to 2.3", true}};
  d.causes = {c};
  d.evidence = c.evidence;
  d.recipe_code = "Recipe r = recipes::int8();\n";
  FitReport history;
  history.epochs = {{0, 0.5, 0.8, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN(), 1}, {1, 0.4, 0.85, 0.45, 0.84, 1}};
  history.warnings = {"a <warning>"};
  d.history = history;
  d.schedule.freeze_ranges_at = 0.25;
  d.recipe.schedule.freeze_ranges_at = 0.7;
  Proof p;
  p.cure = "recalibrate";
  p.restored = 0.99;
  p.runs = {{1, 0.9, 0.9, 0.85, 0.9, difference(5, 1e-9), difference(0, 1), difference(-5, 1e-9)}};
  d.proofs = {p};
  return d;
}

// Elements that are opened are closed, in order; the text of style and script is not looked at.
std::string unbalanced(const std::string& page) {
  std::vector<std::string> open;
  for (std::size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const std::size_t end = page.find('>', at);
    if (end == std::string::npos) return "an open tag";
    std::string tag = page.substr(at + 1, end - at - 1);
    if (tag[0] == '!') continue;
    const bool alone = tag.back() == '/';
    const std::string name = tag.substr(tag[0] == '/' ? 1 : 0, tag.find_first_of(" />", 1) - (tag[0] == '/' ? 1 : 0));
    if (tag[0] == '/') {
      if (open.empty() || open.back() != name) return "</" + name + "> after <" + (open.empty() ? "" : open.back()) + ">";
      open.pop_back();
    } else if (!alone && name != "meta") {
      open.push_back(name);
      if (name == "style" || name == "script") at = page.find("</" + name, at) - 1;
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> is not closed";
}

}  // namespace

TEST_CASE("the text of a diagnosis fits a screen and says verdict, cause and cure") {
  const std::string text = rich().str();
  CHECK(std::count(text.begin(), text.end(), '\n') <= 40);
  CHECK(text.rfind("QAT is 5.00 points below its control.", 0) == 0);
  for (const char* words : {"Calibrated on images of another scale", "docs/why.md#calibration_scale", "calibrate again", "closes the gap", "582", "restores 99 %"}) {
    INFO(words);
    CHECK(text.find(words) != std::string::npos);
  }
  CHECK_FALSE(Diagnosis{}.str().empty());
  CHECK(Proof{}.str().rfind("no proof", 0) == 0);
}

TEST_CASE("the JSON of a diagnosis holds what it found") {
  const Json j = parse_json(json(rich()));
  CHECK(j.at("verdict").as_string() == "worse");
  CHECK(j.at("nodes").items().size() == 30);
  CHECK(j.at("nodes").items()[3].at("node").as_string() == rich().nodes[3].node);
  CHECK(j.at("interventions").items()[1].at("share_of_loss").as_double() == -2.5);
  CHECK(j.at("causes").items()[0].at("link").as_string() == "docs/why.md#calibration_scale");
  CHECK(j.at("models").items()[1].at("against").at("points").as_double() == -5.0);
  CHECK(j.at("history").at("epochs").items()[0].at("validation_loss").kind() == Json::Kind::null);
  CHECK(j.at("proofs").items()[0].at("runs").items()[0].at("after").as_double() == 0.9);
  CHECK(parse_json(json(Diagnosis{})).at("causes").items().empty());
}

TEST_CASE("the page stands alone, is well formed and trusts no name") {
  const std::string page = html(rich());
  CHECK(unbalanced(page) == "");
  CHECK(unbalanced(html(Diagnosis{})) == "");
  CHECK(unbalanced("<p><b></p></b>") != "");
  CHECK(page.find("http") == std::string::npos);
  CHECK(page.find("<script>alert") == std::string::npos);
  CHECK(page.find("<large>") == std::string::npos);
  CHECK(page.find("a &lt;warning&gt;") != std::string::npos);
  CHECK(page.find("Worse") != std::string::npos);
  CHECK(page.size() < 300000);
  const std::size_t begin = page.find("id=\"diagnosis\">") + 15;
  const std::string data = page.substr(begin, page.find("</script>", begin) - begin);
  CHECK(parse_json(data).at("nodes").items()[3].at("node").as_string() == rich().nodes[3].node);
  // Every picture has its words.
  std::size_t pictures = 0;
  for (std::size_t at = page.find("<svg"); at != std::string::npos; at = page.find("<svg", at + 1)) {
    ++pictures;
    CHECK(page.substr(at, page.find('>', at) - at).find("role=\"img\" aria-label=\"") != std::string::npos);
  }
  CHECK(pictures == 2 + 1 + 24 + 1 + 1);
}

TEST_CASE("the charts show steps, p99.9, what training froze as it was diagnosed, and tables behind them") {
  const Diagnosis d = rich();
  const std::string page = html(d);
  CHECK(page.find("Where the accuracy goes. FP32: 90.00 %. deployed integers: 85.00 %, -5.00 against FP32.") != std::string::npos);
  CHECK(page.find("class=\"p999\"") != std::string::npos);
  CHECK(page.find("p99.9 1.2<") != std::string::npos);
  CHECK(page.find("Seed 1: 85.00 % before, 90.00 % after, control 90.00 %.") != std::string::npos);
  std::size_t tables = 0;
  for (std::size_t at = page.find("<details>"); at != std::string::npos; at = page.find("<details>", at + 1)) ++tables;
  CHECK(tables == 4);
  Diagnosis later = d;
  later.recipe.schedule.freeze_ranges_at = 0.9;  // of the cure: not what training did
  CHECK(html(later) == page);
  later.schedule.freeze_ranges_at = 0.9;
  CHECK(html(later) != page);
}

TEST_CASE("seeds are counted where a proof repeated the comparison") {
  Diagnosis d = rich();
  CHECK(seeds_text(d) == "one seed");
  d.proofs[0].runs.push_back(d.proofs[0].runs[0]);
  d.proofs[0].runs.push_back(d.proofs[0].runs[0]);
  d.proofs[0].runs[2].before_against_control = difference(-0.1, 0.5);
  CHECK(seeds_text(d) == "worse than its control in 2 of 3 seeds");
  CHECK(d.str().find("2 of 3 seeds") != std::string::npos);
  CHECK(html(d).find("2 of 3 seeds") != std::string::npos);
}

TEST_CASE("names that are no UTF-8, and too long, break nothing") {
  Diagnosis d = rich();
  const std::string bad = "n\xff\xc3\x1b[31m\nline";
  std::string wide;
  for (int i = 0; i < 60; ++i) wide += "\xc3\xa4";
  d.sentence = d.data = d.recipe_name = d.target = d.recipe_code = bad;
  d.models[0].name = d.models[0].id = bad;
  d.models[1].name = d.waterfall[1].name = wide;
  d.interventions[0].name = d.interventions[1].name = wide;
  d.nodes[1].node = d.nodes[1].kind = bad;
  d.nodes[2].node = wide;
  d.causes[0].title = d.causes[0].what = d.causes[0].cure = bad;
  d.evidence[0].node = d.causes[0].evidence[0].node = bad + wide;
  d.history->warnings = {bad};
  d.proofs[0].cure = bad;
  const auto is_utf8 = [](const std::string& text) {
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t length = detail::utf8_length(text, i);
      if (length == 0) return false;
      i += length;
    }
    return true;
  };
  const std::string text = d.str(), page = html(d);
  CHECK(is_utf8(text));
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(is_utf8(page));
  CHECK(page.find('\x1b') == std::string::npos);
  CHECK(unbalanced(page) == "");
  CHECK(parse_json(json(d)).at("nodes").items()[1].at("node").as_string() == "n\xEF\xBF\xBD\xEF\xBF\xBD [31m\nline");
}

TEST_CASE("numbers that are none are dashes") {
  Diagnosis d = rich();
  const double none = std::numeric_limits<double>::quiet_NaN(), endless = std::numeric_limits<double>::infinity();
  for (auto* models : {&d.models, &d.waterfall}) {
    (*models)[1].accuracy = (*models)[1].loss = none;
    (*models)[1].against->points = (*models)[1].against->low = none;
  }
  d.interventions[0].share_of_loss = none;
  d.interventions[1].share_of_accuracy = endless;
  for (DiagnosedNode& n : d.nodes) n.loss_alone = n.sqnr = n.reach = none;
  d.nodes[4].low = -endless;
  d.nodes[5].channel_disparity = endless;
  d.nodes[6].p999 = none;
  d.nodes[7].least = none;
  d.evidence[0].value = none;
  d.causes[0].evidence[0].value = endless;
  d.causes[0].share = none;
  d.proofs[0].restored = d.proofs[0].runs[0].after = d.proofs[0].runs[0].control = none;
  for (EpochReport& e : d.history->epochs) e.loss = e.accuracy = none;
  const std::string page = html(d), text = d.str();
  CHECK(unbalanced(page) == "");
  const std::string seen = page.substr(0, page.find("<script"));
  for (const char* word : {">nan", " nan", "\"nan", ":nan", "+nan", "-nan", ">inf", " inf ", "\"inf", "-inf", "nan%"}) {
    INFO(word);
    CHECK(seen.find(word) == std::string::npos);
  }
  CHECK(text.find("nan") == std::string::npos);
  CHECK(text.find(" inf") == std::string::npos);
  CHECK_NOTHROW(parse_json(json(d)));
}

TEST_CASE("the text stays within a screen, whatever there is to say") {
  Diagnosis d = rich();
  const std::string words = "some words about this case that go on and on and on ";
  for (int i = 0; i < 5; ++i) {
    d.models.push_back(d.models[1]);
    d.waterfall.push_back(d.models[1]);
    d.proofs[0].runs.push_back(d.proofs[0].runs[0]);
  }
  for (int i = 0; i < 20; ++i) {
    InterventionResult r{"id", "another change " + std::to_string(i), "do it", 0.8, 0.5, 0.01 * i, 0.01 * i, i == 17, 1};
    d.interventions.push_back(r);
  }
  for (int i = 0; i < 6; ++i) d.sentence += words;
  d.causes[0].what = d.sentence;
  d.causes.push_back(d.causes[0]);
  for (int i = 0; i < 9; ++i) d.causes[0].evidence.push_back(d.evidence[0]);
  const std::string text = d.str();
  INFO(text);
  std::size_t rows = 0;
  for (const std::string& line : detail::text_lines(text)) {
    ++rows;
    CHECK(detail::character_count(line) <= 100);
  }
  CHECK(rows <= 40);
  for (const char* needed : {"QAT is 5.00 points below", "another change 17", "cure: calibrate again", "restores 99 %", "more lines: see the page"}) {
    INFO(needed);
    CHECK(text.find(needed) != std::string::npos);
  }
}

TEST_CASE("names are cut between characters") {
  using namespace detail;
  CHECK(shortened("abc", 3) == "abc");
  CHECK(shortened("abcd", 3) == "ab…");
  CHECK(shortened("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 3) == "\xc3\xa4\xc3\xa4…");
  CHECK(shortened("a\xc3", 3) == "a\xEF\xBF\xBD");
  CHECK(plain_cell("\xc3\xa4" "b", 9) == "?b");
  CHECK(fitting("conv2d_1", 100) == "conv2d_1");
  CHECK(fitting(std::string(40, 'm'), 100) == "mmmmmm…");
  CHECK(fitting("\xc3\xa4\xc3\xa4\xc3\xa4", 30) == "\xc3\xa4…");
  CHECK(wrapped("one two three four", 10) == std::vector<std::string>{"one two", "  three", "  four"});
  CHECK(wrapped("", 10).empty());
  CHECK(wrapped(std::string(25, 'x'), 10) == std::vector<std::string>{"xxxxxxxxxx", "  xxxxxxxx", "  xxxxxxx"});
}

TEST_CASE("the page is written whole") {
  const stet_test::TemporaryDirectory dir;
  save_html(dir.path("why.html"), rich());
  const std::vector<std::uint8_t> written = read_file(dir.path("why.html"));
  CHECK(std::string(written.begin(), written.end()) == html(rich()));
  CHECK_THROWS_AS(save_html(dir.path("none/why.html"), rich()), Error);
}

}  // namespace report_test
