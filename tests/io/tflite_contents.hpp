// What tests of save_tflite look up in a file's description.
#pragma once

#include "support/catch.hpp"

#include <stet/core/tensor.hpp>
#include <stet/io/tflite/schema.hpp>

#include <cstring>
#include <string>

namespace stet_test {

/// Codes and versions of all operators, in order: "3v3 22v1 ".
inline std::string operators(const stet::tflite::ModelInfo& m) {
  std::string text;
  for (const stet::tflite::OperatorInfo& o : m.operators) {
    text += fmt::format("{}v{} ", static_cast<int>(o.code), o.version);
  }
  return text;
}

/// The tensor of this name, which must exist.
inline const stet::tflite::TensorInfo& tensor(const stet::tflite::ModelInfo& m, const std::string& name) {
  const stet::tflite::TensorInfo* found = nullptr;
  for (const stet::tflite::TensorInfo& t : m.tensors) {
    if (t.name == name) found = &t;
  }
  INFO(name);
  REQUIRE(found != nullptr);
  return *found;
}

/// Whether a constant has the bytes of a tensor.
template <class T>
bool same(const stet::tflite::TensorInfo& t, const stet::Tensor<T>& x) {
  return t.data.size() == x.span().size_bytes() && std::memcmp(t.data.data(), x.data(), t.data.size()) == 0;
}

}  // namespace stet_test
