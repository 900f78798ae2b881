#pragma once
// Pools in .tflite files.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_importer.hpp>

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

namespace stet::tflite {

namespace detail {

template <class Pool>
Options pool_options(const Pool& o, Padding padding) {
  const Pair stride = op::pool_stride(o.size, o.stride);
  return {.type = OptionsType::pool_2d,
          .padding = padding,
          .stride_w = stride.width,
          .stride_h = stride.height,
          .filter_width = o.size.width,
          .filter_height = o.size.height};
}

// The padding of a window as numbers.
inline WindowPlan zeros(const Window& w) {
  const auto after = [](const WindowAxis& a) {
    return static_cast<int>(std::max<std::int64_t>((a.out - 1) * a.stride + a.kernel - a.in - a.before, 0));
  };
  const WindowPlan p{Padding::valid, true, static_cast<int>(w.h.before), after(w.h), static_cast<int>(w.w.before),
                     after(w.w)};
  return p.top + p.bottom + p.left + p.right == 0 ? WindowPlan{} : p;
}

}  // namespace detail

/// For each window of an average pool how many times more taps it has than lie in the image: the factor with which a mean
/// over zeros around the image becomes the mean of the image's elements.
/// Formula:   taps / (rows inside * columns inside), in double, then rounded to float; NaN for none inside
/// Shapes:    [1,out height,out width,1]
inline Tensor<float> shares(const Window& w) {
  const auto inside = [](const WindowAxis& a, std::int64_t out) {
    const std::int64_t first = out * a.stride - a.before;
    return std::min(first + a.kernel, a.in) - std::max<std::int64_t>(first, 0);
  };
  Tensor<float> share(Shape{1, w.h.out, w.w.out, 1});
  const auto values = share.edit();
  for (std::int64_t i = 0; i < share.size(); ++i) {
    const std::int64_t taps = inside(w.h, i / w.w.out) * inside(w.w, i % w.w.out);
    values[static_cast<std::size_t>(i)] =
        taps < 1 ? std::numeric_limits<float>::quiet_NaN()
                 : static_cast<float>(static_cast<double>(w.taps()) / static_cast<double>(taps));
  }
  return share;
}

inline void write(const op::MaxPool& o, Writer& w) {
  const WindowPlan p = plan_window(window(o, w.node().in), o.padding);
  const std::int32_t x = p.explicit_pad ? w.padded(p, w.lowest()) : w.input();
  w.emit(Builtin::max_pool_2d, {x}, detail::pool_options(o, p.padding));
}

inline void write(const op::AveragePool& o, Writer& w) {
  const Window taps = window(o, w.node().in);
  WindowPlan p = plan_window(taps, o.padding);
  // AVERAGE_POOL_2D leaves out the padding of SAME. Where padding counts it must be there as zeros.
  if (o.count_padding && p.padding == Padding::same) p = detail::zeros(taps);
  const std::int32_t x = p.explicit_pad ? w.padded(p) : w.input();
  const Options options = detail::pool_options(o, p.padding);
  if (!p.explicit_pad || o.count_padding) return w.emit(Builtin::average_pool_2d, {x}, options);
  // Zeros count as elements here; each mean is put right by the share of its window that is image.
  const std::string& name = w.node().name;
  const std::int32_t mean = w.value(name + ":padded_mean", w.node().out, TensorType::float32);
  w.operation(Builtin::average_pool_2d, {x}, mean, options);
  w.emit(Builtin::mul, {mean, w.float32(name + ":share", shares(taps))}, {.type = OptionsType::mul});
}
inline FloatTraits traits_of(const op::AveragePool& o, const Shape& x) {
  const bool left_out = !o.count_padding && plan_window(window(o, x), o.padding).explicit_pad;
  return {.scale = FloatTraits::Scale::kept,
          .fault_at_16_bits = left_out ? "leaves out a padding that is neither SAME nor VALID" : ""};
}

// Without the reduced dimensions: with them LiteRT's optimized kernel rounds codes in another way.
inline void write(const op::GlobalAveragePool& o, Writer& w) {
  if (!o.keep_dims || w.kind().type != TensorType::int8) return w.reduce(Builtin::mean, {0, 1}, o.keep_dims);
  // Of codes, LiteRT's optimized kernel takes a mean that keeps its dimensions by another rule.
  const std::string& name = w.node().name;
  const std::int32_t y = w.output();
  const std::int32_t flat = w.like(y, name + ":flat", {w.node().out.back()});
  w.operation(Builtin::mean, {w.input(), w.indices(name + ":axes", Writer::behind_batch({0, 1}))}, flat,
              {.type = OptionsType::reducer});
  w.reshape(flat, y, name, w.node().out);
}

namespace detail {

// A pool with the padding around what it reads.
template <class Pool>
std::pair<Pool, int> pool_and_source(const Site& s, const Importer& in) {
  s.expect_inputs(1, 1);
  s.expect_options(OptionsType::pool_2d);
  const Options& o = s.options();
  s.require(o.filter_height >= 1 && o.filter_width >= 1, Errc::format,
            "filter_height {} and filter_width {} must be at least 1", o.filter_height, o.filter_width);
  Pool pool;
  pool.size = {o.filter_height, o.filter_width};
  pool.stride = s.stride();
  const WindowSource from = in.source(s);
  pool.padding = from.padding;
  return {pool, from.from};
}
template <class Pool>
void read_pool(const Site& s, FloatImporter& in) {
  const auto [pool, from] = pool_and_source<Pool>(s, in);
  if (std::is_same_v<Pool, op::AveragePool> && in.has_margins(s.index(0))) in.set_corrected(s.output_index());
  in.finish(s, pool, {from}, s.activation());
}
// A fused activation becomes an operator of its own, if that has the same bounds on the target.
template <class Pool>
void read_pool(const Site& s, IntegerImporter& in) {
  const auto [pool, from] = pool_and_source<Pool>(s, in);
  const Activation activation = s.activation();
  if (activation == Activation::none) return in.finish(s, pool, {from}, activation);
  in.require_same_params(s, from);
  const Operand x{in.shape(from), in.codes(from)};
  const Surroundings around{in.target(), {&x, 1}, x, activation};
  integer::Bounds fused;
  if constexpr (std::is_same_v<Pool, op::MaxPool>) {
    fused = resolve(pool, around);
  } else {
    fused = resolve(pool, around).bounds;
  }
  const integer::Bounds own = integer::make_clamp(in.target(), x.codes, activation).bounds;
  s.require(fused == own, Errc::unsupported,
            "fused activation clamps to {}..{}, an operator of its own to {}..{} on {}; its scale {} lies on a tie",
            fused.lo, fused.hi, own.lo, own.hi, in.target().name, x.codes.scale);
  const int pooled = in.add(s, pool, {from}, "pool");
  const bool six = activation == Activation::relu6;
  in.finish(s, six ? graph::Operator(op::Relu6{}) : graph::Operator(op::Relu{}), {pooled}, Activation::none);
}
// Whether an operator is an unpadded pool of this kind.
inline bool is_unpadded_pool(const OperatorInfo* o, Builtin kind) {
  return o != nullptr && o->code == kind && o->options.padding == Padding::valid;
}
// Whether an average pool behind a PAD is put right by a MUL behind it, so that the padding does not count.
inline bool is_corrected_mean(const OperatorInfo* pool, const FloatImporter& in, int from, const op::Pad& p) {
  if (!is_unpadded_pool(pool, Builtin::average_pool_2d) || pool->outputs.size() != 1) return false;
  const std::int32_t mean = pool->outputs[0];
  const OperatorInfo* mul = in.sole_reader(mean);
  if (mul == nullptr || mul->code != Builtin::mul || mul->inputs.size() != 2 || mul->inputs[0] != mean ||
      !in.is_constant(mul->inputs[1])) {
    return false;
  }
  const Shape x = in.shape(from);
  const Options& o = pool->options;
  if (x.rank() != 3 || o.fused_activation != FusedActivation::none) return false;
  const Tensor<float> share = shares(make_window("pool", x[0], x[1], {o.filter_height, o.filter_width},
                                                 {o.stride_h, o.stride_w}, 1,
                                                 stet::Padding::of(p.top, p.bottom, p.left, p.right)));
  const Tensor<float> factor = in.constant(in.site_of(*mul), 1);
  return factor.shape() == share.shape() && std::ranges::equal(factor.span(), share.span());
}
inline bool is_corrected_mean(const OperatorInfo*, const IntegerImporter&, int, const op::Pad&) { return false; }
template <class Pool>
inline constexpr Reads reads_pool{read_pool<Pool>, read_pool<Pool>};

}  // namespace detail

inline constexpr Row pooling_rows[] = {
    {Builtin::max_pool_2d, detail::reads_pool<op::MaxPool>, 2, 3, "1.5.0 1.14.0 2.3.0", "AddMaxPool2D"},
    {Builtin::average_pool_2d, detail::reads_pool<op::AveragePool>, 2, 3, "1.5.0 1.14.0 2.3.0", "AddAveragePool2D"}};

}  // namespace stet::tflite
