#pragma once
// Operators that compute with shapes and other constants while a file is loaded; stet has none of them.

#include <stet/io/onnx/importer.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace stet::onnx {

inline void read_identity(Importer& g, Attributes&) {
  if (g.is_constant()) return g.give(Constant(g.constant(0, "input")));
  g.give(Arrangement(g.value()));
}
inline void read_cast(Importer& g, Attributes& a) {
  const std::int64_t to = a.integer("to", 0);
  a.ignore("saturate");
  a.ignore("round_mode");
  const auto type = static_cast<DataType>(to);
  const bool real = !g.is_constant() || g.constant(0, "input").real;
  require(real ? is_real(type) : type == DataType::int64 || type == DataType::int32, Errc::unsupported,
          "attribute to is {}; only casts between floating-point types are understood, and of whole numbers to int64 and int32",
          to);
  if (!g.is_constant()) g.note_type(type);
  read_identity(g, a);
}
inline void read_constant(Importer& g, Attributes& a) {
  Constant c;
  if (const TensorInfo* t = a.tensor("value")) {
    c = make_constant(*t);
  } else if (a.has("value_int")) {
    c.integers = {a.integer("value_int", 0)};
  } else if (a.has("value_ints")) {
    c.integers = a.integers("value_ints");
    c.dims = {static_cast<std::int64_t>(c.integers.size())};
  } else if (a.has("value_float")) {
    c.real = true;
    c.reals = {a.real("value_float", 0.0f)};
  } else {
    fail(Errc::unsupported, "no attribute of a kind that is understood");
  }
  c.name = g.node->outputs[0];
  g.give(std::move(c));
}
inline void read_shape(Importer& g, Attributes& a) {
  require(!a.has("start") && !a.has("end"), Errc::unsupported, "attributes start and end are not understood");
  Constant c;
  c.integers = {batch_symbol};
  for (const std::int64_t d : g.value().dims) c.integers.push_back(d);
  c.dims = {static_cast<std::int64_t>(c.integers.size())};
  g.give(std::move(c));
}
inline void read_gather(Importer& g, Attributes& a) {
  a.expect("axis", 0);
  const Constant &data = g.integers(0, "data"), &which = g.integers(1, "indices");
  require(data.dims.size() == 1 && which.dims.size() <= 1, Errc::unsupported, "only elements of a shape are gathered");
  Constant c{.dims = which.dims};
  g.take(which);
  for (const std::int64_t i : which.integers) c.integers.push_back(data.integers[axis_of(i, data.integers.size())]);
  g.give(std::move(c));
}
inline void read_constant_of_shape(Importer& g, Attributes& a) {
  Constant c{.dims = g.few_integers(0, "input")};
  Constant value{.real = true, .reals = {0.0f}};
  if (const TensorInfo* t = a.tensor("value")) value = make_constant(*t);
  const std::int64_t size = c.dims.empty() ? 1 : product(c.dims);
  require(value.known && value.size() == 1 && size <= 65536, Errc::unsupported,
          "{} elements; only small shapes are made", size);
  c.real = value.real;
  if (c.real) c.reals.assign(at(size), value.reals[0]);
  if (!c.real) c.integers.assign(at(size), value.integers[0]);
  g.give(std::move(c));
}
/// Rows of a constant, forwards or backwards.
inline void read_slice(Importer& g, Attributes&) {
  const Constant& data = g.integers(0, "data");
  const std::int64_t step = g.one_integer(4, "steps", 1);
  require(!data.dims.empty() && data.dims[0] > 0 && g.one_integer(3, "axes", 0) == 0 && (step == 1 || step == -1),
          Errc::unsupported, "only rows of a constant, without gaps, are understood");
  const std::int64_t rows = data.dims[0], width = static_cast<std::int64_t>(data.integers.size()) / rows;
  // As the specification: from the back where negative, then cut; backwards, the end may lie in front of the first row.
  const auto place = [&](std::int64_t i) {
    return std::clamp(i < 0 && i >= -rows ? i + rows : i, std::int64_t{step > 0 ? 0 : -1}, step > 0 ? rows : rows - 1);
  };
  const std::int64_t first = place(g.one_integer(1, "starts", 0)), end = place(g.one_integer(2, "ends", rows));
  Constant c{.dims = data.dims};
  c.dims[0] = 0;
  for (std::int64_t row = first; step > 0 ? row < end : row > end; row += step) {
    c.integers.insert(c.integers.end(), data.integers.begin() + row * width, data.integers.begin() + (row + 1) * width);
    ++c.dims[0];
  }
  g.give(std::move(c));
}

inline constexpr OperatorReader constant_readers[] = {
    {"Cast", read_cast},     {"Constant", read_constant}, {"ConstantOfShape", read_constant_of_shape},
    {"Gather", read_gather}, {"Identity", read_identity}, {"Shape", read_shape},
    {"Slice", read_slice},
};

}  // namespace stet::onnx
