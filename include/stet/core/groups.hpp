#pragma once
// Groups: numbers from 0 that are joined two by two (union-find).

#include <stet/core/requirements.hpp>

#include <cstddef>
#include <numeric>
#include <vector>

namespace stet {

class Groups {
 public:
  /// Each number is a group of its own.
  explicit Groups(std::size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), std::size_t{0}); }

  /// The number that stands for the group of i.
  [[nodiscard]] std::size_t of(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  /// Joins the groups of a and b; that which stood for b's stands for both.
  void join(std::size_t a, std::size_t b) { parent_[of(a)] = of(b); }

 private:
  std::vector<std::size_t> parent_;
};

}  // namespace stet
