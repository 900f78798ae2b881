#pragma once
// Printing integers: the network that is deployed as a drawing, with what its codes mean.

#include <stet/graph/integer_model.hpp>
#include <stet/graph/print.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stet {

namespace detail {

// What a node's box says: the operator, the shape of its value and what its codes are; `weights` may be empty.
inline std::string box_text(const IntegerNode& node, const Shape& shape, const Affine& codes, std::string_view weights) {
  const std::string activation = node.activation == Activation::none ? "" : " " + integer::name(node.activation);
  return formatted("{}{}\\n{}{}\\n{} bits, scale {:.4g}, zero point {}", graph::detail::title(node.name, node.op), activation, shape,
                   weights, std::bit_width(static_cast<std::uint32_t>(codes.grid.levels() - 1)), codes.scale, codes.zero_point);
}

}  // namespace detail

/// The integer model in Graphviz's language: `dot -Tsvg`. A box has bits, scale and zero point of the value that its node
/// makes, and the range of weight codes.
inline std::string dot(const IntegerModel& model) {
  std::vector<int> maker(model.values.size(), -1);
  std::vector<graph::detail::Box> boxes;
  for (const IntegerNode& node : model.nodes) {
    maker[static_cast<std::size_t>(node.output)] = static_cast<int>(boxes.size());
    const IntegerValue& value = model.values[static_cast<std::size_t>(node.output)];
    std::string weights;
    if (const auto codes = node.constants.weights.span(); !codes.empty()) {
      const auto [least, most] = std::minmax_element(codes.begin(), codes.end());
      weights = formatted("\\nweights {}..{}, {} scales", *least, *most, node.constants.weight_scale.size());
    }
    boxes.push_back({value.real ? formatted("{}\\n{}\\nreal", graph::detail::title(node.name, node.op), value.shape)
                                : detail::box_text(node, value.shape, value.codes, weights)});
    for (const int in : node.inputs) boxes.back().from.push_back(maker[static_cast<std::size_t>(in)]);
  }
  for (const int out : model.outputs) boxes[static_cast<std::size_t>(maker[static_cast<std::size_t>(out)])].output = true;
  return graph::detail::drawing(boxes);
}

}  // namespace stet
