#pragma once
// Loops: a walk over dimensions, with so many steps in each operand, as C source: as few loops as the steps allow.

#include <stet/core/text.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::c {

/// One dimension of a walk and what a step in it is in each operand; the output is the last.
struct LoopDimension {
  std::int64_t size;
  std::vector<std::int64_t> steps;
};

/// Dimensions outermost first. Those of size 1 are left out, and two become one where the outer steps over whole inner ones.
class Loops {
 public:
  explicit Loops(const std::vector<LoopDimension>& dimensions) {
    for (const LoopDimension& d : dimensions) {
      if (d.size == 1) continue;
      if (!outer_.empty() && joins(outer_.back(), d)) {
        outer_.back() = {outer_.back().size * d.size, d.steps};
      } else {
        outer_.push_back(d);
      }
    }
    if (outer_.empty()) outer_.push_back({1, std::vector<std::int64_t>(dimensions.empty() ? 0 : dimensions[0].steps.size(), 1)});
    inner_ = std::move(outer_.back());
    outer_.pop_back();
  }

  /// The innermost dimension, which a kernel walks by itself.
  [[nodiscard]] std::int64_t run() const { return inner_.size; }
  [[nodiscard]] std::int64_t step(std::size_t operand) const { return inner_.steps[operand]; }
  /// An operand at the indices of the loops.
  [[nodiscard]] std::string at(const std::string& place, std::size_t operand) const {
    std::string text = place;
    for (std::size_t d = 0; d < outer_.size(); ++d) {
      const std::int64_t s = outer_[d].steps[operand];
      if (s == 1) text += formatted(" + i{}", d);
      if (s != 0 && s != 1) text += formatted(" {} i{} * {}", s < 0 ? "-" : "+", d, s < 0 ? -s : s);
    }
    return text;
  }
  /// The statement inside the loops, indented.
  [[nodiscard]] std::string around(const std::string& statement) const {
    std::string text, indent = "  ";
    for (std::size_t d = 0; d < outer_.size(); ++d, indent += "  ") {
      text += formatted("{}for (int32_t i{} = 0; i{} < {}; ++i{}) {{\n", indent, d, d, outer_[d].size, d);
    }
    text += indent + statement + "\n";
    while (indent.size() > 2) {
      indent.resize(indent.size() - 2);
      text += indent + "}\n";
    }
    return text;
  }

 private:
  static bool joins(const LoopDimension& outer, const LoopDimension& inner) {
    for (std::size_t k = 0; k < inner.steps.size(); ++k) {
      if (outer.steps[k] != inner.size * inner.steps[k]) return false;
    }
    return true;
  }

  std::vector<LoopDimension> outer_{};
  LoopDimension inner_{1, {}};
};

}  // namespace stet::c
