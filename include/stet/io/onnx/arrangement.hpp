#pragma once
// Arrangement: a value of an ONNX graph as a value of a stet graph whose dimensions may lie in another order. Images are
// [C,H,W] there and [H,W,C] here; nothing is moved until an operator needs it.

#include <stet/graph/graph.hpp>
#include <stet/io/onnx/constant.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace stet::onnx {

/// A value, its dimensions as ONNX sees them (without the batch), and where each lies in the node's shape.
struct Arrangement {
  int node = -1;
  Ints dims{};
  std::vector<int> axis{};  ///< per dimension that of the node; -1 for one of size 1 that the node has not
  std::string name{};       ///< of the ONNX node whose rearrangement is still to come; may be empty

  // Of a flattened value whose elements lie in another order than ONNX says: what it was before.
  Ints flat_dims{};
  std::vector<int> flat_axis{};
  Shape flat_shape{};
  [[nodiscard]] bool reordered() const { return !flat_dims.empty(); }
};

/// Dimensions of a sample in their own order.
inline std::vector<int> natural_order(std::size_t rank) {
  std::vector<int> order;
  for (std::size_t i = 0; i < rank; ++i) order.push_back(static_cast<int>(i));
  return order;
}
/// Element order[i] of a list for each i.
template <class T>
std::vector<T> permuted(const std::vector<T>& list, const std::vector<int>& order) {
  std::vector<T> result;
  for (const int i : order) result.push_back(list[at(i)]);
  return result;
}
/// The order in which stet wants a value: [H,W,C] of an image [C,H,W], otherwise its own.
inline std::vector<int> usual_order(std::size_t rank) {
  return rank == 3 ? std::vector<int>{1, 2, 0} : natural_order(rank);
}

/// Moves values into the orders that operators need, each at most once.
class Arranger {
 public:
  explicit Arranger(Graph& graph) : graph_(graph) {}

  /// A value whose dimensions are those of a new node, in this order.
  static Arrangement make(int node, Ints dims, const std::vector<int>& order) {
    Arrangement a{node, std::move(dims), std::vector<int>(order.size()), {}};
    for (std::size_t i = 0; i < order.size(); ++i) a.axis[at(order[i])] = static_cast<int>(i);
    return a;
  }

  /// A node whose dimension i is dimension order[i] of the value.
  int arrange(const Arrangement& value, const std::vector<int>& order) {
    const Arrangement a = ordered(value);
    const Made key{a.node, a.axis, a.dims, order};
    if (const auto found = made_.find(key); found != made_.end()) return found->second;
    const std::vector<int> now = cores(a), then = cores(a, order);
    int node = a.node;
    if (now != then) node = transpose(a, order);
    const Shape wanted(permuted(a.dims, order));
    if (graph_.node(node).shape != wanted) node = add(graph::op::Reshape{wanted}, node, a.name);
    made_.emplace(key, node);
    return node;
  }

  /// A node's elements under another shape, and with its dimensions in another order.
  int reshaped(int node, const Shape& shape) {
    while (graph::is<graph::op::Reshape>(graph_.node(node).op)) node = graph_.node(node).inputs[0];
    if (graph_.node(node).shape == shape) return node;
    const auto [found, fresh] = reshaped_.try_emplace({node, Ints(shape.dims().begin(), shape.dims().end())}, -1);
    if (fresh) found->second = add(graph::op::Reshape{shape}, node, {});
    return found->second;
  }
  int transposed(int node, const std::vector<int>& axes) {
    const auto [found, fresh] = transposed_.try_emplace({node, axes}, -1);
    if (fresh) found->second = add(graph::op::Transpose{axes}, node, {});
    return found->second;
  }

  /// The same value with the elements of a flattened image in the order of ONNX.
  Arrangement ordered(const Arrangement& a) {
    if (!a.reordered()) return a;
    Arrangement image{add(graph::op::Reshape{a.flat_shape}, a.node, {}), a.flat_dims, a.flat_axis, {}};
    const int natural = arrange(image, natural_order(image.dims.size()));
    return make(add(graph::op::Flatten{}, natural, {}), a.dims, {0});
  }

  /// For each element of a reordered flat value, in the order of ONNX, its place in the node's value.
  static std::vector<std::size_t> places(const Arrangement& a) {
    const std::vector<std::size_t> stride = strides(a.flat_shape.dims());
    std::vector<std::size_t> step;
    for (const int axis : a.flat_axis) step.push_back(axis >= 0 ? stride[at(axis)] : 0);
    return onnx::places(at(a.dims[0]), a.flat_dims, step);
  }

  /// A name that no node has yet; empty if there is nothing to make it of.
  [[nodiscard]] std::string free_name(const std::string& wanted) const {
    std::string clean = wanted;
    for (char& c : clean) {
      const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                        c == '.' || c == '/' || c == '-';
      if (!good) c = '_';
    }
    std::string name = clean;
    if (clean.empty() || graph_.find(name) < 0) return name;
    int& number = numbers_[clean];  // all below it are taken
    do {
      name = formatted("{}_{}", clean, ++number);
    } while (graph_.find(name) >= 0);
    --number;  // the caller may not take it
    return name;
  }

 private:
  // What was made already: node, axis and dims of a value, and the order.
  using Made = std::tuple<int, std::vector<int>, Ints, std::vector<int>>;

  int add(graph::Operator op, int input, const std::string& name) {
    return graph_.add(std::move(op), {input}, free_name(name)).id();
  }
  // Dimensions of more than one element, in the order in which the node has them, or in an order that is wanted.
  std::vector<int> cores(const Arrangement& a) const {
    std::vector<int> list;
    for (int i = 0; i < graph_.node(a.node).shape.rank(); ++i) {
      for (std::size_t d = 0; d < a.dims.size(); ++d) {
        if (a.axis[d] == i && a.dims[d] != 1) list.push_back(static_cast<int>(d));
      }
    }
    return list;
  }
  static std::vector<int> cores(const Arrangement& a, const std::vector<int>& order) {
    std::vector<int> list;
    std::copy_if(order.begin(), order.end(), std::back_inserter(list), [&](int d) { return a.dims[at(d)] != 1; });
    return list;
  }
  int transpose(const Arrangement& a, const std::vector<int>& order) {
    bool complete = a.dims.size() == static_cast<std::size_t>(graph_.node(a.node).shape.rank());
    for (const int i : a.axis) complete = complete && i >= 0;
    if (complete) return add(graph::op::Transpose{permuted(a.axis, order)}, a.node, a.name);
    // Without dimensions of one element first; the caller puts them back.
    const std::vector<int> now = cores(a);
    const Shape without(permuted(a.dims, now));
    const int bare = graph_.node(a.node).shape == without ? a.node : add(graph::op::Reshape{without}, a.node, {});
    std::vector<int> axes;
    for (const int d : cores(a, order)) {
      axes.push_back(static_cast<int>(std::find(now.begin(), now.end(), d) - now.begin()));
    }
    return add(graph::op::Transpose{axes}, bare, a.name);
  }

  Graph& graph_;
  std::map<Made, int> made_;
  std::map<std::pair<int, Ints>, int> reshaped_;
  std::map<std::pair<int, std::vector<int>>, int> transposed_;
  mutable std::map<std::string, int> numbers_;
};

}  // namespace stet::onnx
