#pragma once
// Pictures of the tutorial: lines and points in a frame, as an SVG file that stands alone.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tutorial {

using Points = std::vector<std::pair<double, double>>;

/// A plot of the rectangle x0..x1, y0..y1. What is drawn is cut at its edges by the reader's eye alone: draw what fits.
class Plot {
 public:
  Plot(double x0, double x1, double y0, double y1, const std::string& title) : x0_(x0), x1_(x1), y0_(y0), y1_(y1) {
    svg_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 480 320\" font-family=\"sans-serif\" font-size=\"14\">"
        "<title>{0}</title><rect width=\"480\" height=\"320\" fill=\"#fff\"/><text x=\"40\" y=\"22\">{0}</text>\n",
        title);
    line({{x0, y0}, {x1, y0}}, "#999");
    line({{x0, y0}, {x0, y1}}, "#999");
    for (const double x : {x0, (x0 + x1) / 2, x1})
      text(40 + 400 * (x - x0) / (x1 - x0), 308, "middle", fmt::format("{:g}", x));
    for (const double y : {y0, (y0 + y1) / 2, y1}) text(34, down(y) + 5, "end", fmt::format("{:g}", y));
  }
  void line(const Points& points, const char* colour, const std::string& name = {}) {
    std::string path;
    for (const auto& [x, y] : points) path += fmt::format("{:.1f},{:.1f} ", right(x), down(y));
    svg_ += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", path, colour);
    legend(name, colour);
  }
  void dots(const Points& points, const char* colour, const std::string& name = {}) {
    for (const auto& [x, y] : points) {
      svg_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", right(x), down(y), colour);
    }
    legend(name, colour);
  }
  void save(const std::string& path) const {
    std::FILE* file = std::fopen(path.c_str(), "w");
    if (file == nullptr) throw std::runtime_error("cannot write " + path);
    const std::string all = svg_ + "</svg>\n";
    const bool whole = std::fwrite(all.data(), 1, all.size(), file) == all.size();
    if (std::fclose(file) != 0 || !whole) throw std::runtime_error("could not write all of " + path);
  }

 private:
  [[nodiscard]] double right(double x) const { return 40 + 400 * (x - x0_) / (x1_ - x0_); }
  [[nodiscard]] double down(double y) const { return 290 - 250 * (y - y0_) / (y1_ - y0_); }
  void text(double x, double y, const char* anchor, const std::string& words, const char* colour = "#333") {
    svg_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" fill=\"{}\">{}</text>\n", x, y, anchor,
                        colour, words);
  }
  void legend(const std::string& name, const char* colour) {
    if (name.empty()) return;
    text(432, 236 + 18 * names_, "end", name, colour);
    ++names_;
  }

  double x0_, x1_, y0_, y1_;
  std::string svg_{};
  int names_ = 0;
};

}  // namespace tutorial
