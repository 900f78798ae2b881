#pragma once
// Names: node names that a graph accepts, made of the names of tensors.

#include <stet/core/text.hpp>
#include <stet/io/tflite/schema.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

namespace stet::tflite {

/// Makes node names of tensor names: what stands before the first `;` (converters join the names of fused operators with
/// it) and before `:codes` (stet's word for the codes of a real value), with `_` for every character that a name cannot have, and _2, _3, ... behind one that is taken.
class Names {
 public:
  [[nodiscard]] std::string take(std::string_view tensor, std::string_view fallback) {
    std::string name = clean(tensor);
    if (name.empty()) name = fallback;
    const std::string base = name;
    int& number = taken_[base];
    while (number > 0 && taken_[name] > 0) name = formatted("{}_{}", base, ++number);
    taken_[name] = std::max(taken_[name], 1);
    return name;
  }
  /// The name of a layer of its own under an activation: that of its weights without `.weight`, else the value's with the
  /// kind behind it.
  [[nodiscard]] std::string layer(const TensorInfo& weights, std::string_view value, std::string_view kind) {
    const std::string stem = stem_of(weights);
    if (!stem.empty() && taken_.find(stem) == taken_.end()) return take(stem, kind);
    const std::string base = clean(value);
    return take(base.empty() ? std::string(kind) : base + "/" + std::string(kind), kind);
  }
  static std::string clean(std::string_view tensor) {
    tensor = tensor.substr(0, tensor.find(';'));
    if (tensor.ends_with(":codes")) tensor.remove_suffix(6);
    std::string name(tensor);
    bool any = false;
    for (char& c : name) {
      const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                        c == '.' || c == '/' || c == '-';
      any = any || good;
      if (!good) c = '_';
    }
    return any ? name : std::string();
  }
  /// `conv1` of weights named `conv1.weight`, else nothing.
  static std::string stem_of(const TensorInfo& weights) {
    const std::string name = clean(weights.name);
    constexpr std::string_view suffix = ".weight";
    return name.size() > suffix.size() && name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size())
                                                                 : std::string();
  }

 private:
  std::map<std::string, int> taken_;
};

}  // namespace stet::tflite
