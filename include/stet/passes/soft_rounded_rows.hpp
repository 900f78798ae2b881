#pragma once
// Rows of a layer's weights that lie softly between two codes, and how far what they make is from what is wanted.

#include <stet/core/gemm.hpp>
#include <stet/core/rounding.hpp>
#include <stet/passes/layer_output.hpp>
#include <stet/passes/soft_rounding.hpp>
#include <stet/quant/grid.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace stet::detail {

// Columns that are multiplied with, and what shall come of it: n rows of each.
template <class T>
struct RoundingBatch {
  std::int64_t n;
  const T* columns;  // [n, depth]
  const T* wanted;   // [n, rows], with this stride
  std::int64_t stride;
};

// How much the cost of lying between codes counts now.
template <class T>
struct CostWeight {
  T lambda = 0, beta = 2;
};

// Rows of weights as w [depth, rows]: floor + soft_round(u). Weights that are codes already, or lie beyond the grid, stay.
template <class T>
class SoftRoundedRows {
 public:
  // steps [rows, depth]
  SoftRoundedRows(std::int64_t depth, const float* steps, const Grid& grid, const LayerOutput& output)
      : rows_(static_cast<std::int64_t>(output.scale.size())),
        depth_(depth),
        scale_(output.scale.begin(), output.scale.end()),
        bias_(output.bias.begin(), output.bias.end()),
        weight_(output.scale.size(), T(1)),
        lo_(static_cast<T>(output.lo())),
        hi_(static_cast<T>(output.hi())) {
    const std::int64_t rows = rows_;
    const auto size = static_cast<std::size_t>(rows * depth);
    for (std::vector<T>* v : {&floor_, &free_, &nearest_, &u_, &w_, &h_}) v->resize(size);
    std::vector<T> count(scale_.size(), T(0));
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t d = 0; d < depth; ++d) {
        const auto i = static_cast<std::size_t>(d * rows + r);
        const double v = static_cast<double>(steps[r * depth + d]), down = std::floor(v), lo = grid.lo, hi = grid.hi;
        const bool free = down != v && down >= lo && down + 1 <= hi;
        nearest_[i] = static_cast<T>(std::clamp(round_half_even(v), lo, hi));
        floor_[i] = free ? static_cast<T>(down) : nearest_[i];
        free_[i] = free ? T(1) : T(0);
        u_[i] = free ? soft_round_start(static_cast<T>(v - down)) : T(0);
        count[static_cast<std::size_t>(r)] += free_[i];
      }
    }
    for (const T n : count) cost_share_.push_back(n > T(0) ? T(1) / n : T(0));
  }

  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t depth() const { return depth_; }
  // What is learned, [depth, rows].
  [[nodiscard]] std::span<T> u() { return u_; }
  // Weights with the nearest codes, and with those that u says.
  [[nodiscard]] const std::vector<T>& nearest() const { return nearest_; }
  [[nodiscard]] std::vector<T> chosen() const {
    std::vector<T> w(u_.size());
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = floor_[i] + (free_[i] > T(0) && soft_round(u_[i]) >= T(0.5) ? T(1) : T(0));
    return w;
  }

  // Squared errors summed per row, with weights [depth, rows].
  [[nodiscard]] std::vector<double> errors(const std::vector<T>& w, const RoundingBatch<T>& b) {
    std::vector<double> sum(scale_.size(), 0.0);
    products(w, b);
    for (std::int64_t n = 0; n < b.n; ++n) {
      for (std::int64_t r = 0; r < rows_; ++r) {
        const auto at = static_cast<std::size_t>(r);
        const T e = std::clamp(y_[static_cast<std::size_t>(n * rows_) + at] * scale_[at] + bias_[at], lo_, hi_) - b.wanted[n * b.stride + r];
        sum[at] += static_cast<double>(e) * static_cast<double>(e);
      }
    }
    return sum;
  }
  // What a row's mean squared error is multiplied by: 1 / that of its nearest codes; 0: the row learns nothing.
  void set_weight(std::int64_t r, double weight) { weight_[static_cast<std::size_t>(r)] = static_cast<T>(weight); }

  // Loss of a batch: sum over the rows of weight * mean squared error + lambda * mean cost of lying between codes. Its
  // gradient with respect to u goes to du.
  double loss(const RoundingBatch<T>& b, const CostWeight<T>& cost, std::span<T> du) {
    for (std::size_t i = 0; i < w_.size(); ++i) {
      h_[i] = soft_round(u_[i]);
      w_[i] = floor_[i] + free_[i] * h_[i];
    }
    products(w_, b);
    double total = 0.0;
    for (std::int64_t n = 0; n < b.n; ++n) {
      T* const y = y_.data() + n * rows_;
      for (std::int64_t r = 0; r < rows_; ++r) {
        const auto at = static_cast<std::size_t>(r);
        const T before = y[r] * scale_[at] + bias_[at], e = std::clamp(before, lo_, hi_) - b.wanted[n * b.stride + r];
        const T pull = weight_[at] * e / static_cast<T>(b.n);
        total += static_cast<double>(pull) * static_cast<double>(e);
        y[r] = before > lo_ && before < hi_ ? T(2) * pull * scale_[at] : T(0);
      }
    }
    pull_back(b, du);
    for (std::int64_t d = 0; d < depth_; ++d) {
      for (std::int64_t r = 0; r < rows_; ++r) {
        const auto i = static_cast<std::size_t>(d * rows_ + r), at = static_cast<std::size_t>(r);
        T slope = du[i];
        if (cost.lambda > T(0) && free_[i] > T(0) && weight_[at] > T(0) && h_[i] > T(0) && h_[i] < T(1)) {
          const RoundingCost<T> c(h_[i], cost.beta);
          const T share = cost.lambda * cost_share_[at];
          slope += share * c.slope;
          total += static_cast<double>(share) * static_cast<double>(c.value);
        }
        du[i] = free_[i] * slope * soft_round_slope(h_[i]);
      }
    }
    return total;
  }

 private:
  void products(const std::vector<T>& w, const RoundingBatch<T>& b) {
    y_.resize(static_cast<std::size_t>(b.n * rows_));
    if (rows_ > 1) {
      gemm<T>(Layout::plain, Layout::plain, b.n, rows_, depth_, b.columns, depth_, w.data(), rows_, y_.data(), rows_, false);
      return;
    }
    for (std::int64_t n = 0; n < b.n; ++n) {  // a channel of a depthwise layer: packing costs more than a product of few taps
      const T* const x = b.columns + n * depth_;
      T sum = T(0);
      for (std::int64_t d = 0; d < depth_; ++d) sum += x[d] * w[static_cast<std::size_t>(d)];
      y_[static_cast<std::size_t>(n)] = sum;
    }
  }
  // Gradient of w from that of the products, which stands in y.
  void pull_back(const RoundingBatch<T>& b, std::span<T> dw) const {
    if (rows_ > 1) {
      gemm<T>(Layout::transposed, Layout::plain, depth_, rows_, b.n, b.columns, depth_, y_.data(), rows_, dw.data(), rows_, false);
      return;
    }
    std::fill(dw.begin(), dw.end(), T(0));
    for (std::int64_t n = 0; n < b.n; ++n) {
      const T* const x = b.columns + n * depth_;
      for (std::int64_t d = 0; d < depth_; ++d) dw[static_cast<std::size_t>(d)] += x[d] * y_[static_cast<std::size_t>(n)];
    }
  }

  std::int64_t rows_, depth_;
  std::vector<T> scale_, bias_, weight_;
  T lo_, hi_;
  std::vector<T> cost_share_{};  // 1 / number of weights of a row that are not settled
  std::vector<T> floor_{}, free_{}, nearest_{}, u_{}, w_{}, h_{}, y_{};
};

}  // namespace stet::detail
