#pragma once
// GraphWriter: the description of an ONNX model while it grows, with unique names and every value in the layouts in which
// it is needed.

#include <stet/core/shape.hpp>
#include <stet/core/window.hpp>
#include <stet/graph/match.hpp>
#include <stet/io/onnx/options.hpp>
#include <stet/io/onnx/schema.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

inline AttributeInfo attribute(std::string name, std::int64_t value) {
  return {.name = std::move(name), .type = AttributeType::integer, .integer = value};
}
inline AttributeInfo attribute(std::string name, float value) {
  return {.name = std::move(name), .type = AttributeType::real, .real = value};
}
inline AttributeInfo attribute(std::string name, std::vector<std::int64_t> values) {
  return {.name = std::move(name), .type = AttributeType::integers, .integers = std::move(values)};
}

/// Stands beside an operator where its file asks which opset has it: argument-dependent lookup then finds least_opset.
struct OperatorSets {};

/// The opset of a file with these operators: 17, or 21 if one of them or the file's codes came later.
template <class Nodes>
OpsetInfo opset_of(const Nodes& nodes, bool later) {
  for (const auto& node : nodes) {
    later = later || graph::match(node.op, [](const auto& o) {
              if constexpr (requires { least_opset(o, OperatorSets{}); }) return least_opset(o, OperatorSets{}) > 17;
              return false;
            });
  }
  return {"", later ? 21 : 17};
}

namespace detail {

template <class T>
struct DataTypeOf;  // not defined: constants are written of the types below
template <>
struct DataTypeOf<float> {
  static constexpr DataType value = DataType::float32;
};
template <>
struct DataTypeOf<std::int8_t> {
  static constexpr DataType value = DataType::int8;
};
template <>
struct DataTypeOf<std::uint8_t> {
  static constexpr DataType value = DataType::uint8;
};
template <>
struct DataTypeOf<std::int16_t> {
  static constexpr DataType value = DataType::int16;
};
template <>
struct DataTypeOf<std::int32_t> {
  static constexpr DataType value = DataType::int32;
};
template <>
struct DataTypeOf<std::int64_t> {
  static constexpr DataType value = DataType::int64;
};

}  // namespace detail

/// Where the channels of a value are: last as in stet, or first as ONNX wants them. A value of one dimension has one
/// layout only.
enum class Layout { last, first };

/// Dimensions of a sample in the order of a layout: position i holds dimension order[i].
inline std::vector<int> order_of(Layout layout, int rank) {
  std::vector<int> order;
  if (layout == Layout::first && rank > 0) order.push_back(rank - 1);
  for (int i = 0; i < rank; ++i) {
    if (layout == Layout::last || i < rank - 1) order.push_back(i);
  }
  return order;
}
/// Position, with the batch in front, of a sample's dimension in a layout.
inline std::int64_t position(Layout layout, int rank, int dimension) {
  if (layout == Layout::last) return dimension + 1;
  return dimension == rank - 1 ? 1 : dimension + 2;
}

/// Rows and columns around an image, as ONNX wants them: top, left, bottom, right.
inline std::vector<std::int64_t> pads_of(const Window& w, const Padding& p) {
  if (p.kind == Padding::Kind::valid) return {0, 0, 0, 0};
  if (p.kind == Padding::Kind::explicit_) return {p.top, p.left, p.bottom, p.right};
  const auto after = [](const WindowAxis& a) {
    const std::int64_t total = (a.out - 1) * a.stride + (a.kernel - 1) * a.dilation + 1 - a.in;
    return total > 0 ? total - a.before : 0;
  };
  return {w.h.before, w.w.before, after(w.h), after(w.w)};
}

/// Weights [O,kh,kw,I] or [1,kh,kw,O] as ONNX stores them, [O,I,kh,kw].
template <class T>
std::vector<T> weights_first(std::span<const T> w, const Shape& shape, bool depthwise) {
  const std::int64_t out = depthwise ? shape[3] : shape[0];
  const std::int64_t in = depthwise ? 1 : shape[3];
  const std::int64_t taps = shape[1] * shape[2];
  std::vector<T> result;
  result.reserve(w.size());
  for (std::int64_t o = 0; o < out; ++o) {
    for (std::int64_t i = 0; i < in; ++i) {
      for (std::int64_t k = 0; k < taps; ++k) {
        const std::int64_t from = depthwise ? k * out + o : (o * taps + k) * in + i;
        result.push_back(w[static_cast<std::size_t>(from)]);
      }
    }
  }
  return result;
}
/// Weights [O,K] whose inputs are a flattened image [H,W,C], with the inputs in the order of [C,H,W].
template <class T>
std::vector<T> columns_first(std::span<const T> w, const Shape& image) {
  const std::int64_t pixels = image[0] * image[1];
  const std::int64_t channels = image[2];
  std::vector<T> result;
  result.reserve(w.size());
  for (std::size_t row = 0; row < w.size(); row += static_cast<std::size_t>(pixels * channels)) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < pixels; ++p) result.push_back(w[row + static_cast<std::size_t>(p * channels + c)]);
    }
  }
  return result;
}

/// Collects nodes and constants. Values are those of a graph or an integer model, by index; each has a name per layout.
class GraphWriter {
 public:
  /// `values` is their number; `names` are reserved for the nodes and values that have them.
  explicit GraphWriter(std::size_t values) : places_(values) {}

  /// A name that is used nowhere yet: the wanted one, if it is free.
  std::string unique(const std::string& wanted) {
    std::string name = wanted;
    for (int i = 1; !names_.insert(name).second; ++i) name = formatted("{}_{}", wanted, i);
    return name;
  }

  /// Adds a node with one output and returns the output's name.
  std::string node(const std::string& op_type, const std::string& name, std::vector<std::string> inputs,
                   const std::string& output, std::vector<AttributeInfo> attributes = {}) {
    std::string made = unique(output);
    model.nodes.push_back({unique_node(name), op_type, {}, std::move(inputs), {made}, std::move(attributes)});
    return made;
  }

  /// Adds a constant and returns its name.
  template <class T>
  std::string constant(const std::string& name, std::vector<std::int64_t> dims, std::span<const T> values) {
    TensorInfo t{unique(name), detail::DataTypeOf<T>::value, std::move(dims), {}};
    t.data.resize(values.size_bytes());
    if (!values.empty()) std::memcpy(t.data.data(), values.data(), values.size_bytes());
    model.initializers.push_back(std::move(t));
    return model.initializers.back().name;
  }
  template <class T>
  std::string constant(const std::string& name, std::vector<std::int64_t> dims, const std::vector<T>& values) {
    return constant(name, std::move(dims), std::span<const T>(values));
  }
  template <class T>
  std::string scalar(const std::string& name, T value) {
    return constant(name, {}, std::span<const T>(&value, 1));
  }

  /// Says under which name a value exists in a layout.
  void place(int value, Layout layout, const std::string& name, const Shape& shape) {
    Place& p = at(value);
    p.shape = shape;
    p.name[index(layout, shape)] = name;
  }
  [[nodiscard]] bool has(int value, Layout layout) const {
    const Place& p = places_[static_cast<std::size_t>(value)];
    return !p.name[index(layout, p.shape)].empty();
  }
  /// Layout in which a value exists already; first if in both.
  [[nodiscard]] Layout layout(int value) const { return has(value, Layout::first) ? Layout::first : Layout::last; }
  /// Name of a value in a layout; a Transpose is added where it does not exist so yet.
  std::string get(int value, Layout layout) {
    const Shape shape = at(value).shape;
    const std::size_t i = index(layout, shape);
    if (at(value).name[i].empty()) {
      const std::string from = at(value).name[1 - i];
      std::vector<std::int64_t> perm{0};
      const Layout other = layout == Layout::first ? Layout::last : Layout::first;
      for (const int d : order_of(layout, shape.rank())) perm.push_back(position(other, shape.rank(), d));
      const std::string name = from + (layout == Layout::first ? "_nchw" : "_nhwc");
      at(value).name[i] = node("Transpose", name, {from}, name, {attribute("perm", perm)});
    }
    return at(value).name[i];
  }

  /// Shape of a value in a layout, with the batch.
  static std::vector<DimensionInfo> dims_of(const Shape& shape, Layout layout, std::int64_t batch) {
    std::vector<DimensionInfo> dims{batch > 0 ? DimensionInfo{batch, {}} : DimensionInfo{-1, "N"}};
    for (const int d : order_of(shape.rank() == 3 ? layout : Layout::last, shape.rank())) {
      dims.push_back({shape[d], {}});
    }
    return dims;
  }
  /// Gives a value that a node makes another name, and whoever had that name a new one.
  void rename(const std::string& from, const std::string& to) {
    if (from == to) return;
    if (!names_.insert(to).second) exchange(to, unique(to + "_inner"));
    exchange(from, to);
  }

  ModelInfo model{};

 private:
  struct Place {
    Shape shape{};
    std::array<std::string, 2> name{};  // by layout
  };
  Place& at(int value) { return places_[static_cast<std::size_t>(value)]; }
  static std::size_t index(Layout layout, const Shape& shape) {
    return shape.rank() < 2 || layout == Layout::last ? 0 : 1;
  }
  std::string unique_node(const std::string& wanted) {
    std::string name = wanted;
    for (int i = 1; !node_names_.insert(name).second; ++i) name = formatted("{}_{}", wanted, i);
    return name;
  }
  void exchange(const std::string& from, const std::string& to) {
    const auto in = [&](auto& list) {
      for (std::string& name : list) {
        if (name == from) name = to;
      }
    };
    for (NodeInfo& n : model.nodes) {
      in(n.inputs);
      in(n.outputs);
    }
    for (TensorInfo& t : model.initializers) {
      if (t.name == from) t.name = to;
    }
    for (Place& p : places_) in(p.name);
  }

  std::vector<Place> places_;
  std::set<std::string> names_, node_names_;
};

}  // namespace stet::onnx
