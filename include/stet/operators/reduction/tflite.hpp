#pragma once
// Sums and means over dimensions in .tflite files.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_importer.hpp>

#include <algorithm>
#include <vector>

namespace stet::tflite {

inline void write(const op::Mean& o, Writer& w) { w.reduce(Builtin::mean, o.axes, o.keep_dims); }
inline void write(const op::Sum& o, Writer& w) { w.reduce(Builtin::sum, o.axes, o.keep_dims); }
inline FloatTraits traits_of(const op::Sum&, const Shape&) {
  return {.fault_at_16_bits = "LiteRT's reference kernel for 16 bits does not rescale; use a mean"};
}

namespace detail {

// Axes without the batch, ascending.
inline std::vector<int> axes(const Site& s) {
  s.expect_inputs(2, 2);
  s.expect_options(OptionsType::reducer);
  std::vector<int> axes;
  for (const std::int64_t given : s.integers(1, "axis")) {
    const int axis = s.dimension(given, s.input(0).shape.size(), "axis {} does not exist in {} dimensions");
    s.require(axis != 0, Errc::unsupported, "axis {} is the batch; samples must stay apart", given);
    axes.push_back(axis - 1);
  }
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  s.require(!axes.empty(), Errc::format, "names no axis");
  return axes;
}
// A mean over the image is a GlobalAveragePool, which integers know; kept dimensions are a Reshape.
inline void read_mean(const Site& s, Importer& in) {
  const std::vector<int> over = axes(s);
  const int from = in.value(s, 0);
  const Shape x = in.shape(from);
  const bool image = over == std::vector<int>{0, 1} && x.rank() == 3;
  s.require(image || !in.on_codes(), Errc::unsupported,
            "only a mean over height and width of an image has an integer operator");
  if (!image) return in.finish(s, op::Mean{over, s.options().keep_dims}, {from});
  if (!s.options().keep_dims) return in.finish(s, op::GlobalAveragePool{}, {from});
  const int pooled = in.add(s, op::GlobalAveragePool{}, {from}, "mean");
  in.finish(s, op::Reshape{Shape{1, 1, x[2]}}, {pooled});
}
inline void read_sum(const Site& s, FloatImporter& in) {
  in.finish(s, op::Sum{axes(s), s.options().keep_dims}, {in.value(s, 0)}, Activation::none);
}

}  // namespace detail

inline constexpr Row reduction_rows[] = {
    {Builtin::mean, reads<detail::read_mean>, 2, 3, "1.6.0 1.14.0 2.4.0", "AddMean"},
    {Builtin::sum, {detail::read_sum, nullptr}, 2, 3, "1.10.0", "AddSum"}};

}  // namespace stet::tflite
