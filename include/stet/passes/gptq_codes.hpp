#pragma once
// gptq_codes: codes of rows of weights whose products with given data come closest, column by column.

#include <stet/core/entry.hpp>
#include <stet/core/tensor.hpp>
#include <stet/quant/grid.hpp>

#include <cstdint>

#if STET_DEFINE_EIGEN_ENTRIES
#include <stet/core/error.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/rounding.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>
#endif

namespace stet {

/// How gptq_codes goes through the columns.
struct GptqColumnOptions {
  double damping = 0.01;         ///< added to the diagonal, in parts of its mean
  bool activation_order = true;  ///< columns of large inputs first; false: as they lie
};

/// Rounds rows of weights one column after the other; what a column loses, the later ones make good as far as the data allow.
/// Formula:   H = sum x x^T + damping * mean(diag) * I = L L^T, columns in turn from the last of L to the first:
///            q_j = clip(rne(v_j + sum over i > j of L_ij/L_jj * (v_i - q_i))): the column update of GPTQ, which takes the
///            Cholesky factor of the inverse of H for the same numbers. A row keeps its nearest codes where they are
///            no worse: (v - q) H' (v - q)^T, H' without damping, is never larger than theirs
/// Shapes:    hessian [D,D], steps [R,D] -> codes [R,D]
/// Units:     steps: weights in steps of their scale; hessian in any unit
/// Rounding:  half to even, in double. A column that the data never reach becomes its nearest codes
/// Errors:    Errc::shape if the shapes do not fit; Errc::range if damping is negative, or 0 where columns depend on each other
/// Source:    Frantar 2023, GPTQ, arXiv 2210.17323; Chen 2025, arXiv 2507.18553 (the form without an inverse)
STET_EIGEN_ENTRY Tensor<std::int8_t> gptq_codes(const Tensor<double>& hessian, const Tensor<float>& steps, const Grid& grid,
                                          const GptqColumnOptions& options = {});
#if STET_DEFINE_EIGEN_ENTRIES
namespace detail {

// (v - q) H (v - q)^T of one row.
inline double product_error(const Tensor<double>& hessian, std::span<const double> error) {
  const std::size_t depth = error.size();
  double sum = 0.0;
  for (std::size_t i = 0; i < depth; ++i) {
    double inner = 0.0;
    for (std::size_t j = 0; j < depth; ++j) inner += hessian.data()[i * depth + j] * error[j];
    sum += inner * error[i];
  }
  return sum;
}

}  // namespace detail

STET_EIGEN_ENTRY Tensor<std::int8_t> gptq_codes(const Tensor<double>& hessian, const Tensor<float>& steps, const Grid& grid,
                                          const GptqColumnOptions& options) {
  require(steps.shape().rank() == 2 && hessian.shape() == Shape{steps.shape()[1], steps.shape()[1]}, Errc::shape,
          "gptq_codes: needs a hessian [D,D] and steps [R,D], got {} and {}", hessian.shape(), steps.shape());
  require(options.damping >= 0.0, Errc::range, "gptq_codes: damping is {}, must not be negative", options.damping);
  const std::int64_t rows = steps.shape()[0], depth = steps.shape()[1];
  const auto diagonal = [&](std::int64_t j) { return hessian[j * depth + j]; };
  // The first column that is rounded is the last of the factor.
  std::vector<std::int64_t> column(static_cast<std::size_t>(depth));
  std::iota(column.begin(), column.end(), std::int64_t{0});
  if (options.activation_order) {
    std::stable_sort(column.begin(), column.end(), [&](std::int64_t a, std::int64_t b) { return diagonal(a) > diagonal(b); });
  }
  std::reverse(column.begin(), column.end());
  double mean = 0.0;
  for (std::int64_t j = 0; j < depth; ++j) mean += diagonal(j) / static_cast<double>(depth);
  Eigen::MatrixXd h(depth, depth);
  for (std::int64_t j = 0; j < depth; ++j) {
    const std::int64_t from = column[static_cast<std::size_t>(j)];
    for (std::int64_t i = 0; i < depth; ++i) h(i, j) = hessian[column[static_cast<std::size_t>(i)] * depth + from];
    h(j, j) = diagonal(from) == 0.0 ? 1.0 : diagonal(from) + options.damping * mean;
  }
  const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> factor(h);
  require(factor.info() == Eigen::Success, Errc::range,
          "gptq_codes: columns of the data depend on each other; raise damping, which is {}", options.damping);
  const auto nearest = [&](double v) {
    return std::clamp(round_half_even(v), static_cast<double>(grid.lo), static_cast<double>(grid.hi));
  };
  Tensor<std::int8_t> codes(steps.shape());
  std::int8_t* const out = codes.edit().data();
  parallel(rows, [&](std::int64_t r) {
    const auto size = static_cast<std::size_t>(depth);
    const float* v = steps.data() + r * depth;
    std::vector<double> plain(size), chosen(size);
    Eigen::VectorXd error(depth);
    for (std::int64_t j = depth - 1; j >= 0; --j) {
      const std::int64_t at = column[static_cast<std::size_t>(j)], after = depth - 1 - j;
      const double want = static_cast<double>(v[at]);
      const double owed = after == 0 ? 0.0 : error.tail(after).dot(h.col(j).tail(after)) / h(j, j);
      error(j) = chosen[static_cast<std::size_t>(at)] = want - nearest(want + owed);
      plain[static_cast<std::size_t>(at)] = want - nearest(want);
    }
    const bool better = detail::product_error(hessian, chosen) < detail::product_error(hessian, plain);
    const std::vector<double>& kept = better ? chosen : plain;
    for (std::size_t i = 0; i < size; ++i) {
      out[r * depth + static_cast<std::int64_t>(i)] = static_cast<std::int8_t>(round_half_even(static_cast<double>(v[i]) - kept[i]));
    }
  });
  return codes;
}
#endif

}  // namespace stet
