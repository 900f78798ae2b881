#pragma once
// gptq: weights of a calibrated model, rounded so that what each layer makes of the quantized data changes least. Reads
// Eigen; not part of the umbrella header.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/passes/gptq_codes.hpp>
#include <stet/passes/post_training.hpp>
#include <stet/passes/rounding_data.hpp>

#if STET_DEFINE_ENTRIES
#include <stet/core/gemm.hpp>
#include <stet/core/parallel.hpp>
#include <stet/passes/layer_codes.hpp>
#include <stet/passes/layer_columns.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>
#endif

namespace stet {

/// Which data gptq looks at, and how it goes through the columns.
struct GptqOptions {
  RoundingData data{};
  GptqColumnOptions columns{};
};

/// Rounds the weights of convolutions and linear layers one column after the other (gptq_codes), layer by layer: each sees
/// the codes that the layers before it make with their rounded weights. The weights become multiples of their scales, which
/// are kept as they were (fix_weight_scale), so that convert and training go on from these codes.
/// Formula:   H = sum over the output pixels of x x^T, x the layer's window of dequantized input codes
/// Errors:    Errc::state if a range is missing or there are no data; Errc::unsupported if the recipe simulates its codes, or
///            weights are binary; Errc::range if an option is impossible or a layer does not exist; nothing is changed then
/// Source:    Frantar 2023, GPTQ, arXiv 2210.17323
STET_ENTRY void gptq(QatModel& qat, const Dataset& data, const GptqOptions& options = {});

namespace passes {

/// gptq, of the calibrated model. It stands here because its header reads Eigen.
inline PostTrainingPass gptq_rounded(const GptqOptions& options = {}) {
  return {"weights rounded by gptq", {}, [options](QatModel& q, const Dataset& data) { gptq(q, data, options); }, {}};
}

}  // namespace passes

#if STET_DEFINE_ENTRIES
namespace detail {

// Sums of products of columns, per group of a layer.
class HessianSums {
 public:
  HessianSums(const graph::Operator& op, const Shape& weights) : op_(&op), weights_(weights) {}

  void add(const QTensor& x) {
    const LayerColumns columns(*op_, x.codes.shape(), weights_);
    matrix_ = columns.matrix();
    const std::int64_t depth = matrix_.depth;
    if (sums_.empty()) sums_.assign(static_cast<std::size_t>(matrix_.groups), Tensor<double>::zeros({depth, depth}));
    for (std::int64_t first = 0; first < columns.rows(); first += block) {
      const std::int64_t count = std::min(block, columns.rows() - first);
      if (matrix_.groups == 1) {
        add_rows(columns, x, first, count);
        continue;
      }
      std::vector<double*> to;
      for (Tensor<double>& sum : sums_) to.push_back(sum.edit().data());
      parallel(matrix_.groups, [&](std::int64_t g) {
        std::vector<float> rows(static_cast<std::size_t>(count * depth)), product(static_cast<std::size_t>(depth * depth));
        columns.read(x, g, first, count, rows.data());
        gemm<float>(Layout::transposed, Layout::plain, depth, depth, count, rows.data(), depth, rows.data(), depth,
                    product.data(), depth, false);
        for (std::size_t i = 0; i < product.size(); ++i) to[static_cast<std::size_t>(g)][i] += static_cast<double>(product[i]);
      });
    }
  }
  [[nodiscard]] const LayerMatrix& matrix() const { return matrix_; }
  [[nodiscard]] const Tensor<double>& of(std::int64_t group) const { return sums_[static_cast<std::size_t>(group)]; }

 private:
  static constexpr std::int64_t block = 1024;  // rows whose products float adds up: 2^10 times 2^16 loses little

  // One group: the result's rows are shared among threads.
  void add_rows(const LayerColumns& columns, const QTensor& x, std::int64_t first, std::int64_t count) {
    const std::int64_t depth = matrix_.depth;
    std::vector<float> rows(static_cast<std::size_t>(count * depth));
    columns.read(x, 0, first, count, rows.data());
    const GemmRight<float> right(Layout::plain, count, depth, rows.data(), depth);
    double* const sum = sums_[0].edit().data();
    constexpr std::int64_t strip = 32;
    parallel((depth + strip - 1) / strip, [&](std::int64_t s) {
      const std::int64_t from = s * strip, height = std::min(strip, depth - from);
      std::vector<float> product(static_cast<std::size_t>(height * depth));
      right.product(height, rows.data() + from, depth, product.data(), depth, nullptr, false, Layout::transposed);
      for (std::int64_t i = 0; i < height * depth; ++i) sum[from * depth + i] += static_cast<double>(product[static_cast<std::size_t>(i)]);
    });
  }

  const graph::Operator* op_;
  Shape weights_;
  LayerMatrix matrix_{};
  std::vector<Tensor<double>> sums_{};
};

}  // namespace detail

STET_ENTRY void gptq(QatModel& qat, const Dataset& data, const GptqOptions& options) {
  const std::vector<const Unit*> units = detail::layers_to_round("gptq", qat, data, options.data);
  require(options.columns.damping >= 0.0, Errc::range, "gptq: damping is {}, must not be negative", options.columns.damping);
  for (const Unit* unit : units) {
    const detail::LayerSteps layer = detail::layer_steps(qat, *unit);
    detail::HessianSums sums(unit->op(), layer.steps.shape());
    detail::for_inputs(qat, *unit, data, options.data, [&](const Batch&, const QTensor& x) { sums.add(x); });
    const detail::LayerMatrix& m = sums.matrix();
    Tensor<std::int8_t> codes(layer.steps.shape());
    const std::span<std::int8_t> to = codes.edit();
    for (std::int64_t g = 0; g < m.groups; ++g) {
      Tensor<float> rows(Shape{m.outputs, m.depth});
      const std::span<float> row = rows.edit();
      for (std::int64_t i = 0; i < rows.size(); ++i) {
        row[static_cast<std::size_t>(i)] = layer.steps[m.offset(g, i / m.depth, i % m.depth)];
      }
      const Tensor<std::int8_t> found = gptq_codes(sums.of(g), rows, layer.grid, options.columns);
      for (std::int64_t i = 0; i < found.size(); ++i) {
        to[static_cast<std::size_t>(m.offset(g, i / m.depth, i % m.depth))] = found[i];
      }
    }
    detail::set_codes(qat, *unit, layer, codes);
  }
}
#endif

}  // namespace stet
