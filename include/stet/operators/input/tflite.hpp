#pragma once
// Where codes begin and end in .tflite files, and the bounds of those that fill less than 8 bits.

#include <stet/io/float16.hpp>
#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/integer_importer.hpp>
#include <stet/io/tflite/writer.hpp>

#include <cstring>
#include <span>
#include <string>

namespace stet::tflite {

inline void write(const op::Input&, Writer& w) {
  const Writer::Node& node = w.node();
  if (!w.kind().real_input) return w.file_input(w.output(), node.value_name);
  const std::int32_t real = w.value(node.value_name + (node.twin ? ":input" : ""), node.out, TensorType::float32);
  w.file_input(real, node.value_name);
  w.emit(Builtin::quantize, {real}, {.type = OptionsType::quantize});
}

namespace detail {

inline int quantize_version(const ModelInfo& m, const OperatorInfo& o) {
  return m.output(o).type == TensorType::int16 ? 2 : 1;
}
inline int dequantize_version(const ModelInfo& m, const OperatorInfo& o) {
  return m.input(o, 0).type == TensorType::float16 ? 3 : 1;
}

inline void read_quantize(const Site& s, FloatImporter&) {
  s.fail(Errc::unsupported, "a float model has no codes; load_tflite_integer reads int8 models");
}

// A constant of float16, or of int8 with one scale or several along the quantized dimension.
inline void read_dequantize(const Site& s, FloatImporter& in) {
  s.expect_inputs(1, 1);
  const TensorInfo& t = s.input(0);
  const Quantization& q = t.quantization;
  s.require(s.is_constant(0), Errc::unsupported,
            "reads codes of type {} that the model computes; load_tflite_integer reads int8 models", type_name(t.type));
  s.require(s.output().type == TensorType::float32 && s.output().shape == t.shape, Errc::format,
            "output has type {} and shape {}, must be float32 with the shape of the constant",
            type_name(s.output().type), shape_of(s.output()));
  Tensor<float> out(shape_of(t));
  const std::span<float> y = out.edit();
  if (t.type == TensorType::float16) {
    for (std::size_t i = 0; i < y.size(); ++i) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, t.data.data() + 2 * i, 2);
      y[i] = float_of_float16(bits);
    }
  } else {
    s.require(t.type == TensorType::int8 && !q.scale.empty(), Errc::unsupported,
              "{} has type {}{}; only float16 and quantized int8 constants are understood", t.name, type_name(t.type),
              q.scale.empty() ? " without scale" : "");
    const std::int64_t inner = q.scale.size() == 1 ? 1 : out.shape().product(q.dimension + 1, out.shape().rank());
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t c = static_cast<std::size_t>(static_cast<std::int64_t>(i) / inner) % q.scale.size();
      y[i] = q.scale[c] * static_cast<float>(static_cast<std::int8_t>(t.data[i]) - q.zero_point[c]);
    }
  }
  in.set_constant(s, std::move(out));
}

inline void require_same_shape(const Site& s) {
  s.require(s.sample(s.input(0)) == s.output_sample(), Errc::shape, "changes the shape from {} to {}",
            s.sample(s.input(0)), s.output_sample());
}
inline void end_of_model(const Site& s, IntegerImporter& in) {
  const std::int32_t out = s.output_index();
  s.require(in.read_once(out) && in.sole_reader(out) == nullptr, Errc::unsupported,
            "makes {} that operators read; only outputs are real or uint8", type_name(s.output().type));
  in.set_value(out, in.value(s, 0));
}

// Real input, or uint8 codes at an end of the model, which are the same codes with 128 added. Between int8 values it would
// be a rounding that no operator of stet makes.
inline void read_quantize(const Site& s, IntegerImporter& in) {
  s.expect_inputs(1, 1);
  const TensorInfo& from = s.input(0);
  const bool entry = in.is_entry(s.index(0)), from_uint8 = from.type == TensorType::uint8;
  if (from_uint8 || s.output().type == TensorType::uint8) {
    const TensorInfo& wide = from_uint8 ? from : s.output();
    const Affine p = IntegerImporter::codes(s, from_uint8 ? s.output() : from);
    s.require(wide.quantization.scale.size() == 1 && wide.quantization.scale[0] == p.scale &&
                  wide.quantization.zero_point[0] == p.zero_point + 128,
              Errc::unsupported,
              "is more than a change of int8 to uint8: scales and zero points differ by more than 128 steps");
    require_same_shape(s);
    if (!from_uint8) return end_of_model(s, in);
    s.require(entry && in.read_once(s.index(0)), Errc::unsupported, "reads uint8 codes that are no input of the model");
    return in.add_entry(s, s.output_index(), s.index(0));
  }
  s.require(from.type != TensorType::int8, Errc::unsupported,
            "requantizes int8 codes from scale {} to {}; convert the model so that these values share a scale",
            from.quantization.scale.empty() ? 0.0f : from.quantization.scale[0],
            s.output().quantization.scale.empty() ? 0.0f : s.output().quantization.scale[0]);
  s.require(from.type == TensorType::float32 && entry, Errc::unsupported,
            "makes codes of {} in the middle of the model; only inputs are quantized", type_name(from.type));
  s.require(in.read_once(s.index(0)), Errc::unsupported, "the real input {} has other readers too", from.name);
  require_same_shape(s);
  in.add_entry(s, s.output_index(), s.index(0));
}
inline void read_dequantize(const Site& s, IntegerImporter& in) {
  s.expect_inputs(1, 1);
  s.require(s.input(0).type == TensorType::int8 && s.output().type == TensorType::float32, Errc::unsupported,
            "makes {} of {}; only int8 codes at the output become real", type_name(s.output().type),
            type_name(s.input(0).type));
  require_same_shape(s);
  end_of_model(s, in);
}

}  // namespace detail

inline constexpr Row input_rows[] = {
    {Builtin::quantize, {detail::read_quantize, detail::read_quantize}, 1, 2, "1.14.0 1.15.0", "AddQuantize",
     detail::quantize_version, true},
    {Builtin::dequantize, {detail::read_dequantize, detail::read_dequantize}, 2, 3, "1.13.1 1.14.0 1.15.0",
     "AddDequantize", detail::dequantize_version, true}};

}  // namespace stet::tflite
