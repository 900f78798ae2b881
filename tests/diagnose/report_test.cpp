#include <stet/diagnose/html.hpp>
#include <stet/diagnose/json.hpp>
#include <stet/diagnose/report_text.hpp>

#include <stet/io/file.hpp>
#include <stet/io/json_reader.hpp>

#include "../io/temporary_directory.hpp"
#include "support/catch.hpp"

#include <limits>
#include <string>
#include <vector>

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
  Proof p;
  p.cure = "recalibrate";
  p.restored = 0.99;
  p.runs = {{1, 0.9, 0.9, 0.85, 0.9, difference(5, 1e-9), difference(0, 1)}};
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
  CHECK(std::count(text.begin(), text.end(), '\n') <= 45);
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
  CHECK(pictures == 2 + 1 + 24 + 1);
}

TEST_CASE("the page is written whole") {
  const stet_test::TemporaryDirectory dir;
  save_html(dir.path("why.html"), rich());
  const std::vector<std::uint8_t> written = read_file(dir.path("why.html"));
  CHECK(std::string(written.begin(), written.end()) == html(rich()));
  CHECK_THROWS_AS(save_html(dir.path("none/why.html"), rich()), Error);
}
