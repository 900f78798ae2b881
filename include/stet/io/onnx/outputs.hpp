#pragma once
// Where a model of a .onnx file ends: values that are asked for, or the file's, without a softmax behind the logits.

#include <stet/core/error.hpp>
#include <stet/io/ending.hpp>
#include <stet/io/import_options.hpp>
#include <stet/io/onnx/schema.hpp>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace stet::onnx {

namespace detail {

inline bool any_of(std::string_view type, std::initializer_list<std::string_view> types) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

// Walks back from the outputs of a file.
class OutputChoice {
 public:
  OutputChoice(const ModelInfo& model, const std::string& name) : model_(model), name_(name) {
    for (const NodeInfo& n : model.nodes) {
      for (const std::string& out : n.outputs) makers_.emplace(out, &n);
      if (!n.outputs.empty()) by_name_.emplace(n.name, n.outputs[0]);
    }
  }

  std::vector<std::string> named(const std::vector<std::string>& wanted) const {
    std::vector<std::string> list;
    for (const std::string& w : wanted) {
      const auto node = by_name_.find(w);
      const std::string& value = makers_.contains(w) || node == by_name_.end() ? w : node->second;
      if (!makers_.contains(value))
        fail(Errc::unsupported, "load_onnx: {}: there is no value or node '{}' to end at{}", name_, w, last());
      if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
    }
    return list;
  }
  std::vector<std::string> whole() const {
    std::vector<std::string> list;
    for (const ValueInfo& v : model_.outputs) list.push_back(v.name);
    return list;
  }
  std::vector<std::string> logits() const {
    std::vector<std::string> list;
    std::vector<const NodeInfo*> cut;  // the first of those that are left out
    std::string ends, names;
    for (const ValueInfo& v : model_.outputs) {
      const auto note = [&](const std::string& value) {
        const NodeInfo* n = makers_.at(value);
        if (cut.size() < 8 && std::find(cut.begin(), cut.end(), n) == cut.end()) cut.push_back(n);
      };
      list.push_back(before_softmax(
          v.name, [&](const std::string& value, std::string& input) { return tail(value, input); }, note));
      if (list.back() != v.name && ends.size() < 200) ends += (ends.empty() ? "'" : ", '") + list.back() + "'";
    }
    std::set<std::string> seen;
    if (!cut.empty()) std::erase_if(list, [&](const std::string& value) { return !seen.insert(value).second; });
    for (const NodeInfo* n : cut) {
      names += formatted("{}{} ({})", names.empty() ? "" : ", ", n->name.empty() ? n->outputs[0] : n->name, n->op_type);
    }
    if (!cut.empty()) warn_of_ending("load_onnx: " + name_, ends, names);
    return list;
  }

 private:
  Tail tail(const std::string& value, std::string& input) const {
    const auto found = makers_.find(value);
    if (found == makers_.end() || found->second->inputs.empty()) return Tail::none;
    const NodeInfo& n = *found->second;
    input = n.inputs[0];
    if (any_of(n.op_type, {"Softmax", "LogSoftmax", "ArgMax", "TopK", "ZipMap"})) {
      return makers_.contains(input) ? Tail::classifies : Tail::none;  // of the input itself
    }
    const bool same =
        any_of(n.op_type, {"Identity", "Cast", "Squeeze", "Unsqueeze", "Flatten", "Reshape", "Transpose", "Dropout", "QuantizeLinear", "DequantizeLinear"});
    return same ? Tail::rearranges : Tail::none;
  }
  std::string last() const {
    std::string text;
    const std::size_t n = model_.nodes.size();
    for (std::size_t i = n > 3 ? n - 3 : 0; i < n; ++i) {
      if (!model_.nodes[i].outputs.empty())
        text += (text.empty() ? "; the last ones are '" : "', '") + model_.nodes[i].outputs[0];
    }
    return text.empty() ? text : text + "'";
  }

  const ModelInfo& model_;
  const std::string& name_;
  std::map<std::string, const NodeInfo*> makers_;
  std::map<std::string, std::string> by_name_;
};

}  // namespace detail

/// Names of the values that a model ends at.
/// Errors:    Errc::unsupported if there is no value or node of a name that the options have
inline std::vector<std::string> chosen_outputs(const ModelInfo& model, const ImportOptions& options,
                                               const std::string& name) {
  const detail::OutputChoice choice(model, name);
  if (!options.outputs.empty()) return choice.named(options.outputs);
  return options.ending == Ending::whole ? choice.whole() : choice.logits();
}

}  // namespace stet::onnx
