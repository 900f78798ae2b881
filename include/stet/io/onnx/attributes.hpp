#pragma once
// Attributes: those of one ONNX node, read by name; what nobody asked for is an error.

#include <stet/core/error.hpp>
#include <stet/core/window.hpp>
#include <stet/io/onnx/schema.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stet::onnx {

/// Reads the attributes of a node.
/// Errors:    Errc::unsupported naming an attribute of the wrong type
class Attributes {
 public:
  explicit Attributes(const NodeInfo& node) : node_(&node), asked_(node.attributes.size(), false) {}

  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t otherwise) {
    return value(name, AttributeType::integer, &AttributeInfo::integer, otherwise);
  }
  [[nodiscard]] float real(std::string_view name, float otherwise) {
    return value(name, AttributeType::real, &AttributeInfo::real, otherwise);
  }
  [[nodiscard]] std::string text(std::string_view name, const std::string& otherwise) {
    return value(name, AttributeType::text, &AttributeInfo::text, otherwise);
  }
  [[nodiscard]] Ints integers(std::string_view name, const Ints& otherwise = {}) {
    return value(name, AttributeType::integers, &AttributeInfo::integers, otherwise);
  }
  [[nodiscard]] const TensorInfo* tensor(std::string_view name) {
    const AttributeInfo* a = find(name, AttributeType::tensor);
    return a == nullptr || !a->tensor ? nullptr : &*a->tensor;
  }
  [[nodiscard]] bool has(std::string_view name) const {
    for (const AttributeInfo& a : node_->attributes) {
      if (a.name == name) return true;
    }
    return false;
  }
  /// The node's windows move along one dimension: pairs and pads have the width alone.
  void expect_line() { line_ = true; }
  /// Two numbers for height and width.
  /// Errors:    Errc::unsupported if there are not two, or one is not in 1..65535
  [[nodiscard]] Pair pair(std::string_view name, Pair otherwise = 1) {
    Ints v = integers(name, line_ ? Ints{otherwise.width} : Ints{otherwise.height, otherwise.width});
    if (line_ && v.size() == 1) v.insert(v.begin(), 1);
    bool fits = v.size() == 2;
    for (const std::int64_t n : v) fits = fits && n >= 1 && n <= 65535;
    require(fits, Errc::unsupported, "attribute {} must be two numbers for height and width, 1 to 65535", name);
    return {static_cast<int>(v[0]), static_cast<int>(v[1])};
  }
  /// Padding at the top, left, bottom and right.
  /// Errors:    Errc::unsupported if there are not four numbers (two for a line), or one is not in 0..65535
  [[nodiscard]] Ints pads() {
    Ints v = integers("pads", line_ ? Ints{0, 0} : Ints{0, 0, 0, 0});
    if (line_ && v.size() == 2) v = {0, v[0], 0, v[1]};
    bool fits = v.size() == 4;
    for (const std::int64_t n : v) fits = fits && n >= 0 && n <= 65535;
    require(fits, Errc::unsupported, "attribute pads must be four numbers that are not negative");
    return v;
  }
  /// An attribute that must have this value, if it is there.
  void expect(std::string_view name, std::int64_t value) {
    const std::int64_t got = integer(name, value);
    require(got == value, Errc::unsupported, "attribute {} is {}, only {} is understood", name, got, value);
  }
  /// Takes note of an attribute that changes nothing here.
  void ignore(std::string_view name) {
    for (std::size_t i = 0; i < asked_.size(); ++i) asked_[i] = asked_[i] || node_->attributes[i].name == name;
  }
  /// Errors:    Errc::unsupported listing the attributes that nobody asked for
  void finish() const {
    std::string unknown;
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      if (!asked_[i]) unknown += (unknown.empty() ? "" : ", ") + node_->attributes[i].name;
    }
    require(unknown.empty(), Errc::unsupported, "attribute {} is not understood", unknown);
  }

 private:
  template <class T>
  T value(std::string_view name, AttributeType type, T AttributeInfo::*member, const T& otherwise) {
    const AttributeInfo* a = find(name, type);
    return a == nullptr ? otherwise : a->*member;
  }
  const AttributeInfo* find(std::string_view name, AttributeType type) {
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      const AttributeInfo& a = node_->attributes[i];
      if (a.name != name) continue;
      asked_[i] = true;
      require(a.type == type, Errc::unsupported, "attribute {} has type {}, expected {}", name,
              static_cast<int>(a.type), static_cast<int>(type));
      return &a;
    }
    return nullptr;
  }

  const NodeInfo* node_;
  std::vector<bool> asked_;
  bool line_ = false;
};

}  // namespace stet::onnx
