#pragma once
// Operators of codes (QLinearConv, QLinearAdd, ...) as operators of reals between DequantizeLinear and QuantizeLinear.

#include <stet/core/error.hpp>
#include <stet/io/onnx/constant.hpp>
#include <stet/io/onnx/schema.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::onnx {

namespace detail {

/// How the inputs of an operator of codes lie: values with scale and zero point behind each (`x`), an int32 bias (`b`), and
/// scale and zero point of the output (`y`).
struct OperatorOfCodes {
  std::string_view op_type, real, inputs;
  std::string_view domain = "com.microsoft";
};
inline constexpr OperatorOfCodes operators_of_codes[] = {{"QLinearConv", "Conv", "xxyb", ""},
                                                         {"QLinearMatMul", "MatMul", "xxy", ""},
                                                         {"QGemm", "Gemm", "xxby"},
                                                         {"QLinearAdd", "Add", "xxy"},
                                                         {"QLinearMul", "Mul", "xxy"},
                                                         {"QLinearSigmoid", "Sigmoid", "xy"},
                                                         {"QLinearLeakyRelu", "LeakyRelu", "xy"},
                                                         {"QLinearSoftmax", "Softmax", "xy"},
                                                         {"QLinearAveragePool", "AveragePool", "xy"},
                                                         {"QLinearGlobalAveragePool", "GlobalAveragePool", "xy"},
                                                         {"QLinearReduceMean", "ReduceMean", "xy"},
                                                         {"QLinearConcat", "Concat", "y*"}};
inline const OperatorOfCodes* operator_of_codes(const NodeInfo& node) {
  for (const OperatorOfCodes& o : operators_of_codes) {
    if (o.op_type == node.op_type && (o.domain == node.domain || (o.domain.empty() && node.domain == "ai.onnx"))) return &o;
  }
  return nullptr;
}

class CodesTold {
 public:
  CodesTold(const ModelInfo& model, const std::string& where) : where_(where), made_(model) {
    made_.nodes.clear();
    for (const TensorInfo& t : model.initializers) constants_[t.name] = &t;
    for (const NodeInfo& node : model.nodes) {
      const OperatorOfCodes* const o = operator_of_codes(node);
      if (o == nullptr) {
        made_.nodes.push_back(node);
      } else {
        add(node, *o);
      }
    }
  }
  ModelInfo take() { return std::move(made_); }

 private:
  static std::string input(const NodeInfo& n, std::size_t i) { return i < n.inputs.size() ? n.inputs[i] : std::string(); }

  void add(const NodeInfo& n, const OperatorOfCodes& o) {
    if (n.outputs.size() != 1) fail(Errc::unsupported, "{}: {} ({}) has {} outputs", where_, n.name, n.op_type, n.outputs.size());
    NodeInfo real{n.name, std::string(o.real), "", {}, {n.outputs[0] + "_real"}, {}};
    for (const AttributeInfo& a : n.attributes) {
      const bool off = a.name == "channels_last" && a.integer == 0;
      if (!off && !(o.real == "Softmax" && a.name == "opset")) real.attributes.push_back(a);
    }
    std::size_t at = 0;
    std::vector<std::string> params, scales;  // of the output; of the values
    for (const char kind : o.inputs) {
      if (kind == 'y') {
        params = {input(n, at), input(n, at + 1)};
        at += 2;
      } else if (kind == 'b') {
        if (!input(n, at).empty()) real.inputs.push_back(bias(n, input(n, at), scales));
        ++at;
      } else {
        do {
          const int axis = weight_axis(n, o, real.inputs.size());
          scales.push_back(input(n, at + 1));
          real.inputs.push_back(dequantized(n, {input(n, at), input(n, at + 1), input(n, at + 2)}, axis, real.inputs.size()));
          at += 3;
        } while (kind == '*' && at < n.inputs.size());
      }
    }
    if (params.empty() || params[0].empty()) {  // QGemm may end in reals
      real.outputs = n.outputs;
      made_.nodes.push_back(std::move(real));
      return;
    }
    NodeInfo codes{n.name + "_codes", "QuantizeLinear", "", {real.outputs[0], params[0]}, n.outputs, {}};
    if (!params[1].empty()) codes.inputs.push_back(params[1]);
    made_.nodes.push_back(std::move(real));
    made_.nodes.push_back(std::move(codes));
  }
  // The dimension along which the scales of weights lie.
  static int weight_axis(const NodeInfo& n, const OperatorOfCodes& o, std::size_t which) {
    if (which != 1 || o.real == "Conv") return 0;
    const AttributeInfo* const turned = attribute_of(n, "transB");
    return o.real == "Gemm" && turned != nullptr && turned->integer != 0 ? 0 : 1;
  }
  std::string dequantized(const NodeInfo& n, std::vector<std::string> inputs, int axis, std::size_t which) {
    if (inputs[2].empty()) inputs.pop_back();
    NodeInfo dq{formatted("{}_input_{}", n.name, which), "DequantizeLinear", "", std::move(inputs), {formatted("{}_input_{}", n.outputs[0], which)}, {}};
    const auto scale = constants_.find(dq.inputs[1]);
    if (scale != constants_.end() && !scale->second->dims.empty() && scale->second->dims != Ints{1}) dq.attributes.push_back(attribute("axis", axis));
    made_.nodes.push_back(std::move(dq));
    return made_.nodes.back().outputs[0];
  }
  // A bias means the products' scales.
  std::string bias(const NodeInfo& n, const std::string& codes, const std::vector<std::string>& scales) {
    std::vector<std::vector<float>> factors;
    for (const std::string& name : scales) {
      const auto found = constants_.find(name);
      if (found == constants_.end()) fail(Errc::unsupported, "{}: {} ({}): scale '{}' is computed; only a constant is understood", where_, n.name, n.op_type, name);
      factors.push_back(make_constant(*found->second).reals);
    }
    if (factors.size() != 2 || factors[0].size() != 1) fail(Errc::unsupported, "{}: {} ({}): its input has several scales", where_, n.name, n.op_type);
    for (float& s : factors[1]) s *= factors[0][0];
    const std::string scale = n.outputs[0] + "_bias_scale";
    const Ints dims = factors[1].size() == 1 ? Ints{} : Ints{static_cast<std::int64_t>(factors[1].size())};
    made_.initializers.push_back(make_tensor<float>(scale, dims, factors[1]));
    NodeInfo dq{n.name + "_bias", "DequantizeLinear", "", {codes, scale}, {n.outputs[0] + "_bias"}, {}};
    if (!dims.empty()) dq.attributes.push_back(attribute("axis", 0));
    made_.nodes.push_back(std::move(dq));
    return made_.nodes.back().outputs[0];
  }

  const std::string& where_;
  ModelInfo made_;
  std::map<std::string, const TensorInfo*> constants_;
};

}  // namespace detail

/// Whether a file computes with codes by operators of their own.
inline bool has_operators_of_codes(const ModelInfo& model) {
  return std::ranges::any_of(model.nodes, [](const NodeInfo& n) { return detail::operator_of_codes(n) != nullptr; });
}
/// The same file with operators of reals between DequantizeLinear and QuantizeLinear.
/// Errors:    Errc::unsupported if a scale of a bias is computed
/// Source:    ONNX Operators.md; ONNX Runtime docs/ContribOperators.md
inline ModelInfo with_codes_told(const ModelInfo& model, const std::string& where) { return detail::CodesTold(model, where).take(); }

}  // namespace stet::onnx
