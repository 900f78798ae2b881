#pragma once
// Products with a matrix in .onnx: written and read.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

/// Whether a value goes nowhere but into linear layers, at most through functions of one number: the order of its elements
/// then matters to nobody but the layers' weights, which can follow.
inline bool only_linear_reads(int value, const GraphWriter& w) {
  const std::vector<std::size_t>& readers = w.readers(value);
  return !w.is_output(value) && std::all_of(readers.begin(), readers.end(), [&](std::size_t i) {
    const Site& s = w.sites()[i];
    return graph::is<graph::op::Linear>(s.op) || (keeps_places(s.op) && only_linear_reads(s.output, w));
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
// Of several rows per sample: as samples of one row each.
inline void write(const graph::op::Linear&, IntegerWriter& w) {
  if (w.shape_in().rank() == 1) return write_gemm(w);
  const std::string rows = w.add("Reshape", w.name() + "_rows", {w.get(w.input(), Layout::last), w.list(w.name() + ".rows", Ints{-1, w.shape_in().back()})});
  GraphWriter::LayoutNames whole;
  w.exchange_names(w.input(), whole);
  w.place(w.input(), rows, Layout::last);
  write_gemm(w);
  w.exchange_names(w.input(), whole);
  const Shape& y = w.shape_out();
  Ints dims{-1};
  dims.insert(dims.end(), y.dims().begin(), y.dims().end());
  const std::string made = w.get(w.output(), Layout::last);
  w.place(w.add("Reshape", w.name() + "_whole", {made, w.list(w.name() + ".shape", dims)}, w.value_name(w.output()) + "_quantized"), Layout::last);
}
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

/// Matrix [units,depth] for a linear layer that reads `x`; columns follow the order in which x has its elements.
inline void add_linear(Importer& g, const Arrangement& x, const Constant& weight, std::vector<float> matrix,
                       std::int64_t units, Bias bias, const std::string& output) {
  const std::int64_t depth = x.dims.back();
  const int from = x.reordered() ? x.node : g.arranger.arrange(x, natural_order(x.dims.size()));
  if (x.reordered()) {
    const std::vector<std::size_t> places = Arranger::places(x);
    std::vector<float> moved(matrix.size());
    for (std::size_t row = 0; row < at(units); ++row) {
      const std::size_t first = row * at(depth);
      for (std::size_t i = 0; i < places.size(); ++i) moved[first + places[i]] = matrix[first + i];
    }
    matrix = std::move(moved);
  }
  const int id = g.add(graph::op::Linear{static_cast<int>(units), !bias.values.empty()}, {from}, weight.name);
  g.assign(id, graph::Role::weight, std::move(matrix), weight.name);
  if (!bias.values.empty()) g.assign(id, graph::Role::bias, std::move(bias.values), bias.source);
  Ints dims = x.dims;
  dims.back() = units;
  g.open[output] = {id, static_cast<int>(dims.size()) - 1};
  g.give(output, Arranger::make(id, dims, natural_order(dims.size())));
}

/// A bias of one number for all, or one per unit.
inline Bias spread(const Constant& c, std::int64_t units, float factor) {
  const Ints dims = c.trimmed();
  const bool one = c.size() == 1;
  require(one || (dims.size() == 1 && dims[0] == units), Errc::unsupported, "bias has {} numbers for {} outputs",
          c.size(), units);
  std::vector<float> v(at(units));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = factor * c.reals[one ? 0 : i];
  return {std::move(v), c.name};
}

inline void read_gemm(Importer& g, Attributes& a) {
  const Arrangement& x = g.value();
  const Constant& w = g.reals(1, "B");
  require(!x.dims.empty() && w.dims.size() == 2, Errc::unsupported, "only [N,K] times a constant matrix is understood");
  a.expect("transA", 0);
  const bool turned = a.integer("transB", 0) != 0;
  const float alpha = a.real("alpha", 1.0f), beta = a.real("beta", 1.0f);
  const std::int64_t units = turned ? w.dims[0] : w.dims[1];
  require((turned ? w.dims[1] : w.dims[0]) == x.dims.back() && units >= 1 && units <= 1 << 30, Errc::unsupported,
          "matrix [{},{}] does not fit an input of {}", w.dims[0], w.dims[1], x.dims.back());
  std::string output = g.node->outputs[0];
  Bias bias = g.has_input(2) ? spread(g.reals(2, "C"), units, beta) : g.bias_behind(units, 0, output);
  std::vector<float> matrix = turned ? w.reals : transposed(w, {1, 0}).reals;
  if (alpha != 1.0f) {
    for (float& v : matrix) v *= alpha;
  }
  add_linear(g, x, w, std::move(matrix), units, std::move(bias), output);
}

/// A value times one constant matrix for each of its dimensions in front: parts of it, a layer for each.
inline void read_matrices(Importer& g, const Arrangement& x, const Constant& w) {
  const std::size_t rank = x.dims.size();
  const Ints own = w.trimmed();
  bool fits = rank >= 3 && own.size() == rank;
  std::int64_t count = 1;
  for (std::size_t d = 0; fits && d + 2 < rank; ++d) {
    fits = own[d] == x.dims[d] && count * own[d] <= 256;
    count *= own[d];
  }
  const std::int64_t rows = fits ? x.dims[rank - 2] : 0, depth = x.dims.back();
  fits = fits && own[rank - 2] == depth && own.back() >= 1 && own.back() <= 1 << 30;
  require(fits, Errc::unsupported, "a constant factor must be a matrix with as many rows as the input's last dimension, or one for each of up to 256 matrices of the input");
  const int units = static_cast<int>(own.back());
  const int parts = g.arranger.reshaped(g.arranger.arrange(x, natural_order(rank)), Shape{count, rows, depth});
  std::vector<int> made;
  for (std::int64_t i = 0; i < count; ++i) {
    const int part = g.graph.add(graph::op::Slice{0, i, i + 1}, {parts}, {}).id();
    made.push_back(g.add(graph::op::Linear{units, false}, {part}, w.name));
    g.budget.take(at(depth * units) * sizeof(float));
    std::vector<float> matrix(at(depth * units));
    for (std::int64_t k = 0; k < depth; ++k) {
      for (std::int64_t u = 0; u < units; ++u) matrix[at(u * depth + k)] = w.reals[at((i * depth + k) * units + u)];
    }
    g.assign_made(made.back(), graph::Role::weight, std::move(matrix));
  }
  Ints dims = x.dims;
  dims.back() = units;
  const int all = count == 1 ? made[0] : g.graph.add(graph::op::Concat{0}, std::move(made), {}).id();
  g.give(Arranger::make(g.arranger.reshaped(all, Shape(dims)), dims, natural_order(rank)));
}

inline void read_matmul(Importer& g, Attributes&) {
  if (!g.is_constant(1)) {
    const Arrangement &x = g.value(), &y = g.value(1);
    const std::size_t rank = x.dims.size();
    require(rank >= 2 && y.dims.size() == rank, Errc::unsupported,
            "a product of two values needs two dimensions or more besides the batch, as many of both, got {} and {}", rank,
            y.dims.size());
    const std::vector<int> order = natural_order(rank);
    Ints dims = x.dims;
    dims.back() = y.dims.back();
    const int left = g.arranger.arrange(x, order), right = g.arranger.arrange(y, order);
    return g.give(g.add(graph::op::Matmul{}, {left, right}), dims, order);
  }
  const Arrangement& x = g.value();
  const Constant& w = g.reals(1, "B");
  if (w.trimmed().size() > 2) return read_matrices(g, x, w);
  require(!x.dims.empty() && w.dims.size() == 2 && w.dims[0] == x.dims.back() && w.dims[1] >= 1 && w.dims[1] <= 1 << 30,
          Errc::unsupported, "a constant factor must be a matrix with as many rows as the input's last dimension");
  std::string output = g.node->outputs[0];
  Bias bias = g.bias_behind(w.dims[1], 0, output);
  add_linear(g, x, w, transposed(w, {1, 0}).reals, w.dims[1], std::move(bias), output);
}

inline constexpr OperatorReader linear_readers[] = {{"Gemm", read_gemm}, {"MatMul", read_matmul}};

}  // namespace stet::onnx
