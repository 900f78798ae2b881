#pragma once
// Operators that compute with shapes and other constants while a file is loaded; stet has none of them.

#include <stet/io/onnx/constant_math.hpp>
#include <stet/io/onnx/importer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
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
          "attribute to is {}; only casts between floating-point types are understood, and of whole numbers to int64 "
          "and int32",
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
/// The dimensions of a value or a constant, or those from `start` to `end`.
inline void read_shape(Importer& g, Attributes& a) {
  Ints dims;
  if (g.is_constant()) {
    dims = g.constant(0, "input").dims;
  } else if (const auto found = g.views.find(g.input_name(0)); found != g.views.end()) {
    const BatchView& v = found->second;
    for (std::size_t d = 0; d < v.dims.size(); ++d) {
      const auto samples = std::count(v.dims[d].begin(), v.dims[d].end(), BatchView::samples);
      dims.push_back(samples == 0 ? v.size_of(d) : v.dims[d].size() == 1 ? batch_symbol : unknown_symbol);
    }
  } else {
    dims = g.value().dims;
    dims.insert(dims.begin(), batch_symbol);
  }
  const auto rank = static_cast<std::int64_t>(dims.size());
  const auto place = [&](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + rank : i, 0, rank); };
  const std::int64_t start = place(a.integer("start", 0)), end = std::max(place(a.integer("end", rank)), start);
  Constant c{.dims = {end - start}, .integers = {dims.begin() + start, dims.begin() + end}};
  g.give(std::move(c));
}
/// The number of a value's elements.
inline void read_size(Importer& g, Attributes&) {
  std::int64_t size = g.is_constant() ? static_cast<std::int64_t>(detail::known(g, 0).size()) : unknown_symbol;
  if (!g.is_constant() && product(g.value().dims) == 1) size = batch_symbol;
  g.give(Constant{.integers = {size}});
}
/// Repeats a value over dimensions that it has already.
inline void read_expand(Importer& g, Attributes& a) {
  Ints dims = g.few_integers(1, "shape"), own = g.value().dims;
  own.insert(own.begin(), batch_symbol);
  require(dims.size() <= own.size(), Errc::unsupported, "makes {} dimensions of {}", dims.size(), own.size());
  dims.insert(dims.begin(), own.size() - dims.size(), 1);
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const bool same = dims[i] == own[i] || dims[i] == 1 || dims[i] == -1 || (i == 0 && dims[0] == g.batch);
    require(same, Errc::unsupported,
            "repeats dimension {} of {} elements {} times; only an expand without effect is understood", i, own[i],
            dims[i]);
  }
  read_identity(g, a);
}
inline void read_constant_of_shape(Importer& g, Attributes& a) {
  Constant c{.dims = g.few_integers(0, "input")};
  Constant value{.real = true, .reals = {0.0f}};
  if (const TensorInfo* t = a.tensor("value")) value = make_constant(*t);
  // Real numbers that are all alike are repeated over the samples as those of one sample are.
  if (value.real) std::replace(c.dims.begin(), c.dims.end(), batch_symbol, std::int64_t{1});
  const std::int64_t size = c.dims.empty() ? 1 : product(c.dims);
  require(value.known && value.size() == 1 && size <= 65536, Errc::unsupported,
          "{} elements; only small shapes are made", size);
  c.real = value.real;
  if (c.real) c.reals.assign(at(size), value.reals[0]);
  if (!c.real) c.integers.assign(at(size), value.integers[0]);
  g.give(std::move(c));
}
inline constexpr OperatorReader constant_readers[] = {
    {"Cast", read_cast},     {"Constant", read_constant}, {"ConstantOfShape", read_constant_of_shape},
    {"Expand", read_expand}, {"Identity", read_identity}, {"Shape", read_shape, true},
    {"Size", read_size},
};

/// 0 or 1. The number of samples is no number that a file has; shapes are compared with -1 and 1.
inline std::int64_t equal_whole(std::int64_t a, std::int64_t b) { return a == b && a != unknown_symbol; }
inline std::int64_t power(std::int64_t a, std::int64_t b) {
  return detail::of_known(a, b, [](std::int64_t x, std::int64_t y) {
    return detail::whole_of(std::pow(static_cast<double>(x), static_cast<double>(y)));
  });
}
template <class Holds>
void fold_comparison(Importer& g, Attributes&) {
  fold_binary(g, {[](std::int64_t a, std::int64_t b) { return detail::of_known(a, b, Holds{}); },
                  [](double a, double b) { return Holds{}(a, b) ? 1.0 : 0.0; }, true});
}

/// What is computed of constants alone.
inline constexpr OperatorReader constant_folders[] = {
    {"Abs",
     [](Importer& g, Attributes&) {
       fold_unary(
           g, [](double v) { return std::abs(v); }, [](std::int64_t n) { return n < 0 ? detail::sub_whole(0, n) : n; });
     }},
    {"Add",
     [](Importer& g, Attributes&) {
       fold_binary(g, {detail::add_whole, [](double a, double b) { return a + b; }});
     }},
    {"And", fold_comparison<std::logical_and<>>},
    {"Cast", fold_cast},
    {"Ceil", [](Importer& g, Attributes&) { fold_unary(g, [](double v) { return std::ceil(v); }); }},
    {"Concat", fold_concat},
    {"Div",
     [](Importer& g, Attributes&) {
       fold_binary(g, {detail::div_whole, [](double a, double b) { return a / b; }});
     }},
    {"Equal",
     [](Importer& g, Attributes&) {
       fold_binary(g, {equal_whole, [](double a, double b) { return a == b ? 1.0 : 0.0; }, true});
     }},
    {"Exp", [](Importer& g, Attributes&) { fold_unary(g, [](double v) { return std::exp(v); }); }},
    {"Expand", fold_expand},
    {"Floor", [](Importer& g, Attributes&) { fold_unary(g, [](double v) { return std::floor(v); }); }},
    {"Gather", fold_gather},
    {"Greater", fold_comparison<std::greater<>>},
    {"GreaterOrEqual", fold_comparison<std::greater_equal<>>},
    {"Less", fold_comparison<std::less<>>},
    {"LessOrEqual", fold_comparison<std::less_equal<>>},
    {"Mod",
     [](Importer& g, Attributes& a) {
       a.ignore("fmod");
       fold_binary(g, {detail::mod_whole, [](double x, double y) { return std::fmod(x, y); }});
     }},
    {"Mul",
     [](Importer& g, Attributes&) {
       fold_binary(g, {detail::mul_whole, [](double a, double b) { return a * b; }});
     }},
    {"Neg",
     [](Importer& g, Attributes&) {
       fold_unary(
           g, [](double v) { return -v; }, [](std::int64_t n) { return detail::sub_whole(0, n); });
     }},
    {"Not",
     [](Importer& g, Attributes&) {
       fold_unary(
           g, [](double v) { return v; }, [](std::int64_t n) -> std::int64_t { return n == 0; });
     }},
    {"Pow",
     [](Importer& g, Attributes&) {
       fold_binary(g, {power, [](double a, double b) { return std::pow(a, b); }});
     }},
    {"Range", fold_range},
    {"Reciprocal", [](Importer& g, Attributes&) { fold_unary(g, [](double v) { return 1.0 / v; }); }},
    {"ReduceProd", fold_reduce_product},
    {"ScatterND", fold_scatter},
    {"Slice", fold_slice},
    {"Sqrt", [](Importer& g, Attributes&) { fold_unary(g, [](double v) { return std::sqrt(v); }); }},
    {"Sub",
     [](Importer& g, Attributes&) {
       fold_binary(g, {detail::sub_whole, [](double a, double b) { return a - b; }});
     }},
    {"Where", fold_where},
};

}  // namespace stet::onnx
