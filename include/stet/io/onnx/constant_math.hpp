#pragma once
// Arithmetic on constants: what graphs compute with shapes and scales before they use them, done while they are loaded.

#include <stet/io/onnx/constant.hpp>
#include <stet/io/onnx/importer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace stet::onnx {

/// Stands for a whole number that depends on the number of samples in another way than being it. No file has it: the numbers
/// beside the lowest are in use as ends of slices.
inline constexpr std::int64_t unknown_symbol = batch_symbol + 1'234'567;
constexpr bool is_symbol(std::int64_t n) { return n == batch_symbol || n == unknown_symbol; }

/// Whole numbers that are computed wrap as in every runtime.
inline std::int64_t wrapped(std::uint64_t n) {
  const auto i = static_cast<std::int64_t>(n);
  return is_symbol(i) ? unknown_symbol : i;
}

/// A function of two numbers, whole and real. Symbols are passed on where the other number changes nothing.
struct BinaryFunction {
  std::int64_t (*whole)(std::int64_t, std::int64_t);
  double (*real)(double, double);
  bool compares = false;  ///< the result is whole, 0 or 1
};

namespace detail {

inline std::uint64_t bits_of(std::int64_t n) { return static_cast<std::uint64_t>(n); }
inline std::int64_t add_whole(std::int64_t a, std::int64_t b) {
  if (is_symbol(a) || is_symbol(b)) return a == 0 ? b : b == 0 ? a : unknown_symbol;
  return wrapped(bits_of(a) + bits_of(b));
}
inline std::int64_t sub_whole(std::int64_t a, std::int64_t b) {
  if (is_symbol(a) || is_symbol(b)) return b == 0 ? a : unknown_symbol;
  return wrapped(bits_of(a) - bits_of(b));
}
inline std::int64_t mul_whole(std::int64_t a, std::int64_t b) {
  if (is_symbol(a) || is_symbol(b)) return a == 1 ? b : b == 1 ? a : a == 0 || b == 0 ? 0 : unknown_symbol;
  return wrapped(bits_of(a) * bits_of(b));
}
inline std::int64_t div_whole(std::int64_t a, std::int64_t b) {
  require(b != 0, Errc::unsupported, "a whole number is divided by 0");
  if (is_symbol(a) || is_symbol(b)) return b == 1 ? a : unknown_symbol;
  return b == -1 ? wrapped(0 - bits_of(a)) : a / b;
}
/// Of the sign of the divisor, as ONNX has it of whole numbers.
inline std::int64_t mod_whole(std::int64_t a, std::int64_t b) {
  require(b != 0, Errc::unsupported, "a whole number is divided by 0");
  if (is_symbol(a) || is_symbol(b)) return b == 1 ? 0 : unknown_symbol;
  const std::int64_t rest = b == -1 ? 0 : a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
template <class F>
std::int64_t of_known(std::int64_t a, std::int64_t b, F&& f) {
  return is_symbol(a) || is_symbol(b) ? unknown_symbol : static_cast<std::int64_t>(f(a, b));
}

inline const Constant& known(Importer& g, std::size_t i) {
  const Constant& c = g.constant(i, "input");
  require(c.known, Errc::unsupported, "the constant '{}' is of a type that is not read, or too large", g.input_name(i));
  return c;
}
inline double real_of(const Constant& c, std::size_t i) {
  if (c.real) return static_cast<double>(c.reals[i]);
  return is_symbol(c.integers[i]) ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(c.integers[i]);
}
inline std::int64_t whole_of(double v) {
  return std::isfinite(v) && std::abs(v) < 9e18 ? static_cast<std::int64_t>(v) : unknown_symbol;
}

// Dimensions of two values that are repeated over each other.
inline Ints joint_dims(const Ints& a, const Ints& b) {
  Ints dims(std::max(a.size(), b.size()), 1);
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    require(x == y || x == 1 || y == 1, Errc::unsupported, "constants of {} and {} elements do not fit together", x, y);
    dims[dims.size() - 1 - i] = x == 1 ? y : x;
  }
  return dims;
}
inline std::int64_t count_of(const Ints& dims) {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) {
    require(d >= 0 && (d == 0 || n <= (std::int64_t{1} << 40) / d), Errc::unsupported,
            "a constant has the dimension {}", d);
    n *= d;
  }
  return n;
}
// For each element under `dims` its place in a constant that is repeated over them.
inline std::vector<std::size_t> places_in(const Constant& c, const Ints& dims) {
  std::vector<std::size_t> step(dims.size(), 0);
  const std::vector<std::size_t> stride = strides(c.dims);
  for (std::size_t i = 0; i < c.dims.size(); ++i)
    step[i + dims.size() - c.dims.size()] = c.dims[i] == 1 ? 0 : stride[i];
  return places(at(count_of(dims)), dims, step);
}
// An empty constant of these dimensions, its size counted.
inline Constant room_for(Importer& g, const Ints& dims, bool real) {
  const auto n = at(count_of(dims));
  require(real || n <= most_integers, Errc::unsupported, "a list of {} whole numbers; only small ones are computed", n);
  g.budget.take(3 * n * sizeof(std::int64_t));
  Constant c{.dims = dims, .real = real};
  if (real) c.reals.resize(n);
  if (!real) c.integers.resize(n);
  return c;
}

}  // namespace detail

inline void fold_binary(Importer& g, const BinaryFunction& f) {
  const Constant a = detail::known(g, 0), b = detail::known(g, 1);
  const Ints dims = detail::joint_dims(a.dims, b.dims);
  const bool real = a.real || b.real;
  Constant c = detail::room_for(g, dims, real && !f.compares);
  const auto left = detail::places_in(a, dims), right = detail::places_in(b, dims);
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (real) {
      const double v = f.real(detail::real_of(a, left[i]), detail::real_of(b, right[i]));
      if (f.compares) c.integers[i] = detail::whole_of(v);
      if (!f.compares) c.reals[i] = static_cast<float>(v);
    } else {
      c.integers[i] = f.whole(a.integers[left[i]], b.integers[right[i]]);
    }
  }
  g.give(std::move(c));
}

/// Elements of a where the condition holds, of b elsewhere.
inline void fold_where(Importer& g, Attributes&) {
  const Constant condition = g.integers(0, "condition"), a = detail::known(g, 1), b = detail::known(g, 2);
  require(a.real == b.real, Errc::unsupported, "chooses between real and whole numbers");
  const Ints dims = detail::joint_dims(detail::joint_dims(condition.dims, a.dims), b.dims);
  Constant c = detail::room_for(g, dims, a.real);
  const auto which = detail::places_in(condition, dims), left = detail::places_in(a, dims),
             right = detail::places_in(b, dims);
  for (std::size_t i = 0; i < which.size(); ++i) {
    const std::int64_t holds = condition.integers[which[i]];
    if (a.real) {
      c.reals[i] = is_symbol(holds) ? std::numeric_limits<float>::quiet_NaN()
                   : holds != 0     ? a.reals[left[i]]
                                    : b.reals[right[i]];
    } else {
      c.integers[i] = is_symbol(holds) ? unknown_symbol : holds != 0 ? a.integers[left[i]] : b.integers[right[i]];
    }
  }
  g.give(std::move(c));
}

/// A constant repeated over dimensions. Real numbers that are repeated over the samples stay as those of one sample are.
inline void fold_expand(Importer& g, Attributes&) {
  const Constant a = detail::known(g, 0);
  Ints shape = g.few_integers(1, "shape");
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::size_t behind = shape.size() - i;
    if (shape[i] == batch_symbol && a.real && (behind > a.dims.size() || a.dims[a.dims.size() - behind] == 1)) shape[i] = 1;
  }
  const Ints dims = detail::joint_dims(a.dims, shape);
  Constant c = detail::room_for(g, dims, a.real);
  const auto from = detail::places_in(a, dims);
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (a.real) c.reals[i] = a.reals[from[i]];
    if (!a.real) c.integers[i] = a.integers[from[i]];
  }
  g.give(std::move(c));
}

/// start, start + delta, ... before limit.
inline void fold_range(Importer& g, Attributes&) {
  const Constant &start = detail::known(g, 0), &limit = detail::known(g, 1), &delta = detail::known(g, 2);
  require(start.size() == 1 && limit.size() == 1 && delta.size() == 1, Errc::unsupported,
          "start, limit and delta must be numbers");
  const double from = detail::real_of(start, 0), to = detail::real_of(limit, 0), step = detail::real_of(delta, 0);
  const double count = std::ceil((to - from) / step);
  require(count <= static_cast<double>(most_integers), Errc::unsupported,
          "a range of {} numbers; only those that do not depend on the batch are made", count);
  Constant c = detail::room_for(g, {static_cast<std::int64_t>(std::max(count, 0.0))}, start.real);
  for (std::size_t i = 0; i < c.size(); ++i) {
    const double v = from + static_cast<double>(i) * step;
    if (c.real) c.reals[i] = static_cast<float>(v);
    if (!c.real) c.integers[i] = static_cast<std::int64_t>(v);
  }
  g.give(std::move(c));
}

/// A function of each number; whole numbers stay whole where `whole` is given.
inline void fold_unary(Importer& g, double (*real)(double), std::int64_t (*whole)(std::int64_t) = nullptr) {
  Constant c = detail::known(g, 0);
  g.take(c);
  require(c.real || whole != nullptr, Errc::unsupported, "whole numbers are not understood here");
  for (float& v : c.reals) v = static_cast<float>(real(static_cast<double>(v)));
  for (std::int64_t& n : c.integers) n = is_symbol(n) ? unknown_symbol : whole(n);
  g.give(std::move(c));
}

/// Between real and whole numbers.
inline void fold_cast(Importer& g, Attributes& a) {
  const auto type = static_cast<DataType>(a.integer("to", 0));
  a.ignore("saturate");
  a.ignore("round_mode");
  Constant c = detail::known(g, 0);
  g.take(c);
  const bool whole = type == DataType::int64 || type == DataType::int32 || type == DataType::boolean;
  require(whole || is_real(type), Errc::unsupported, "attribute to is {}, a type that is not computed with",
          static_cast<int>(type));
  if (whole && c.real) {
    require(c.size() <= most_integers, Errc::unsupported, "a list of {} whole numbers; only small ones are computed",
            c.size());
    for (const float v : c.reals) c.integers.push_back(detail::whole_of(static_cast<double>(v)));
    c.reals.clear();
  } else if (!whole && !c.real) {
    for (std::size_t i = 0; i < c.integers.size(); ++i) c.reals.push_back(static_cast<float>(detail::real_of(c, i)));
    c.integers.clear();
  }
  c.real = !whole;
  if (type == DataType::boolean) {
    for (std::int64_t& n : c.integers) n = is_symbol(n) ? n : n != 0;
  }
  g.give(std::move(c));
}

/// Constants one behind the other along a dimension.
inline void fold_concat(Importer& g, Attributes& a) {
  const std::size_t count = g.node->inputs.size();
  const Constant& first = detail::known(g, 0);
  const std::size_t axis = axis_of(a.integer("axis", 0), first.dims.size());
  Ints dims = first.dims;
  dims[axis] = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Constant& c = detail::known(g, i);
    require(c.dims.size() == dims.size() && c.real == first.real, Errc::unsupported,
            "joins constants of different kinds");
    for (std::size_t d = 0; d < dims.size(); ++d) {
      require(d == axis || c.dims[d] == dims[d], Errc::unsupported, "joins constants of {} and {} elements", c.dims[d],
              dims[d]);
    }
    require(dims[axis] <= (std::int64_t{1} << 40) - c.dims[axis], Errc::unsupported, "joins very many constants");
    dims[axis] += c.dims[axis];
  }
  Constant joint = detail::room_for(g, dims, first.real);
  std::vector<const Constant*> parts;  // that have elements
  for (std::size_t i = 0; i < count; ++i) {
    if (const Constant& c = detail::known(g, i); c.size() > 0) parts.push_back(&c);
  }
  const std::size_t outer = at(detail::count_of({dims.begin(), dims.begin() + static_cast<std::ptrdiff_t>(axis)}));
  std::size_t to = 0;
  for (std::size_t o = 0; o < outer && !parts.empty(); ++o) {
    for (const Constant* c : parts) {
      const std::size_t width = c->size() / outer;
      for (std::size_t k = 0; k < width; ++k, ++to) {
        if (c->real) joint.reals[to] = c->reals[o * width + k];
        if (!c->real) joint.integers[to] = c->integers[o * width + k];
      }
    }
  }
  g.give(std::move(joint));
}

namespace detail {

// Elements of a constant along a dimension, by their numbers.
inline Constant gathered(Importer& g, const Constant& data, std::size_t axis, const Ints& which) {
  const auto split = data.dims.begin() + static_cast<std::ptrdiff_t>(axis);
  Ints dims = data.dims;
  dims[axis] = static_cast<std::int64_t>(which.size());
  Constant c = room_for(g, dims, data.real);
  const auto outer = at(count_of({data.dims.begin(), split})), inner = at(count_of({split + 1, data.dims.end()}));
  std::size_t to = 0;
  for (std::size_t o = 0; o < outer && c.size() > 0; ++o) {
    for (const std::int64_t n : which) {
      const std::size_t from = (o * at(*split) + axis_of(n, at(*split))) * inner;
      for (std::size_t k = 0; k < inner; ++k, ++to) {
        if (c.real) c.reals[to] = data.reals[from + k];
        if (!c.real) c.integers[to] = data.integers[from + k];
      }
    }
  }
  return c;
}

}  // namespace detail

/// Parts of a constant in place of others, as masks of shifted windows are written.
inline void fold_scatter(Importer& g, Attributes& a) {
  const std::string reduction = a.text("reduction", "none");
  require(reduction == "none", Errc::unsupported, "attribute reduction is {}, only none is understood", reduction);
  Constant c = detail::known(g, 0);
  const Constant &index = g.integers(1, "indices"), &updates = detail::known(g, 2);
  require(!index.dims.empty() && c.real == updates.real, Errc::unsupported, "indices and updates do not fit the constant");
  const std::size_t depth = at(index.dims.back()), count = depth == 0 ? 0 : index.size() / depth;
  require(depth >= 1 && depth <= c.dims.size() && count > 0, Errc::unsupported, "indices name {} of {} dimensions", depth, c.dims.size());
  const std::vector<std::size_t> stride = strides(c.dims);
  const std::size_t part = stride[depth - 1];
  require(updates.size() == count * part, Errc::unsupported, "{} updates for {} places of {} elements", updates.size(), count, part);
  g.budget.take(3 * c.size() * sizeof(std::int64_t));
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t place = 0;
    for (std::size_t d = 0; d < depth; ++d) {
      const std::int64_t n = index.integers[i * depth + d], size = c.dims[d];
      require(n >= -size && n < size, Errc::unsupported, "index {} of a dimension of {}", n, size);
      place += at(n < 0 ? n + size : n) * stride[d];
    }
    for (std::size_t e = 0; e < part; ++e) {
      if (c.real) c.reals[place + e] = updates.reals[i * part + e];
      if (!c.real) c.integers[place + e] = updates.integers[i * part + e];
    }
  }
  g.give(std::move(c));
}

inline void fold_gather(Importer& g, Attributes& a) {
  const Constant data = detail::known(g, 0), which = g.integers(1, "indices");
  require(!data.dims.empty(), Errc::unsupported, "the data are one number");
  const std::size_t axis = axis_of(a.integer("axis", 0), data.dims.size());
  Constant c = detail::gathered(g, data, axis, which.integers);
  const auto place = c.dims.begin() + static_cast<std::ptrdiff_t>(axis);
  c.dims.insert(c.dims.erase(place), which.dims.begin(), which.dims.end());
  g.give(std::move(c));
}

/// From starts to ends with steps along dimensions; as attributes before opset 10. From the back where negative, then cut;
/// backwards, the end may lie in front of the first element.
inline void fold_slice(Importer& g, Attributes& a) {
  Constant data = detail::known(g, 0);
  const bool inputs = g.has_input(1);
  const Ints starts = inputs ? g.few_integers(1, "starts") : a.integers("starts"),
             ends = inputs ? g.few_integers(2, "ends") : a.integers("ends");
  Ints axes = g.has_input(3) ? g.few_integers(3, "axes") : a.integers("axes"), steps(starts.size(), 1);
  if (g.has_input(4)) steps = g.few_integers(4, "steps");
  for (std::size_t i = axes.size(); i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  require(data.size() > 0, Errc::unsupported, "the data have no elements");
  require(ends.size() == starts.size() && axes.size() == starts.size() && steps.size() == starts.size(),
          Errc::unsupported, "{} starts, {} ends, {} axes and {} steps", starts.size(), ends.size(), axes.size(),
          steps.size());
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::size_t axis = axis_of(axes[i], data.dims.size());
    const std::int64_t n = data.dims[axis], step = steps[i];
    require(step != 0, Errc::unsupported, "a step of 0");
    const auto place = [&](std::int64_t at) {
      return std::clamp(at < 0 && at >= -n ? at + n : at, std::int64_t{step > 0 ? 0 : -1}, step > 0 ? n : n - 1);
    };
    Ints which;
    const std::int64_t first = place(starts[i]), end = place(ends[i]),
                       far = step > 0    ? step
                             : step < -n ? n + 1
                                         : -step;
    for (std::int64_t k = first; step > 0 ? k < end : k > end; k += step > 0 ? std::min(far, n + 1) : -far) {
      require(k >= 0 && k < n, Errc::unsupported, "a slice begins at {} of {} elements", k, n);
      which.push_back(k);
    }
    data = detail::gathered(g, data, axis, which);
  }
  g.give(std::move(data));
}

/// Product of all numbers.
inline void fold_reduce_product(Importer& g, Attributes& a) {
  const Constant& c = g.integers(0, "input");
  const Ints axes = g.axes(a);
  const bool keep = a.integer("keepdims", 1) != 0;
  a.ignore("noop_with_empty_axes");
  require(c.dims.size() <= 1 && axes.size() <= 1, Errc::unsupported, "only the product of a whole list is understood");
  Constant product{.dims = keep ? Ints(c.dims.size(), 1) : Ints{}, .integers = {1}};
  for (const std::int64_t n : c.integers) product.integers[0] = detail::mul_whole(product.integers[0], n);
  g.give(std::move(product));
}

}  // namespace stet::onnx
