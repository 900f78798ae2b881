#pragma once
// Bilinear interpolation in .onnx: written, and the linear mode of Resize read.

#include <stet/io/onnx/among_codes.hpp>
#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace stet::onnx {

/// The factor of a dimension for which arithmetic in float and in double, rounded down, makes just this size: runtimes use the one where they
/// infer shapes and the other where they resize.
inline float resize_factor(std::int64_t in, std::int64_t out) {
  float factor = static_cast<float>(out) / static_cast<float>(in);
  while (static_cast<double>(factor) * static_cast<double>(in) < static_cast<double>(out)) factor = std::nextafter(factor, 65536.0f);
  return factor;
}
inline std::string add_linear_resize(const graph::op::ResizeBilinear& o, const std::string& name, const std::string& from, GraphWriter& w) {
  const Shape& x = w.shape_in();
  const std::vector<float> factors{1.0f, 1.0f, resize_factor(x[0], o.height), resize_factor(x[1], o.width)};
  return w.add("Resize", name, {from, "", w.list(w.name() + ".scales", factors)},
               {attribute("mode", "linear"), attribute("coordinate_transformation_mode", enumerator_name(o.coordinates).c_str())});
}

inline void write(const graph::op::ResizeBilinear& o, FloatWriter& w) {
  w.place_reals(add_linear_resize(o, w.name(), w.get(w.input(), Layout::first), w), Layout::first);
}

/// Whether the weights of an axis are multiples of 2^-8 for which Resize computes no rounded number: the sizes, or the
/// distances that align_corners keeps, differ by a power of two.
inline bool has_exact_weights(std::int64_t in, std::int64_t out, Coordinates c) {
  const std::int64_t cut = c == Coordinates::align_corners && out > 1 ? 1 : 0;
  std::int64_t small = std::min(in - cut, out - cut), large = std::max(in - cut, out - cut);
  if (small == large) return true;
  if (small == 0 || large % small != 0) return false;
  const auto power = static_cast<std::uint64_t>(large / small);
  return (power & (power - 1)) == 0 && power <= 128;
}
/// The matrix of an axis: row i, column j has the weight of sample j in output i, or the transposed.
inline std::vector<float> axis_matrix(const std::vector<integer::FixedPosition>& to, std::int64_t in, bool transposed) {
  const auto out = static_cast<std::int64_t>(to.size());
  std::vector<float> m(static_cast<std::size_t>(in * out));
  for (std::int64_t i = 0; i < out; ++i) {
    const integer::FixedPosition& p = to[at(i)];
    const auto put = [&](std::int64_t j, std::int32_t weight) {
      m[at(transposed ? j * out + i : i * in + j)] += static_cast<float>(weight) / 256.0f;
    };
    put(p.lo, 256 - p.weight);
    put(p.hi, p.weight);
  }
  return m;
}
/// On codes as whole numbers in float, whose products with weights of 8 bits per axis, and sums of these, float holds exactly:
/// so no layout, kernel or order of a runtime matters. Between QuantizeLinear and DequantizeLinear ONNX Runtime resizes real
/// numbers, and which of two codes the many results between them become depends on how it lays images out.
inline void write(const graph::op::ResizeBilinear& o, IntegerWriter& w) {
  const Shape& x = w.shape_in();
  std::string y =
      w.add("Cast", w.name() + "_numbers", {w.get(w.input(), Layout::first)}, {attribute("to", static_cast<int>(DataType::float32))});
  if (has_exact_weights(x[0], o.height, o.coordinates) && has_exact_weights(x[1], o.width, o.coordinates)) {
    y = add_linear_resize(o, w.name(), y, w);
  } else {
    const integer::ResizeParameters p = integer::make_resize(targets::onnxruntime, x, o.height, o.width, o.coordinates);
    const std::string columns = w.constant(w.name() + ".columns", {x[1], o.width}, axis_matrix(p.columns, x[1], true));
    y = w.add("MatMul", w.name(), {y, columns}, w.name() + "_wide");
    y = w.add("MatMul", w.name() + "_rows", {w.constant(w.name() + ".rows", {o.height, x[0]}, axis_matrix(p.rows, x[0], false)), y});
  }
  y = w.add("Round", w.name() + "_round", {y});
  w.place(w.code_cast(y), Layout::first);
}

inline Ints all_axes(std::size_t rank) {
  Ints axes;
  for (std::size_t i = 0; i < rank; ++i) axes.push_back(static_cast<std::int64_t>(i));
  return axes;
}
/// Height and width of a Resize's output, from its factors or sizes of batch, channels and image; some of them where `axes`
/// says which.
inline Pair resized_to(Importer& g, Attributes& a) {
  const Arrangement& x = g.value();
  const std::size_t rank = x.dims.size() + 1;
  require(rank == 3 || rank == 4, Errc::unsupported, "input has {} dimensions; only images [N,C,H,W] and lines [N,C,L] are resized", rank);
  const bool by_size = g.opset >= 11 && g.has_input(3) && !g.has_input(2);
  std::vector<double> given;
  if (by_size) {
    for (const std::int64_t n : g.few_integers(3, "sizes")) given.push_back(static_cast<double>(n));
  } else {
    const std::vector<float>& scales = g.reals(g.opset < 11 ? 1 : 2, "scales").reals;
    given.assign(scales.begin(), scales.end());
  }
  Ints axes = a.integers("axes");
  if (!a.has("axes")) axes = all_axes(given.size());
  require(axes.size() == given.size() && (a.has("axes") || given.size() == rank), Errc::unsupported, "{} sizes or scales for {} dimensions",
          given.size(), rank);
  std::vector<std::int64_t> size(x.dims);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t axis = axis_of(axes[i], rank);
    if (axis == 0) {
      const auto samples = static_cast<std::int64_t>(given[i]);
      require(given[i] == 1.0 || (by_size && (samples == g.batch || samples == batch_symbol)), Errc::unsupported,
              "the number of samples would change");
      continue;
    }
    const double wanted = by_size ? given[i] : given[i] * static_cast<double>(x.dims[axis - 1]);
    require(wanted >= 1.0 && wanted <= 65535.0, Errc::unsupported, "makes {} elements of {}", wanted, x.dims[axis - 1]);
    // Positions go by the factor; stet knows the one that the sizes have to each other.
    const double whole = std::round(wanted);
    require(std::fabs(wanted - whole) <= 1e-6 * whole, Errc::unsupported,
            "the factor {} makes {} elements of {}; only whole numbers are understood", given[i], wanted, x.dims[axis - 1]);
    size[axis - 1] = static_cast<std::int64_t>(whole);
  }
  require(size[0] == x.dims[0], Errc::unsupported, "the number of channels would change");
  if (rank == 3) return {1, static_cast<int>(size[1])};
  return {static_cast<int>(size[1]), static_cast<int>(size[2])};
}
/// Height and width of the image, or line, that is resized.
inline Pair resized_from(const Arrangement& x) {
  if (x.dims.size() == 2) return {1, static_cast<int>(x.dims[1])};
  return {static_cast<int>(x.dims[1]), static_cast<int>(x.dims[2])};
}

/// The linear mode of Resize: `places` says where outputs lie.
inline void read_linear_resize(Importer& g, Attributes& a, const std::string& places) {
  const Pair to = resized_to(g, a), from = resized_from(g.value());
  const bool line = g.value().dims.size() == 2;
  std::optional<Coordinates> coordinates;
  if (places == "half_pixel" || places == "half_pixel_symmetric") coordinates = Coordinates::half_pixel;
  if (places == "align_corners") coordinates = Coordinates::align_corners;
  if (places == "asymmetric") coordinates = Coordinates::asymmetric;
  // It differs where one element is left, which is the first and not the middle.
  const bool thin = (to.height == 1 && from.height > 1) || (to.width == 1 && from.width > 1);
  if (places == "pytorch_half_pixel" && !thin) coordinates = Coordinates::half_pixel;
  require(coordinates.has_value(), Errc::unsupported, "attribute coordinate_transformation_mode {} is not understood of mode linear",
          places);
  if (to == from) return g.give(g.value());
  g.give_image(g.add(graph::op::ResizeBilinear{to.height, to.width, *coordinates}, {g.image(g.value())}), line);
}

/// The interpolation whose matrices of rows [height,h] and columns [w,width] these are.
/// Errors:    Errc::unsupported if there is none
inline graph::op::ResizeBilinear interpolation_of(const Shape& image, const Constant& rows, const Constant& columns) {
  const bool fit = rows.real && columns.real && rows.dims.size() == 2 && columns.dims.size() == 2 && rows.dims[1] == image[0] &&
                   columns.dims[0] == image[1] && rows.dims[0] >= 1 && rows.dims[0] <= 65535 && columns.dims[1] >= 1 && columns.dims[1] <= 65535;
  for (const Coordinates c : {Coordinates::half_pixel, Coordinates::align_corners, Coordinates::asymmetric}) {
    if (!fit) break;
    const int height = static_cast<int>(rows.dims[0]), width = static_cast<int>(columns.dims[1]);
    const integer::ResizeParameters p = integer::make_resize(targets::onnxruntime, image, height, width, c);
    if (axis_matrix(p.rows, image[0], false) == rows.reals && axis_matrix(p.columns, image[1], true) == columns.reals) return {height, width, c};
  }
  fail(Errc::unsupported, "codes are computed with as numbers; of that only the interpolation that stet writes is understood");
}
/// Codes as numbers in float that are interpolated: Cast, a Resize or two products with matrices, Round, Cast.
inline void read_resized_codes(Importer& g) {
  const auto behind = [&](const NodeInfo* of, std::string_view type) {
    const NodeInfo* const next = of == nullptr ? nullptr : detail::sole_reader(g, of->outputs[0], type);
    return next;
  };
  const NodeInfo *const cast = g.node, *resize = behind(cast, "Resize"), *columns = behind(cast, "MatMul");
  const NodeInfo* const rows = behind(columns, "MatMul");
  const NodeInfo* const round = behind(resize != nullptr ? resize : rows, "Round");
  const NodeInfo* const back = behind(round, "Cast");
  const CodesInFile codes = g.codes->on_codes.at(g.input_name(0));
  require(back != nullptr && (resize != nullptr || (columns->inputs.size() == 2 && rows->inputs.size() == 2 && rows->inputs[1] == columns->outputs[0])),
          Errc::unsupported, "codes are computed with as numbers; of that only the interpolation that stet writes is understood");
  Attributes to(*back);
  require(static_cast<DataType>(to.integer("to", 0)) == codes.type, Errc::unsupported, "codes come back from an interpolation as another type");
  to.ignore("saturate");
  to.finish();
  if (resize != nullptr) {
    g.give(Arrangement(g.value()));
    g.node = resize;
    Attributes a(*resize);
    require(a.text("mode", "nearest") == "linear", Errc::unsupported, "only codes that are interpolated linearly are computed with as numbers");
    read_linear_resize(g, a, a.text("coordinate_transformation_mode", "half_pixel"));
    a.finish();
  } else {
    const int image = g.image(g.value());
    g.node = rows;
    const Constant& of_rows = g.constant(0, "matrix of rows");
    g.node = columns;
    const Constant& of_columns = g.constant(1, "matrix of columns");
    g.node = rows;
    g.give_image(g.add(interpolation_of(g.graph.node(image).shape, of_rows, of_columns), {image}));
  }
  const Arrangement y = g.values.at(g.node->outputs[0]);
  g.codes->of_node[y.node] = codes.meaning;
  for (const NodeInfo* taken : {resize, columns, rows, round, back}) {
    if (taken != nullptr) g.done.insert(taken);
  }
  g.codes->on_codes[back->outputs[0]] = codes;
  g.give(back->outputs[0], y);
}

}  // namespace stet::onnx
