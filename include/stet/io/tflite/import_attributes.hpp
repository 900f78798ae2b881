#pragma once
// Attributes of operators in a file as those of the graph's operators. Float and integer models read them alike.

#include <stet/operators/list.hpp>
#include <stet/io/tflite/import_site.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace stet::tflite {

namespace op = graph::op;

/// SAME or VALID.
/// Errors:    Errc::format if it is neither
inline stet::Padding read_padding(const Site& site) {
  const Padding p = site.options().padding;
  site.require(p == Padding::same || p == Padding::valid, Errc::format, "padding is {}, must be SAME (0) or VALID (1)",
               static_cast<int>(p));
  return p == Padding::same ? stet::Padding::same() : stet::Padding::valid();
}

/// Checks which options table an operator carries. One that is left out stands for the defaults.
/// Errors:    Errc::format if it is another operator's
inline void expect_options(const Site& site, OptionsType type) {
  const OptionsType got = site.options().type;
  site.require(got == type || got == OptionsType::none, Errc::format, "builtin_options has type {}, must be {}",
               static_cast<int>(got), static_cast<int>(type));
}

namespace detail {

inline Pair read_stride(const Site& site) {
  const Options& o = site.options();
  site.require(o.stride_h >= 1 && o.stride_w >= 1, Errc::format, "stride_h {} and stride_w {} must be at least 1",
               o.stride_h, o.stride_w);
  return {o.stride_h, o.stride_w};
}
inline Pair read_dilation(const Site& site) {
  const Options& o = site.options();
  site.require(o.dilation_h >= 1 && o.dilation_w >= 1, Errc::format,
               "dilation_h_factor {} and dilation_w_factor {} must be at least 1", o.dilation_h, o.dilation_w);
  return {o.dilation_h, o.dilation_w};
}
inline Shape read_filter(const Site& site, int rank) {
  const Shape w = shape_of(site.input(1));
  site.require(w.rank() == rank && w.elements() > 0, Errc::shape, "weights {} have shape {}, must have rank {}",
               site.input(1).name, w, rank);
  return w;
}

}  // namespace detail

/// Attributes of CONV_2D for an input without batch; `padding` is not read, because an operator before it may pad.
inline op::Conv2D read_conv2d(const Site& site, const Shape& in) {
  expect_options(site, OptionsType::conv_2d);
  const Shape w = detail::read_filter(site, 4);
  site.require(in.rank() == 3, Errc::shape, "input has shape {} (without the batch), must be an image", in);
  site.require(in[2] % w[3] == 0 && in[2] > 0, Errc::shape,
               "weights {} read {} channels, which do not divide the {} of the input", w, w[3], in[2]);
  return {.filters = static_cast<int>(w[0]),
          .kernel = {static_cast<int>(w[1]), static_cast<int>(w[2])},
          .stride = detail::read_stride(site),
          .dilation = detail::read_dilation(site),
          .groups = static_cast<int>(in[2] / w[3])};
}

/// Attributes of DEPTHWISE_CONV_2D, as above.
inline op::DepthwiseConv2D read_depthwise(const Site& site, const Shape& in) {
  expect_options(site, OptionsType::depthwise_conv_2d);
  const Shape w = detail::read_filter(site, 4);
  site.require(in.rank() == 3, Errc::shape, "input has shape {} (without the batch), must be an image", in);
  const std::int32_t m = site.options().depth_multiplier;
  site.require(m >= 1 && w[0] == 1 && w[3] == in[2] * m, Errc::shape,
               "weights {} with depth_multiplier {} do not fit the {} channels of the input", w, m, in[2]);
  return {.kernel = {static_cast<int>(w[1]), static_cast<int>(w[2])},
          .stride = detail::read_stride(site),
          .dilation = detail::read_dilation(site),
          .multiplier = m};
}

/// Attributes of MAX_POOL_2D or AVERAGE_POOL_2D, as the graph's operator Pool.
template <class Pool>
Pool read_pool(const Site& site) {
  expect_options(site, OptionsType::pool_2d);
  const Options& o = site.options();
  site.require(o.filter_height >= 1 && o.filter_width >= 1, Errc::format,
               "filter_height {} and filter_width {} must be at least 1", o.filter_height, o.filter_width);
  Pool pool;
  pool.size = {o.filter_height, o.filter_width};
  pool.stride = detail::read_stride(site);
  pool.padding = read_padding(site);
  return pool;
}

/// Margins of PAD or PADV2.
/// Errors:    Errc::unsupported if the batch or the channels are padded, or the value is no image
inline op::Pad read_pad(const Site& site) {
  const bool second = site.info().code == Builtin::padv2;  // has the value that is put there as third operand
  site.expect_inputs(second ? 3 : 2, second ? 3 : 2);
  expect_options(site, second ? OptionsType::pad_v2 : OptionsType::pad);
  const std::vector<std::int64_t> p = site.integers(1, "paddings");
  site.require(p.size() == 8 && site.input(0).shape.size() == 4, Errc::unsupported,
               "pads a value of {} dimensions with {} numbers; only height and width of an image can be padded",
               site.input(0).shape.size(), p.size());
  for (const std::int64_t v : p) {
    site.require(v >= 0 && v <= (1 << 24), Errc::range, "padding {} must be 0 to 2^24", v);
  }
  site.require(p[0] == 0 && p[1] == 0 && p[6] == 0 && p[7] == 0, Errc::unsupported,
               "pads the batch by {},{} and the channels by {},{}; only height and width can be padded", p[0], p[1],
               p[6], p[7]);
  return {static_cast<int>(p[2]), static_cast<int>(p[3]), static_cast<int>(p[4]), static_cast<int>(p[5])};
}

/// Axis of CONCATENATION, without the batch.
inline int read_concat_axis(const Site& site) {
  expect_options(site, OptionsType::concatenation);
  const auto rank = static_cast<std::int32_t>(site.output().shape.size());
  const std::int32_t axis = site.options().axis;
  const std::int32_t front = axis < 0 ? axis + rank : axis;  // cannot overflow: the rank is at most 6
  site.require(front >= 0 && front < rank, Errc::range, "axis {} does not exist in {} dimensions", axis, rank);
  site.require(front != 0, Errc::unsupported, "axis {} is the batch; only values of one sample can be joined", axis);
  return front - 1;
}

/// Order of TRANSPOSE, without the batch.
inline std::vector<int> read_transpose(const Site& site) {
  site.expect_inputs(2, 2);
  expect_options(site, OptionsType::transpose);
  const std::vector<std::int64_t> perm = site.integers(1, "perm");
  const auto rank = static_cast<std::int64_t>(site.input(0).shape.size());
  std::vector<int> axes;
  for (std::size_t i = 0; i < perm.size(); ++i) {
    const std::int64_t axis = perm[i] < 0 && perm[i] >= -rank ? perm[i] + rank : perm[i];
    site.require(axis >= 0 && axis < rank, Errc::range, "perm names dimension {} of {}", perm[i], rank);
    site.require((i == 0) == (axis == 0), Errc::unsupported, "perm moves the batch from place {} to {}", axis, i);
    if (i > 0) axes.push_back(static_cast<int>(axis) - 1);
  }
  return axes;
}

/// Axes of MEAN or SUM, without the batch, ascending.
inline std::vector<int> read_axes(const Site& site) {
  site.expect_inputs(2, 2);
  expect_options(site, OptionsType::reducer);
  const auto rank = static_cast<std::int64_t>(site.input(0).shape.size());
  std::vector<int> axes;
  for (const std::int64_t given : site.integers(1, "axis")) {
    const std::int64_t axis = given < 0 && given >= -rank ? given + rank : given;
    site.require(axis >= 0 && axis < rank, Errc::range, "axis {} does not exist in {} dimensions", given, rank);
    site.require(axis != 0, Errc::unsupported, "axis {} is the batch; samples must stay apart", given);
    axes.push_back(static_cast<int>(axis) - 1);
  }
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  site.require(!axes.empty(), Errc::format, "names no axis");
  return axes;
}

/// Shape that RESHAPE, SQUEEZE or EXPAND_DIMS makes, without the batch. The file's own shape of the output is taken; the
/// operand must agree with it.
inline Shape read_new_shape(const Site& site) {
  const Shape out = site.output_sample();
  const Shape in = site.sample(site.input(0));
  const auto& dims = site.output().shape;
  site.require(in.elements() == out.elements(), Errc::shape, "{} (without the batch) cannot become {}", in, out);
  if (site.info().code == Builtin::squeeze) {
    expect_options(site, OptionsType::squeeze);
    const auto rank = static_cast<std::int32_t>(site.input(0).shape.size());
    for (const std::int32_t given : site.options().squeeze_dims) {
      const std::int32_t axis = given < 0 ? given + rank : given;
      site.require(axis > 0 && axis < rank && site.input(0).shape[static_cast<std::size_t>(axis)] == 1,
                   Errc::unsupported, "squeeze_dims has {}, which is no dimension of size 1 besides the batch in {}",
                   given, shape_of(site.input(0)));
    }
    return out;
  }
  if (site.info().code == Builtin::expand_dims) return out;
  expect_options(site, OptionsType::reshape);
  std::vector<std::int64_t> wanted(site.options().new_shape.begin(), site.options().new_shape.end());
  if (site.has(1)) wanted = site.integers(1, "shape");
  bool fits = wanted.size() == dims.size();
  for (std::size_t i = 0; fits && i < wanted.size(); ++i) {
    fits = wanted[i] == dims[i] || wanted[i] == -1 || (wanted[i] == batch_dimension && i == 0);
  }
  site.require(fits, Errc::shape, "shape asks for other dimensions than the output {} has", shape_of(site.output()));
  return out;
}

/// Follows SHAPE, STRIDED_SLICE and PACK, with which converters compute the operand of a RESHAPE whose batch is free.
/// Returns whether the operator was one of them.
/// Errors:    Errc::unsupported if it computes anything else
inline bool follow_shape_operator(const Site& site, KnownIntegers& known) {
  std::vector<std::int64_t> made;
  if (site.info().code == Builtin::shape) {
    site.expect_inputs(1, 1);
    const Shape in = site.sample(site.input(0));
    made.push_back(batch_dimension);
    made.insert(made.end(), in.dims().begin(), in.dims().end());
  } else if (site.info().code == Builtin::strided_slice) {
    site.expect_inputs(4, 4);
    const Options& o = site.options();
    const std::vector<std::int64_t> from = site.integers(0, "input");
    const std::vector<std::int64_t> begin = site.integers(1, "begin"), end = site.integers(2, "end"),
                                    step = site.integers(3, "strides");
    site.require(begin.size() == 1 && end.size() == 1 && step.size() == 1 && step[0] == 1 && o.ellipsis_mask == 0 &&
                     o.new_axis_mask == 0,
                 Errc::unsupported, "only a slice of a shape with stride 1 is understood");
    const auto size = static_cast<std::int64_t>(from.size());
    const auto place = [size](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size); };
    const std::int64_t first = (o.begin_mask & 1) != 0 ? 0 : place(begin[0]);
    std::int64_t last = (o.end_mask & 1) != 0 ? size : place(end[0]);
    if ((o.shrink_axis_mask & 1) != 0) last = first + 1;
    site.require(first < last && last <= size, Errc::format, "takes {} to {} of {} numbers", first, last, size);
    made.assign(from.begin() + first, from.begin() + last);
  } else if (site.info().code == Builtin::pack) {
    site.expect_inputs(1, 6);
    site.require(site.options().axis == 0, Errc::unsupported, "only numbers of a shape are packed, along axis 0");
    for (std::size_t i = 0; i < site.info().inputs.size(); ++i) {
      const std::vector<std::int64_t> one = site.integers(i, "input");
      site.require(one.size() == 1, Errc::unsupported, "input {} is not one number of a shape", i);
      made.push_back(one[0]);
    }
  } else {
    return false;
  }
  known[site.output_index()] = std::move(made);
  return true;
}

}  // namespace stet::tflite
