#pragma once
// CodesOfFile: what is known of the codes of a .onnx file of integers while it is read as if it were one of floats.

#include <stet/core/tensor.hpp>
#include <stet/graph/graph.hpp>
#include <stet/io/onnx/schema.hpp>
#include <stet/quant/affine.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

/// A value of a file that is codes: what they mean as int8, and their type in the file.
struct CodesInFile {
  Affine meaning{};
  DataType type = DataType::uint8;
  [[nodiscard]] std::int32_t shift() const { return type == DataType::uint8 ? 128 : 0; }  ///< file's code - int8 code
};

/// A constant behind DequantizeLinear: its scales, and its codes if they are the int32 ones of a bias.
struct DequantizedConstant {
  std::vector<float> scale{};
  std::vector<std::int32_t> bias{};
  std::int32_t zero_point = 0;
};

/// Whether an operator makes nothing but elements of its inputs, or 0.
inline bool moves_values(const graph::Operator& o) {
  return graph::is<graph::op::Concat>(o) ||
         (graph::keeps_values(o) && graph::form(o) != graph::IntegerForm::computes && graph::clamp_of(o) == integer::Activation::none);
}

/// By name in the file, or by node of the graph that is made. A QuantizeLinear makes no node: it says what the codes of one
/// mean.
struct CodesOfFile {
  std::map<std::string, CodesInFile> on_codes{};  ///< values that are codes
  std::set<std::string> dequantized{};            ///< real ones that are exactly what codes mean
  std::map<int, Affine> of_node{};
  std::set<int> on_reals{};  ///< nodes that read reals which no codes stand for
  std::map<int, Tensor<std::int8_t>> constants{};
  std::map<std::string, DequantizedConstant> dequantized_constants{};
  std::map<std::pair<int, graph::Role>, std::string> source{};  ///< the constants of layers
  std::map<std::string, const TensorInfo*> tensors{};
  std::map<std::pair<std::string, std::size_t>, int> operands{};  ///< constants as nodes, by name and number of dimensions
  std::set<std::string> quantized_alone{};                        ///< values that only QuantizeLinears read

  /// Notes which constants a file has.
  void note(const ModelInfo& model) {
    for (const TensorInfo& t : model.initializers) tensors[t.name] = &t;
    for (const NodeInfo& n : model.nodes) {
      if (n.op_type != "Constant" || n.outputs.empty()) continue;
      for (const AttributeInfo& a : n.attributes) {
        if (a.name == "value" && a.tensor) tensors[n.outputs[0]] = &*a.tensor;
      }
    }
  }
  /// Gives nodes that only move values the codes of what they read, from one node on.
  void pass_on(const Graph& graph, int from) {
    for (int id = from; id < graph.size(); ++id) {
      const graph::Node& node = graph.node(id);
      if (!moves_values(node.op) || node.inputs.empty() || of_node.contains(id)) continue;
      const auto first = of_node.find(node.inputs[0]);
      const bool alike = first != of_node.end() && std::ranges::all_of(node.inputs, [&](int in) {
                           const auto found = of_node.find(in);
                           return found != of_node.end() && found->second == first->second;
                         });
      if (alike) of_node.emplace(id, first->second);
    }
  }
};

/// The codes that those of one meaning become under another, between bounds of the real values.
/// Rounding:  half to even, in float
/// Source:    ONNX DequantizeLinear, QuantizeLinear
inline integer::Table rescaling_table(const Affine& in, const Affine& out, const integer::Activation& bounds = integer::Activation::none) {
  integer::Table table{};
  for (int q = -128; q <= 127; ++q) {
    const float x = std::clamp(in.scale * static_cast<float>(q - in.zero_point), bounds.lo, bounds.hi);
    const float steps = std::clamp(round_half_even(x / out.scale), static_cast<float>(-128 - out.zero_point), static_cast<float>(127 - out.zero_point));
    table[at(q + 128)] = static_cast<std::int8_t>(static_cast<std::int32_t>(steps) + out.zero_point);
  }
  return table;
}

}  // namespace stet::onnx
