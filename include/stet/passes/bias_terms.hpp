#pragma once
// The biases of a quantized network's layers, and the means of what layers read and make, as passes that correct biases need them.

#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/model/forward.hpp>
#include <stet/passes/layer_codes.hpp>
#include <stet/passes/layer_columns.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace stet::detail {

// Errors:    Errc::unsupported naming layers whose bias cannot be set
inline void require_biases(const char* op, const QatModel& qat, const std::vector<const Unit*>& units) {
  std::string without;
  for (const Unit* unit : units) {
    const std::string& name = qat.node_name(unit->node);
    if (unit->batch_norm >= 0 || qat.model().find_parameter(name + ".bias") != nullptr) continue;
    without += (without.empty() ? "" : ", ") + name;
  }
  if (!without.empty()) {
    fail(Errc::unsupported, "{}: no batch norm and no bias at {}; prepare(with_bias(model), recipe) has one, or name the other layers in data.layers",
         op, without);
  }
}

// The bias that fold() rounds, in real units: b = beta + (b_conv - mean) k.
inline std::vector<double> real_bias(const QatModel& qat, const Unit& unit, std::size_t channels) {
  const std::span<const float> own = bias_of(qat, unit);
  const std::optional<NormView> norm = norm_of(qat, unit);
  std::vector<double> b(channels, 0.0);
  for (std::size_t c = 0; c < channels; ++c) {
    if (!own.empty()) b[c] = static_cast<double>(own[c]);
    if (norm) b[c] = static_cast<double>(norm->beta[c]) + (b[c] - static_cast<double>(norm->mean[c])) * norm->factor(c);
  }
  return b;
}
// Makes it these numbers, by batch norm's beta or the layer's own bias.
inline void set_bias(QatModel& qat, const Unit& unit, const std::vector<double>& bias) {
  const std::vector<double> is = real_bias(qat, unit, bias.size());
  const std::string name = unit.batch_norm >= 0 ? qat.node_name(unit.batch_norm) + ".beta" : qat.node_name(unit.node) + ".bias";
  const std::span<float> to = qat.model().parameter(name).value.edit();
  for (std::size_t c = 0; c < bias.size(); ++c) to[c] = static_cast<float>(static_cast<double>(to[c]) + (bias[c] - is[c]));
}

// Means over images and positions of the codes that a layer's weights are multiplied with, one per tap.
class ColumnMeans {
 public:
  ColumnMeans(const graph::Operator& op, const Shape& weights) : op_(&op), weights_(weights) {}

  void add(const QTensor& x) {
    const LayerColumns columns(*op_, x.codes.shape(), weights_);
    matrix_ = columns.matrix();
    scale_ = static_cast<double>(x.params.scale[0]);
    rows_ += columns.rows();
    sums_.resize(static_cast<std::size_t>(matrix_.groups * matrix_.depth), 0);
    if (const auto* conv = graph::as<graph::op::Conv2D>(*op_)) {
      add_taps(x, graph::op::window(*conv, x.codes.shape().unbatched()));
    } else if (const auto* depthwise = graph::as<graph::op::DepthwiseConv2D>(*op_)) {
      add_taps(x, graph::op::window(*depthwise, x.codes.shape().unbatched()));
    } else {
      add_columns(x, columns);
    }
  }
  [[nodiscard]] const LayerMatrix& matrix() const { return matrix_; }
  // In real units.
  [[nodiscard]] double mean(std::int64_t group, std::int64_t d) const {
    return static_cast<double>(sums_[static_cast<std::size_t>(group * matrix_.depth + d)]) * scale_ / static_cast<double>(rows_);
  }

 private:
  // Where a tap reads: no column is written, all channels are added at once.
  void add_taps(const QTensor& x, const Window& w) {
    const std::int64_t images = x.codes.shape()[0], channels = x.codes.shape()[3], each = channels / matrix_.groups;
    const std::int8_t* const from = x.codes.data();
    parallel(w.taps(), [&](std::int64_t tap) {
      std::vector<std::int32_t> line(static_cast<std::size_t>(channels));
      std::vector<std::int64_t> sum(static_cast<std::size_t>(channels), 0);
      std::int64_t inside = 0;
      for (std::int64_t row = 0; row < images * w.h.out; ++row) {
        const std::int64_t y = row % w.h.out * w.h.stride - w.h.before + tap / w.w.kernel * w.h.dilation;
        if (y < 0 || y >= w.h.in) continue;
        std::fill(line.begin(), line.end(), 0);
        for (std::int64_t o = 0; o < w.w.out; ++o) {
          const std::int64_t column = o * w.w.stride - w.w.before + tap % w.w.kernel * w.w.dilation;
          if (column < 0 || column >= w.w.in) continue;
          ++inside;
          lanes(channels, [to = line.data(), at = from + ((row / w.h.out * w.h.in + y) * w.w.in + column) * channels](std::int64_t c) { to[c] += at[c]; });
        }
        for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += line[c];
      }
      // Taps outside are 0 in real units.
      for (std::int64_t c = 0; c < channels; ++c) {
        sums_[static_cast<std::size_t>(c / each * matrix_.depth + tap * each + c % each)] += sum[static_cast<std::size_t>(c)] - inside * x.params.zero_point[0];
      }
    });
  }
  void add_columns(const QTensor& x, const LayerColumns& columns) {
    const std::int64_t depth = matrix_.depth;
    std::vector<float> row(static_cast<std::size_t>(depth));
    for (std::int64_t g = 0; g < matrix_.groups; ++g) {
      for (std::int64_t r = 0; r < columns.rows(); ++r) {
        columns.read(x, g, r, 1, row.data());
        for (std::int64_t d = 0; d < depth; ++d) sums_[static_cast<std::size_t>(g * depth + d)] += static_cast<std::int64_t>(row[static_cast<std::size_t>(d)]);
      }
    }
  }

  const graph::Operator* op_;
  Shape weights_;
  LayerMatrix matrix_{};
  double scale_ = 1;
  std::int64_t rows_ = 0;
  std::vector<std::int64_t> sums_{};
};

// Means of a layer's products, without its bias, as they are deployed; per output channel, in real units.
inline std::vector<double> product_means(const Unit& unit, const ColumnMeans& inputs, const LayerConstants& folded) {
  const LayerMatrix& m = inputs.matrix();
  std::vector<double> means(static_cast<std::size_t>(m.groups * m.outputs), 0.0);
  for (std::int64_t g = 0; g < m.groups; ++g) {
    for (std::int64_t o = 0; o < m.outputs; ++o) {
      double sum = 0;
      for (std::int64_t d = 0; d < m.depth; ++d) sum += static_cast<double>(folded.weights[m.offset(g, o, d)]) * inputs.mean(g, d);
      const auto c = static_cast<std::size_t>(m.channel(g, o));
      means[c] = sum * static_cast<double>(folded.weight_scale[unit.weights.per_channel() ? c : 0]);
    }
  }
  return means;
}
inline std::vector<double> product_means(const QatModel& qat, const Unit& unit, const ColumnMeans& inputs) {
  return product_means(unit, inputs, lower(qat, unit));
}
// The same with the bias as it is rounded.
inline std::vector<double> deployed_means(const QatModel& qat, const Unit& unit, const ColumnMeans& inputs) {
  const LayerConstants folded = lower(qat, unit);
  std::vector<double> means = product_means(unit, inputs, folded);
  const double in = static_cast<double>(qat.input_params(unit).scale[0]);
  for (std::size_t c = 0; c < means.size(); ++c) {
    const double step = in * static_cast<double>(folded.weight_scale[unit.weights.per_channel() ? c : 0]);
    means[c] += static_cast<double>(folded.bias[static_cast<std::int64_t>(c)]) * step;
  }
  return means;
}

// Means over images and positions of what each layer makes in a float model, before the activation.
// Errors:    Errc::shape if its graph is another
inline std::vector<std::vector<double>> float_means(const char* op, const QatModel& qat, const Model& reference, const std::vector<const Unit*>& units,
                                                    const Dataset& data, const RoundingData& o) {
  bool same = reference.graph().size() == qat.graph().size();
  for (int id = 0; same && id < qat.graph().size(); ++id) {
    const graph::Node &a = qat.graph().node(id), &b = reference.graph().node(id);
    same = a.name == b.name && a.shape == b.shape && a.op.index() == b.op.index();
  }
  require(same, Errc::shape, "{}: the reference has another graph than the quantized model; pass the float model that was prepared", op);
  std::vector<int> layer_at(static_cast<std::size_t>(qat.graph().size()), -1);
  for (std::size_t i = 0; i < units.size(); ++i) {
    layer_at[static_cast<std::size_t>(units[i]->batch_norm >= 0 ? units[i]->batch_norm : units[i]->node)] = static_cast<int>(i);
  }
  std::vector<std::vector<double>> sums(units.size());
  std::vector<double> rows(units.size(), 0.0);
  const Batches batches(data.size(), {.size = o.batch, .seed = o.seed, .images = o.images, .even = true}, 0);
  for (std::int64_t b = 0; b < batches.size(); ++b) {
    (void)infer(reference, data.batch(batches[b]).inputs(), {.observe = [&](int node, const Tensor<float>& value) {
                  if (layer_at[static_cast<std::size_t>(node)] < 0) return;
                  const auto i = static_cast<std::size_t>(layer_at[static_cast<std::size_t>(node)]);
                  const std::int64_t channels = value.shape().back();
                  sums[i].resize(static_cast<std::size_t>(channels), 0.0);
                  rows[i] += static_cast<double>(value.size() / channels);
                  const std::span<const float> v = value.span();
                  for (std::size_t at = 0; at < v.size(); at += static_cast<std::size_t>(channels)) {
                    for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) sums[i][c] += static_cast<double>(v[at + c]);
                  }
                }});
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    for (double& s : sums[i]) s /= rows[i];
  }
  return sums;
}

}  // namespace stet::detail
