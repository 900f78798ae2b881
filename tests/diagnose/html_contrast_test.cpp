// Everything that is text on the page can be read: WCAG 2.1 contrast of at least 4.5 in both schemes, on every mix of colours.

#include <stet/diagnose/html_style.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

namespace html_contrast_test {

using namespace stet;

namespace {

using Colour = std::array<double, 3>;  // 0 to 255

Colour colour_of(std::string_view scheme, const std::string& name) {
  const std::string key = "--" + name + ":#";
  const std::size_t at = scheme.find(key);
  INFO(name);
  REQUIRE(at != std::string_view::npos);
  Colour c{};
  for (std::size_t i = 0; i < 3; ++i) c[i] = std::stoi(std::string(scheme.substr(at + key.size() + 2 * i, 2)), nullptr, 16);
  return c;
}

// color-mix(in srgb, ...) mixes the encoded numbers.
Colour mixed(const Colour& a, const Colour& b, double part) {
  Colour c{};
  for (std::size_t i = 0; i < 3; ++i) c[i] = part * a[i] + (1 - part) * b[i];
  return c;
}

double luminance(const Colour& c) {
  const std::array<double, 3> weight = {0.2126, 0.7152, 0.0722};
  double sum = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const double v = c[i] / 255;
    sum += weight[i] * (v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4));
  }
  return sum;
}

double contrast(const Colour& a, const Colour& b) {
  const double x = luminance(a), y = luminance(b);
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

}  // namespace

TEST_CASE("text has a contrast of 4.5 on all that it stands on, in both schemes") {
  CHECK(std::fabs(contrast({0, 0, 0}, {255, 255, 255}) - 21) < 1e-9);
  CHECK(contrast({119, 119, 119}, {255, 255, 255}) < 4.5);  // the known grey that just fails
  for (const std::string_view scheme : {detail::light_colours, detail::dark_colours}) {
    for (const char* text : {"ink", "quiet", "bad", "good", "blue"}) {
      for (const char* behind : {"paper", "card"}) {
        INFO(text << " on " << behind << " of " << std::string(scheme));
        CHECK(contrast(colour_of(scheme, text), colour_of(scheme, behind)) >= 4.5);
      }
    }
    const Colour ink = colour_of(scheme, "ink");
    for (int percent = 0; percent <= 100; ++percent) {
      INFO(percent << " % in " << std::string(scheme));
      const double part = percent / 100.0;
      CHECK(contrast(ink, mixed(colour_of(scheme, "heat"), colour_of(scheme, "card"), part * detail::most_node_part / 100)) >= 4.5);
      CHECK(contrast(ink, mixed(colour_of(scheme, "heat"), colour_of(scheme, "paper"), part * detail::most_share_part / 100)) >= 4.5);
      CHECK(contrast(ink, mixed(colour_of(scheme, "gain"), colour_of(scheme, "paper"), part * detail::most_share_part / 100)) >= 4.5);
    }
  }
}

TEST_CASE("the style sheet mixes only what the test of contrast mixes, and text on mixes is ink") {
  const std::string css = detail::page_style();
  const auto holds = [&](const char* rule) {
    INFO(rule);
    CHECK(css.find(rule) != std::string::npos);
  };
  holds(".heat{background:color-mix(in srgb,var(--gain) var(--part),var(--paper))");
  holds(".lost{background:color-mix(in srgb,var(--heat) var(--part),var(--paper))");
  holds(".node{fill:color-mix(in srgb,var(--heat) var(--part),var(--card))");
  holds("svg text{fill:var(--ink)}");
  std::size_t mixes = 0;
  for (std::size_t at = css.find("color-mix"); at != std::string::npos; at = css.find("color-mix", at + 1)) ++mixes;
  CHECK(mixes == 4);  // and the range in use behind the bars of a histogram, on which no text stands
}

}  // namespace html_contrast_test
