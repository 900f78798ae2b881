#pragma once
// Products with a matrix in .onnx: written.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace stet::onnx {

/// Whether a value goes nowhere but into linear layers, at most through functions of one number: the order of its elements
/// then matters to nobody but the layers' weights, which can follow.
inline bool only_linear_reads(int value, const GraphWriter& w) {
  return !w.is_output(value) && std::all_of(w.sites().begin(), w.sites().end(), [&](const Site& s) {
    const bool reads = std::find(s.inputs.begin(), s.inputs.end(), value) != s.inputs.end();
    return !reads || graph::is<graph::op::Linear>(s.op) || (keeps_places(s.op) && only_linear_reads(s.output, w));
  });
}

/// Weights [O,K] whose inputs are a flattened image [H,W,C], with the inputs in the order of [C,H,W].
template <class T>
std::vector<T> columns_first(std::span<const T> w, const Shape& image) {
  const std::int64_t pixels = image[0] * image[1], channels = image[2];
  std::vector<T> result;
  result.reserve(w.size());
  for (std::size_t row = 0; row < w.size(); row += static_cast<std::size_t>(pixels * channels)) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < pixels; ++p) result.push_back(w[row + static_cast<std::size_t>(p * channels + c)]);
    }
  }
  return result;
}

void write_gemm(auto& w) {
  const auto rows = w.weights().span();
  const Shape &shape = w.weights().shape(), &image = w.flat(w.input());
  w.emit_layer("Gemm", Layout::last, {shape[0], shape[1]},
               image.rank() == 3 ? columns_first(rows, image) : std::vector(rows.begin(), rows.end()),
               {attribute("transB", 1)});
}
inline void write(const graph::op::Linear&, IntegerWriter& w) { write_gemm(w); }
inline void write(const graph::op::Linear& o, FloatWriter& w) {
  if (w.shape_in().rank() == 1) return write_gemm(w);
  const std::int64_t depth = w.weights().shape()[1];
  std::vector<float> turned;
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t n = 0; n < o.units; ++n) turned.push_back(w.weights()[n * depth + k]);
  }
  Names factors{w.get(w.input(), Layout::last), w.weight({depth, o.units}, turned, 1)};
  std::string y = w.add("MatMul", w.name(), std::move(factors));
  if (o.bias) y = w.add("Add", w.name() + "_bias", {y, w.vector(graph::Role::bias, ".bias")}, w.name());
  w.place_reals(y, Layout::last);
}
inline void write(const graph::op::Matmul&, FloatWriter& w) {
  w.emit("MatMul", w.get_inputs(Layout::last), Layout::last);
}

}  // namespace stet::onnx
