#pragma once
// Shapes that a .onnx file says: those of inputs, and of values that stand in for what is not understood.

#include <stet/io/onnx/importer.hpp>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace stet::onnx {

/// Dimensions of a sample of an input as the file has them, the open ones as `asked_shape` says, whose dimension i is order[i]
/// of the file. `always` is whether what is asked for is of this input alone, and not only for those that are open.
/// Errors:    Errc::unsupported if one stays open, or the two differ
inline Ints input_dims(const ValueInfo& v, const Shape& asked_shape, bool always, const std::vector<int>& order) {
  const std::size_t rank = order.size();
  Ints dims(rank);
  for (std::size_t i = 0; i < rank; ++i) dims[i] = v.has_shape ? v.dims[i + 1].value : -1;
  const bool open = std::any_of(dims.begin(), dims.end(), [](std::int64_t d) { return d <= 0; });
  const Shape given = open || always ? asked_shape : Shape();
  if (given.rank() > 0 && at(given.rank()) != rank) {
    fail(Errc::unsupported, "{{.input = ...}} has {} dimensions, the input has {} besides the batch", given.rank(),
         rank);
  }
  for (std::size_t i = 0; i < rank; ++i) {
    std::int64_t& d = dims[at(order[i])];
    const std::int64_t asked = given.rank() > 0 ? given[static_cast<int>(i)] : -1;
    require(d > 0 || asked > 0, Errc::unsupported,
            "dimension {} has no size; give the shape of one sample, of an image {{.input = {{height, width, "
            "channels}}}}",
            order[i] + 1);
    require(d <= 0 || asked <= 0 || d == asked, Errc::unsupported,
            "dimension {} is {} in the file, {{.input = ...}} says {}", order[i] + 1, d, asked);
    if (d <= 0) d = asked;
  }
  return dims;
}

/// Makes values in place of those that could not be made, so that what is behind them is judged too.
class StandIns {
 public:
  StandIns(const ModelInfo& model, Importer& importer) : model_(model), importer_(importer) {}

  /// A value of the shape that the file says, or that an operator keeps, as an output of a node; false where neither is
  /// known, or the output does not depend on the input. `unknown` are the values that could not be made.
  bool make(const NodeInfo& node, const std::string& name, const std::set<std::string>& unknown) {
    const Arrangement* from = nullptr;
    bool computed = false;
    for (const std::string& in : node.inputs) {
      const auto found = importer_.values.find(in);
      if (from == nullptr && found != importer_.values.end() && found->second.node >= 0) from = &found->second;
      computed = computed || found != importer_.values.end() || unknown.contains(in);
    }
    if (!computed) return false;
    Ints dims;
    if (const ValueInfo* v = described(name); v != nullptr) {
      if (!is_real(v->type) || !v->has_shape || v->dims.size() < 2 || v->dims.size() > at(Shape::max_rank))
        return false;
      for (std::size_t i = 1; i < v->dims.size(); ++i) dims.push_back(v->dims[i].value);
      for (const std::int64_t d : dims) {
        if (d <= 0) return false;
      }
    } else if (from != nullptr && keeps_shape(node.op_type)) {
      dims = from->dims;
    }
    if (dims.empty() || dims.size() >= at(Shape::max_rank)) return false;
    try {
      const std::vector<int> order = usual_order(dims.size());
      const int id = importer_.graph.add(graph::op::Input{Shape(permuted(dims, order))}, {}, {}).id();
      importer_.values[name] = Arranger::make(id, dims, order);
      return true;
    } catch (const Error&) {
      return false;
    }
  }

 private:
  const ValueInfo* described(const std::string& name) {
    if (described_.empty()) {
      for (const ValueInfo& v : model_.values) described_.emplace(v.name, &v);
    }
    const auto found = described_.find(name);
    return found == described_.end() ? nullptr : found->second;
  }
  static bool keeps_shape(std::string_view type) {
    constexpr std::string_view all[] = {"Abs",
                                        "Ceil",
                                        "Clip",
                                        "Elu",
                                        "Erf",
                                        "Exp",
                                        "Floor",
                                        "Gelu",
                                        "GroupNormalization",
                                        "HardSigmoid",
                                        "HardSwish",
                                        "InstanceNormalization",
                                        "LRN",
                                        "LayerNormalization",
                                        "Log",
                                        "Mish",
                                        "Neg",
                                        "Not",
                                        "PRelu",
                                        "Pow",
                                        "Reciprocal",
                                        "Round",
                                        "Selu",
                                        "Sign",
                                        "Softmax",
                                        "Softplus",
                                        "Softsign",
                                        "Sqrt",
                                        "Swish"};
    return std::find(std::begin(all), std::end(all), type) != std::end(all);
  }

  const ModelInfo& model_;
  Importer& importer_;
  std::map<std::string, const ValueInfo*> described_{};
};

}  // namespace stet::onnx
