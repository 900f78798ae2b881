#pragma once
// Confusion matrix of a classifier.

#include <stet/core/error.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace stet {

/// How often samples of each class were taken for each class.
class Confusion {
 public:
  explicit Confusion(int classes = 0)
      : classes_(classes), counts_(static_cast<std::size_t>(classes) * static_cast<std::size_t>(classes), 0) {}

  /// Errors:    Errc::range if a class does not exist
  void add(int label, int predicted) { ++counts_[index(label, predicted)]; }
  [[nodiscard]] int classes() const { return classes_; }
  /// Samples of class `label` that were taken for class `predicted`.
  [[nodiscard]] std::int64_t at(int label, int predicted) const { return counts_[index(label, predicted)]; }
  [[nodiscard]] std::int64_t correct() const {
    std::int64_t sum = 0;
    for (int c = 0; c < classes_; ++c) sum += at(c, c);
    return sum;
  }
  [[nodiscard]] std::int64_t total() const {
    std::int64_t sum = 0;
    for (const std::int64_t n : counts_) sum += n;
    return sum;
  }
  /// Share of a class's samples that were recognised; 0 for a class without samples.
  [[nodiscard]] double recall(int label) const {
    std::int64_t sum = 0;
    for (int c = 0; c < classes_; ++c) sum += at(label, c);
    return sum == 0 ? 0.0 : static_cast<double>(at(label, label)) / static_cast<double>(sum);
  }

  /// The matrix as text: a row per true class, a column per prediction, and the recall of each class in per cent.
  /// Errors:    Errc::shape if there are names, but not one for every class
  [[nodiscard]] std::string str(std::span<const std::string> names = {}) const {
    require(names.empty() || static_cast<int>(names.size()) == classes_, Errc::shape,
            "Confusion: {} classes need as many names, got {}", classes_, names.size());
    const auto name = [&](int c) { return names.empty() ? std::to_string(c) : names[static_cast<std::size_t>(c)]; };
    std::size_t label_width = 0, width = 4;
    for (int c = 0; c < classes_; ++c) {
      if (name(c).size() > label_width) label_width = name(c).size();
      for (int p = 0; p < classes_; ++p) {
        const std::size_t digits = std::to_string(at(c, p)).size();
        if (digits > width) width = digits;
      }
    }
    std::string text(label_width, ' ');
    for (int c = 0; c < classes_; ++c) text += formatted("  {:>{}}", name(c).substr(0, width), width);
    text += "  recall\n";
    for (int c = 0; c < classes_; ++c) {
      text += formatted("{:<{}}", name(c), label_width);
      for (int p = 0; p < classes_; ++p) text += formatted("  {:>{}}", at(c, p), width);
      text += formatted("  {:>6.2f}\n", 100 * recall(c));
    }
    return text;
  }

  friend bool operator==(const Confusion&, const Confusion&) = default;

 private:
  [[nodiscard]] std::size_t index(int label, int predicted) const {
    require(label >= 0 && label < classes_ && predicted >= 0 && predicted < classes_, Errc::range,
            "Confusion: class {} taken for {}, there are {} classes", label, predicted, classes_);
    return static_cast<std::size_t>(label) * static_cast<std::size_t>(classes_) + static_cast<std::size_t>(predicted);
  }

  int classes_ = 0;
  std::vector<std::int64_t> counts_;
};

}  // namespace stet

template <>
struct fmt::formatter<stet::Confusion> : stet::TextFormatter {};
