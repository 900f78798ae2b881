#pragma once
// The scale of codes as a trained range: how layers pull it, without keeping the values before rounding.

#include <stet/autograd/tape.hpp>
#include <stet/core/bits.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/qat/any_learned_range.hpp>
#include <stet/qat/qvar.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace stet {

/// A range that a step trains, and what it is the range of, for messages; no range where scales are fixed or follow the
/// data. The range must outlive the tape, and its parameters must not change before backward.
struct LearnedScale {
  AnyLearnedRange* range = nullptr;
  std::string_view of{};
};

namespace detail {

// The same real values on eight bits, for codes of fewer: what orders values that share a code, so that a maximum pool
// hands its gradient to the largest and not to the first.
struct FinerCodes {
  float factor;
  std::int32_t zero_point;
  explicit FinerCodes(const QParams& p)
      : factor(static_cast<float>(256 / p.grid.levels())),
        zero_point((p.zero_point[0] - p.grid.lo) * (256 / p.grid.levels()) - 128) {}
};

// Sum of f(i) over [0, n), in chunks that depend on n alone.
template <class F>
double chunked_sum(std::int64_t n, F f) {
  const std::int64_t chunks = chunk_count(n, 1);
  std::vector<double> parts(static_cast<std::size_t>(chunks), 0.0);
  parallel(chunks, [&](std::int64_t index) {
    const Chunk c = chunk_of(n, chunks, index);
    const float sum = lanes_reduce(
        c.size(), 0.0f, [&](std::int64_t i) { return f(c.first + i); }, [](float a, float b) { return a + b; });
    parts[static_cast<std::size_t>(index)] = static_cast<double>(sum);
  });
  double total = 0.0;
  for (const double part : parts) total += part;
  return total;
}

// Sum of dy times the real values that the codes stand for.
inline double sum_over_codes(const Tensor<float>& dy, const QTensor& y) {
  const float* g = dy.data();
  const std::int8_t* q = y.codes.data();
  const std::int32_t zero = y.params.zero_point[0];
  return static_cast<double>(y.params.scale[0]) *
         chunked_sum(dy.size(), [=](std::int64_t i) { return g[i] * static_cast<float>(q[i] - zero); });
}

inline double inner_product(const Tensor<float>& a, const Tensor<float>& b) {
  const float* x = a.data();
  const float* y = b.data();
  return chunked_sum(a.size(), [=](std::int64_t i) { return x[i] * y[i]; });
}

// Sum of f(code) * dy over outputs that were clipped or that the activation cut off.
template <class F>
double sum_over_clipped(const Tensor<float>& dy, const QTensor& y, const Tensor<std::uint32_t>& pass, F f) {
  const float* g = dy.data();
  const std::int8_t* q = y.codes.data();
  const std::uint32_t* bits = pass.data();
  return chunked_sum(dy.size(), [=](std::int64_t i) { return test_bit(bits, i) ? 0.0f : g[i] * f(q[i]); });
}

// Stands for the parameters of a range on the tape: record() drops what no input wants a gradient of.
inline Var<Tensor<float>> stand_in(Tape& tape, const LearnedScale& learned) {
  return learned.range != nullptr ? tape.variable(Tensor<float>()) : tape.constant(Tensor<float>());
}

// Carries gradients on to the parameters.
// Errors:    Errc::range naming the layer if one is NaN or infinite
inline void pull_range(const LearnedScale& learned, std::span<const double> dscale, std::span<const double> dzero_point) {
  try {
    learned.range->pull(dscale, dzero_point);
  } catch (const Error& e) {
    throw Error(e.code(), formatted("{}: {}", learned.of, e.what()));
  }
}

// Trains the range of output codes by its rule, inside being what the pass bits say. `passed` is the sum of dy times the
// real value before rounding, over what was not clipped. Clipped outputs with the code of 0 do not move the zero point: a
// ReLU put them there.
inline void pull_outputs(const LearnedScale& learned, const Tensor<float>& dy, const QTensor& y,
                         const Tensor<std::uint32_t>& pass, double passed) {
  const std::int32_t zero = y.params.zero_point[0];
  const auto scale = static_cast<double>(y.params.scale[0]);
  const double dscale = learned.range->rule().rounding_term
                            ? (sum_over_codes(dy, y) - passed) / scale
                            : sum_over_clipped(dy, y, pass, [=](std::int8_t q) { return static_cast<float>(q - zero); });
  double dzero_point = 0.0;
  if (learned.range->moves_zero_point()) {
    dzero_point =
        -scale * sum_over_clipped(dy, y, pass, [=](std::int8_t q) { return static_cast<float>(static_cast<int>(q != zero)); });
  }
  learned.range->set_elements(dy.size() / dy.shape()[0]);
  pull_range(learned, {&dscale, 1}, {&dzero_point, 1});
}

}  // namespace detail
}  // namespace stet
