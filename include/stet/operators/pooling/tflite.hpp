#pragma once
// Pools in .tflite files.

#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/row.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

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
inline void write(const op::GlobalAveragePool&, Writer& w) { w.reduce(Builtin::mean, {0, 1}, false); }

inline constexpr Row pooling_rows[] = {{Builtin::max_pool_2d, 2, 3, "1.5.0 1.14.0 2.3.0"},
                                       {Builtin::average_pool_2d, 2, 3, "1.5.0 1.14.0 2.3.0"}};

}  // namespace stet::tflite
