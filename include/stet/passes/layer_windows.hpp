#pragma once
// What the rows of a layer are to make of the windows that they see in data, and how far given codes are from it.

#include <stet/core/finite.hpp>
#include <stet/core/gemm.hpp>
#include <stet/core/parallel.hpp>
#include <stet/data/batches.hpp>
#include <stet/model/forward.hpp>
#include <stet/passes/ada_round_codes.hpp>
#include <stet/passes/layer_codes.hpp>
#include <stet/passes/layer_columns.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace stet::detail {

// Whose output a layer shall come close to.
struct LayerTarget {
  Model* model;    // in float; evaluated only
  bool own_input;      // on the input that it has in there; false: on the codes that the quantized layer reads
};

// What a layer makes of its products, batch norm included.
inline LayerOutput layer_output(const QatModel& qat, const Unit& unit, const LayerSteps& l, double input_scale) {
  LayerOutput out;
  out.activation = unit.activation();
  const std::optional<NormView> norm = norm_of(qat, unit);
  const std::span<const float> bias = bias_of(qat, unit);
  for (std::int64_t c = 0; c < l.channel.count; ++c) {
    const auto at = static_cast<std::size_t>(c);
    const double k = norm ? norm->factor(at) : 1.0, b = bias.empty() ? 0.0 : static_cast<double>(bias[at]);
    out.scale.push_back(static_cast<float>(input_scale * static_cast<double>(l.scale_of(c)) * (l.factor.empty() ? k : 1.0)));
    out.bias.push_back(static_cast<float>(norm ? static_cast<double>(norm->beta[at]) + (b - static_cast<double>(norm->mean[at])) * k : b));
  }
  return out;
}

// A group's part of a tensor that is shaped like a layer's weights: [outputs, depth], or the other way round.
template <class T>
Tensor<float> group_rows(const LayerMatrix& m, const Tensor<T>& weights, std::int64_t g, bool depth_first) {
  Tensor<float> rows(depth_first ? Shape{m.depth, m.outputs} : Shape{m.outputs, m.depth});
  float* const to = rows.edit().data();
  for (std::int64_t o = 0; o < m.outputs; ++o) {
    for (std::int64_t d = 0; d < m.depth; ++d) to[depth_first ? d * m.outputs + o : o * m.depth + d] = static_cast<float>(weights[m.offset(g, o, d)]);
  }
  return rows;
}

// The values that the float network has where a unit ends. Its images are those that the quantized model saw.
inline Tensor<float> float_values(Model& model, const Unit& unit, std::span<const Tensor<float>> inputs) {
  Tensor<float> found;
  Tape tape;
  ForwardOptions options;
  options.observe = [&](int node, const Tensor<float>& value) {
    if (node == unit.output) found = value;
  };
  (void)forward(tape, model, inputs, Mode::evaluation, options);
  if (!all_finite(found.span())) fail(Errc::range, "weights cannot be rounded: a value of {} is not finite in the float model", model.graph().node(unit.output).name);
  return found;
}

// What the float weights make of the columns [n, depth] of a group.
inline void float_outputs(const LayerMatrix& m, const Tensor<float>& steps, std::int64_t g, const LayerOutput& output, const Tensor<float>& columns, Tensor<float>& to) {
  const Tensor<float> w = group_rows(m, steps, g, true);
  const GemmRight<float> right(Layout::plain, m.depth, m.outputs, w.data(), m.outputs);
  float* const out = to.edit().data();
  parallel_chunks(columns.shape()[0], m.depth * m.outputs, [&](Chunk c) {
    right.product(c.size(), columns.data() + c.first * m.depth, m.depth, out + c.first * m.outputs, m.outputs, nullptr);
    for (std::int64_t i = c.first * m.outputs; i < c.last * m.outputs; ++i) out[i] = output(out[i], static_cast<std::size_t>(i % m.outputs));
  });
}

// Where a layer's weights lie, and the goals of its groups.
struct LayerGoals {
  LayerMatrix matrix{};
  std::vector<RoundingGoal> of_group{};
};

// Goals on windows that are drawn from all images alike, without repetition.
inline LayerGoals draw_goals(const QatModel& qat, const Unit& unit, const LayerSteps& l, const LayerTarget& target, const Dataset& data,
                                            const RoundingData& o, std::int64_t windows) {
  LayerGoals drawn;
  LayerMatrix& m = drawn.matrix;
  std::vector<RoundingGoal>& goals = drawn.of_group;
  std::vector<std::int64_t> slot;  // where a window goes: an order that was drawn
  std::int64_t images = 0, used = 0;
  const auto stream = static_cast<std::uint64_t>(unit.node) + 1;
  const std::int64_t all = o.images > 0 ? std::min(o.images, data.size()) : data.size();
  for_inputs(qat, unit, data, o, [&](const Batch& batch, const QTensor& x) {
    const LayerColumns columns(unit.op(), x.codes.shape(), l.steps.shape());
    const std::int64_t rows = columns.rows();
    m = columns.matrix();
    if (goals.empty()) {
      const std::int64_t count = std::min(windows, rows / batch.size() * all);
      const LayerOutput out = layer_output(qat, unit, l, static_cast<double>(x.params.scale[0]));
      slot = shuffled_order(count, o.seed, stream);
      for (std::int64_t g = 0; g < m.groups; ++g) {
        goals.push_back({Tensor<float>(Shape{count, m.depth}), Tensor<float>(Shape{count, m.outputs}), out.part(m.channel(g, 0), m.outputs)});
      }
    }
    images += batch.size();
    const std::int64_t upto = images * static_cast<std::int64_t>(slot.size()) / all, count = upto - used;
    std::vector<std::int64_t> row = shuffled_order(rows, o.seed + static_cast<std::uint64_t>(images), stream);
    row.resize(static_cast<std::size_t>(count));
    Tensor<float> wanted;
    if (target.own_input) wanted = float_values(*target.model, unit, batch.inputs());
    std::vector<std::pair<float*, float*>> to;
    for (RoundingGoal& goal : goals) to.emplace_back(goal.columns.edit().data(), goal.wanted.edit().data());
    parallel(m.groups, [&](std::int64_t g) {
      const auto [column, want] = to[static_cast<std::size_t>(g)];
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t at = slot[static_cast<std::size_t>(used + i)], r = row[static_cast<std::size_t>(i)];
        columns.read(x, g, r, 1, column + at * m.depth);
        if (wanted.size() == 0) continue;
        const float* const from = wanted.data() + r * m.groups * m.outputs + m.channel(g, 0);
        std::copy(from, from + m.outputs, want + at * m.outputs);
      }
    });
    used = upto;
  });
  for (std::int64_t g = 0; g < m.groups && !target.own_input; ++g) {
    RoundingGoal& goal = goals[static_cast<std::size_t>(g)];
    float_outputs(m, l.steps, g, goal.output, goal.columns, goal.wanted);
  }
  return drawn;
}

// Squared errors per output channel over all windows of the images, for each of several codes of a layer.
inline std::vector<std::vector<double>> channel_errors(const QatModel& qat, const Unit& unit, const LayerSteps& l, const LayerTarget& target, const Dataset& data,
                                                       const RoundingData& o, std::span<const Tensor<std::int8_t>> codes) {
  const auto sets = static_cast<std::int64_t>(codes.size());
  const auto channels = static_cast<std::size_t>(l.channel.count);
  std::vector<std::vector<double>> errors(codes.size(), std::vector<double>(channels, 0.0));
  for_inputs(qat, unit, data, o, [&](const Batch& batch, const QTensor& x) {
    const LayerColumns columns(unit.op(), x.codes.shape(), l.steps.shape());
    const LayerMatrix m = columns.matrix();
    const LayerOutput out = layer_output(qat, unit, l, static_cast<double>(x.params.scale[0]));
    Tensor<float> wanted;
    if (target.own_input) wanted = float_values(*target.model, unit, batch.inputs());
    std::vector<GemmRight<float>> right;  // per group: the codes of every set, then the weights in float
    const std::int64_t width = m.outputs * (sets + 1);
    for (std::int64_t g = 0; g < m.groups; ++g) {
      Tensor<float> w(Shape{m.depth, width});
      float* const to = w.edit().data();
      for (std::int64_t i = 0; i < m.depth * width; ++i) {
        const std::int64_t s = i % width / m.outputs, from = m.offset(g, i % m.outputs, i / width);
        to[i] = s < sets ? static_cast<float>(codes[static_cast<std::size_t>(s)][from]) : l.steps[from];
      }
      right.emplace_back(Layout::plain, m.depth, width, w.data(), width);
    }
    constexpr std::int64_t rows = 512;
    const std::int64_t pieces = (columns.rows() + rows - 1) / rows;
    std::vector<double> sums(static_cast<std::size_t>(m.groups * pieces * sets * m.outputs), 0.0);
    parallel(m.groups * pieces, [&](std::int64_t i) {
      const std::int64_t g = i / pieces, first = i % pieces * rows, count = std::min(rows, columns.rows() - first);
      std::vector<float> column(static_cast<std::size_t>(count * m.depth)), y(static_cast<std::size_t>(count * width));
      columns.read(x, g, first, count, column.data());
      right[static_cast<std::size_t>(g)].product(count, column.data(), m.depth, y.data(), width, nullptr);
      double* const sum = sums.data() + i * sets * m.outputs;
      for (std::int64_t r = 0; r < count; ++r) {
        for (std::int64_t k = 0; k < m.outputs; ++k) {
          const auto c = static_cast<std::size_t>(m.channel(g, k));
          const float* const products = y.data() + r * width + k;
          const float want = target.own_input ? wanted[(first + r) * m.groups * m.outputs + m.channel(g, k)] : out(products[sets * m.outputs], c);
          for (std::int64_t s = 0; s < sets; ++s) {
            const double e = static_cast<double>(out(products[s * m.outputs], c)) - static_cast<double>(want);
            sum[s * m.outputs + k] += e * e;
          }
        }
      }
    });
    for (std::int64_t i = 0; i < m.groups * pieces; ++i) {
      for (std::int64_t s = 0; s < sets; ++s) {
        for (std::int64_t k = 0; k < m.outputs; ++k) {
          errors[static_cast<std::size_t>(s)][static_cast<std::size_t>(m.channel(i / pieces, k))] += sums[static_cast<std::size_t>((i * sets + s) * m.outputs + k)];
        }
      }
    }
  });
  return errors;
}

}  // namespace stet::detail
