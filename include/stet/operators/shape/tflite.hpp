#pragma once
// Operators that move values, in .tflite files.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_importer.hpp>
#include <stet/operators/pooling/tflite.hpp>
#include <stet/operators/slice/tflite.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace stet::tflite {

inline void write(const op::Concat& o, Writer& w) {
  std::vector<std::int32_t> inputs;
  for (std::size_t i = 0; i < w.node().inputs.size(); ++i) inputs.push_back(w.input(i));
  w.emit(Builtin::concatenation, std::move(inputs), {.type = OptionsType::concatenation, .axis = o.axis + 1});
}
inline void write(const op::Pad& o, Writer& w) {
  w.emit(Builtin::pad, {w.input(), w.paddings(o.top, o.bottom, o.left, o.right)}, {.type = OptionsType::pad});
}
inline void write(const op::Reshape&, Writer& w) {
  w.reshape(w.input(), w.output(), w.node().name, w.node().out);
}
inline void write(const op::Flatten&, Writer& w) { write(op::Reshape{}, w); }
inline void write(const op::Transpose& o, Writer& w) {
  std::vector<std::int32_t> order = Writer::behind_batch(o.axes);
  order.insert(order.begin(), 0);
  const std::int32_t y = w.output();
  w.operation(Builtin::transpose, {w.input(), w.indices(w.node().name + ":order", order)}, y,
              {.type = OptionsType::transpose});
}
inline FloatTraits traits_of(const op::Flatten&, const Shape&) { return {.scale = FloatTraits::Scale::kept}; }

namespace detail {

inline int transpose_version(const ModelInfo& m, const OperatorInfo& o) {
  const std::size_t rank = m.input(o, 0).shape.size();
  return rank > 5 ? 6 : rank > 4 ? 4 : 1;
}

inline void read_concat(const Site& s, Importer& in) {
  s.expect_inputs(1, 1u << 16);
  const Activation activation = s.activation();
  s.require(!in.on_codes() || activation == Activation::none, Errc::unsupported,
            "an int8 concatenation has no activation");
  std::vector<int> inputs;
  for (std::size_t i = 0; i < s.info().inputs.size(); ++i) inputs.push_back(in.value(s, i));
  s.expect_options(OptionsType::concatenation);
  const std::int32_t given = s.options().axis;
  const int axis = s.dimension(given, s.output().shape.size(), "axis {} does not exist in {} dimensions");
  s.require(axis != 0, Errc::unsupported, "axis {} is the batch; only values of one sample can be joined", given);
  in.finish(s, op::Concat{axis - 1}, std::move(inputs), activation);
}

// Margins of PAD, or of PADV2, which has the value that is put there as third operand.
inline op::Pad margins(const Site& s, std::size_t operands, OptionsType type) {
  s.expect_inputs(operands, operands);
  s.expect_options(type);
  const std::vector<std::int64_t> p = s.integers(1, "paddings");
  s.require(p.size() == 8 && s.input(0).shape.size() == 4, Errc::unsupported,
            "pads a value of {} dimensions with {} numbers; only height and width of an image can be padded",
            s.input(0).shape.size(), p.size());
  for (const std::int64_t v : p) {
    s.require(v >= 0 && v <= (1 << 24), Errc::range, "padding {} must be 0 to 2^24", v);
  }
  s.require(p[0] == 0 && p[1] == 0 && p[6] == 0 && p[7] == 0, Errc::unsupported,
            "pads the batch by {},{} and the channels by {},{}; only height and width can be padded", p[0], p[1], p[6],
            p[7]);
  return {static_cast<int>(p[2]), static_cast<int>(p[3]), static_cast<int>(p[4]), static_cast<int>(p[5])};
}
// A PAD that only one unpadded convolution reads becomes that convolution's padding, and one around means over the image
// alone the padding of that pool.
// A PAD of the last dimension, of an image with or without rows and columns around it.
template <class In>
void read_pad_of_channels(const Site& s, In& in, const std::vector<std::int64_t>& p) {
  const std::size_t n = p.size();
  int from = in.value(s, 0);
  in.require_same_params(s, from);
  for (std::size_t i = 0; i < n; ++i) {
    s.require(p[i] >= 0 && p[i] <= (1 << 24), Errc::range, "padding {} must be 0 to 2^24", p[i]);
    s.require(p[i] == 0 || i + 2 >= n || (n == 8 && i >= 2), Errc::unsupported,
              "only channels, and height and width of an image, can be padded");
  }
  const auto number = [&](std::size_t i) { return static_cast<int>(p[i]); };
  if (n == 8 && (p[2] != 0 || p[3] != 0 || p[4] != 0 || p[5] != 0)) {
    from = in.add(s, op::Pad{number(2), number(3), number(4), number(5)}, {from}, "pad");
  }
  in.finish(s, op::PadChannels{number(n - 2), number(n - 1)}, {from}, Activation::none);
}
template <class In>
void read_pad(const Site& s, In& in) {
  s.expect_inputs(2, 2);
  if (const std::vector<std::int64_t> p = s.integers(1, "paddings");
      p.size() >= 4 && p.size() == 2 * s.input(0).shape.size() && (p[p.size() - 2] != 0 || p[p.size() - 1] != 0)) {
    return read_pad_of_channels(s, in, p);
  }
  const op::Pad p = margins(s, 2, OptionsType::pad);
  const int from = in.value(s, 0);
  in.require_same_params(s, from);
  const std::int32_t out = s.output_index();
  const OperatorInfo* reader = in.sole_reader(out);
  const bool convolution = reader != nullptr &&
                           (reader->code == Builtin::conv_2d || reader->code == Builtin::depthwise_conv_2d) &&
                           reader->inputs[0] == out && reader->options.padding == Padding::valid;
  if (convolution || is_corrected_mean(reader, in, from, p)) return in.put_margins(s, from, p);
  in.finish(s, p, {from}, Activation::none);
}
// A PADV2 with what wins no maximum, which one unpadded MAX_POOL_2D reads, is that pool's padding.
inline void read_pad_lowest(const Site& s, Importer& in) {
  const op::Pad p = margins(s, 3, OptionsType::pad_v2);
  const int from = in.value(s, 0);
  in.require_same_params(s, from);
  s.require(in.is_lowest(s, 2, from) && is_unpadded_pool(in.sole_reader(s.output_index()), Builtin::max_pool_2d),
            Errc::unsupported, "only the lowest {}, before an unpadded MAX_POOL_2D, is understood as padding",
            in.on_codes() ? "code" : "number");
  in.put_margins(s, from, p);
}

inline void read_transpose(const Site& s, Importer& in) {
  s.expect_inputs(2, 2);
  s.expect_options(OptionsType::transpose);
  const std::vector<std::int64_t> perm = s.integers(1, "perm");
  std::vector<int> axes;
  for (std::size_t i = 0; i < perm.size(); ++i) {
    const int axis = s.dimension(perm[i], s.input(0).shape.size(), "perm names dimension {} of {}");
    s.require((i == 0) == (axis == 0), Errc::unsupported, "perm moves the batch from place {} to {}", axis, i);
    if (i > 0) axes.push_back(axis - 1);
  }
  in.finish(s, op::Transpose{axes}, {in.value(s, 0)});
}

// RESHAPE, SQUEEZE or EXPAND_DIMS. The file's own shape of the output is taken; the operand must agree with it.
inline void read_reshape(const Site& s, Importer& in) {
  s.expect_inputs(1, 2);
  const int from = in.value(s, 0);
  const Shape out = s.output_sample(), x = s.sample(s.input(0));
  const auto& dims = s.output().shape;
  s.require(x.elements() == out.elements(), Errc::shape, "{} (without the batch) cannot become {}", x, out);
  if (s.info().code == Builtin::squeeze) {
    s.expect_options(OptionsType::squeeze);
    const auto rank = static_cast<std::int32_t>(s.input(0).shape.size());
    for (const std::int32_t given : s.options().squeeze_dims) {
      const std::int32_t axis = given < 0 ? given + rank : given;
      s.require(axis > 0 && axis < rank && s.input(0).shape[static_cast<std::size_t>(axis)] == 1, Errc::unsupported,
                "squeeze_dims has {}, which is no dimension of size 1 besides the batch in {}", given,
                shape_of(s.input(0)));
    }
  } else if (s.info().code == Builtin::reshape) {
    s.expect_options(OptionsType::reshape);
    std::vector<std::int64_t> wanted(s.options().new_shape.begin(), s.options().new_shape.end());
    if (s.has(1)) wanted = s.integers(1, "shape");
    bool fits = wanted.size() == dims.size();
    for (std::size_t i = 0; fits && i < wanted.size(); ++i) {
      fits = wanted[i] == dims[i] || wanted[i] == -1 || (wanted[i] == batch_dimension && i == 0);
    }
    s.require(fits, Errc::shape, "shape asks for other dimensions than the output {} has", shape_of(s.output()));
  }
  if (out.rank() == 1) return in.finish(s, op::Flatten{}, {from});
  in.finish(s, op::Reshape{out}, {from});
}

// SHAPE, STRIDED_SLICE and PACK, with which converters compute the operand of a RESHAPE whose batch is free.
inline void read_shape(const Site& s, Importer& in) {
  s.expect_inputs(1, 1);
  const Shape x = s.sample(s.input(0));
  std::vector<std::int64_t> made{batch_dimension};
  made.insert(made.end(), x.dims().begin(), x.dims().end());
  in.set_known(s.output_index(), std::move(made));
}
inline void read_strided_slice(const Site& s, Importer& in) {
  s.expect_inputs(4, 4);
  if (in.value_of(s.index(0)) >= 0) return read_strided_slice_of_value(s, in);
  const Options& o = s.options();
  const std::vector<std::int64_t> from = s.integers(0, "input");
  const std::vector<std::int64_t> begin = s.integers(1, "begin"), end = s.integers(2, "end"),
                                  step = s.integers(3, "strides");
  s.require(begin.size() == 1 && end.size() == 1 && step.size() == 1 && step[0] == 1 && o.ellipsis_mask == 0 &&
                o.new_axis_mask == 0,
            Errc::unsupported, "only a slice of a shape with stride 1 is understood");
  const auto size = static_cast<std::int64_t>(from.size());
  const auto place = [size](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size); };
  const std::int64_t first = (o.begin_mask & 1) != 0 ? 0 : place(begin[0]);
  std::int64_t last = (o.end_mask & 1) != 0 ? size : place(end[0]);
  if ((o.shrink_axis_mask & 1) != 0) last = first + 1;
  s.require(first < last && last <= size, Errc::format, "takes {} to {} of {} numbers", first, last, size);
  in.set_known(s.output_index(), {from.begin() + first, from.begin() + last});
}
// Values side by side along a new dimension.
inline void read_pack_of_values(const Site& s, Importer& in) {
  const int axis = s.dimension(s.options().axis, s.output().shape.size(), "axis {} does not exist in {} dimensions");
  s.require(axis != 0, Errc::unsupported, "axis {} is the batch; only values of one sample can be joined", s.options().axis);
  std::vector<int> parts;
  for (std::size_t i = 0; i < s.info().inputs.size(); ++i) {
    const int value = in.value(s, i);
    std::vector<std::int64_t> dims(in.shape(value).dims().begin(), in.shape(value).dims().end());
    s.require(axis - 1 <= static_cast<int>(dims.size()), Errc::shape, "axis {} does not exist in the output", axis);
    dims.insert(dims.begin() + (axis - 1), 1);
    parts.push_back(in.add(s, op::Reshape{Shape(std::span<const std::int64_t>(dims))}, {value}, "one"));
  }
  in.finish(s, op::Concat{axis - 1}, std::move(parts));
}
inline void read_pack(const Site& s, Importer& in) {
  s.expect_options(OptionsType::pack);
  if (!s.info().inputs.empty() && in.value_of(s.index(0)) >= 0) return read_pack_of_values(s, in);
  s.expect_inputs(1, 6);
  s.require(s.options().axis == 0, Errc::unsupported, "only numbers of a shape are packed, along axis 0");
  std::vector<std::int64_t> made;
  for (std::size_t i = 0; i < s.info().inputs.size(); ++i) {
    const std::vector<std::int64_t> one = s.integers(i, "input");
    s.require(one.size() == 1, Errc::unsupported, "input {} is not one number of a shape", i);
    made.push_back(one[0]);
  }
  in.set_known(s.output_index(), std::move(made));
}

}  // namespace detail

inline constexpr Row shape_rows[] = {
    {Builtin::concatenation, reads<detail::read_concat>, 2, 3, "1.5.0 1.14.0 2.3.0", "AddConcatenation"},
    {Builtin::pad, {detail::read_pad, detail::read_pad}, 2, 3, "1.5.0 1.14.0 2.4.0", "AddPad"},
    {Builtin::padv2, reads<detail::read_pad_lowest>, 2, 3, "1.9.0 1.14.0 2.4.0", "AddPadV2"},
    {Builtin::reshape, reads<detail::read_reshape>, 1, 1, "1.5.0", "AddReshape"},
    {.code = Builtin::squeeze, .reads = reads<detail::read_reshape>, .resolver = "AddSqueeze"},
    {Builtin::expand_dims, reads<detail::read_reshape>},
    {Builtin::transpose, reads<detail::read_transpose>, 2, 5, "1.6.0 1.14.0 - 2.3.0 2.4.0 2.12.0", "AddTranspose",
     detail::transpose_version},
    {.code = Builtin::shape, .reads = reads<detail::read_shape>, .any_type = true},
    {Builtin::strided_slice, reads<detail::read_strided_slice>, 2, 1, "1.6.0 1.14.0 2.1.0 2.2.0", "AddStridedSlice", detail::slice_version,
     true},
    {.code = Builtin::pack, .reads = reads<detail::read_pack>, .any_type = true}};

}  // namespace stet::tflite
