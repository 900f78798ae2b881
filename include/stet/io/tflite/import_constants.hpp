#pragma once
// Constants of a file as tensors: float32, and what DEQUANTIZE makes of float16 and int8.

#include <stet/core/tensor.hpp>
#include <stet/io/tflite/float16.hpp>
#include <stet/io/tflite/import_site.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>

namespace stet::tflite {

/// Elements of a constant as they lie in the file.
/// Errors:    Errc::unsupported if it is none, or of another type than T
template <class T>
Tensor<T> read_constant(const Site& site, const TensorInfo& t, TensorType type) {
  site.require(!t.data.empty(), Errc::unsupported, "{} is computed by the model; only a constant is understood",
               t.name);
  site.require(t.type == type, Errc::unsupported, "{} has type {}, must be {}", t.name, type_name(t.type),
               type_name(type));
  Tensor<T> out(shape_of(t));
  std::memcpy(out.edit().data(), t.data.data(), out.span().size_bytes());  // sizes were compared by check_structure
  return out;
}

/// Checks that all elements are numbers.
/// Errors:    Errc::range naming the first that is not
inline void require_finite(const Site& site, const TensorInfo& t, const Tensor<float>& values) {
  for (std::int64_t i = 0; i < values.size(); ++i) {
    site.require(std::isfinite(values[i]), Errc::range, "{} has the value {} at index {}", t.name, values[i], i);
  }
}

/// Result of DEQUANTIZE of a constant.
/// Formula:   float16: the same value; int8: s * (q - z) in float, s and z per tensor or along the quantized dimension
/// Errors:    Errc::unsupported for other types
inline Tensor<float> dequantize_constant(const Site& site) {
  const TensorInfo& t = site.input(0);
  const Quantization& q = t.quantization;
  Tensor<float> out(shape_of(t));
  const std::span<float> y = out.edit();
  if (t.type == TensorType::float16) {
    for (std::size_t i = 0; i < y.size(); ++i) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, t.data.data() + 2 * i, 2);
      y[i] = float_of_float16(bits);
    }
  } else {
    site.require(t.type == TensorType::int8 && !q.scale.empty(), Errc::unsupported,
                 "{} has type {}{}; only float16 and quantized int8 constants are understood", t.name,
                 type_name(t.type), q.scale.empty() ? " without scale" : "");
    const Shape shape = out.shape();
    const std::int64_t inner = q.scale.size() == 1 ? 1 : shape.product(q.dimension + 1, shape.rank());
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t c = static_cast<std::size_t>(static_cast<std::int64_t>(i) / inner) % q.scale.size();
      const auto code = static_cast<std::int8_t>(t.data[i]);
      y[i] = q.scale[c] * static_cast<float>(code - q.zero_point[c]);
    }
  }
  require_finite(site, t, out);
  return out;
}

}  // namespace stet::tflite
