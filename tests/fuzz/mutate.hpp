// Changes of whole files: a description with one to four of its fields changed, often to an extreme, so that what lies
// behind the decoders is reached too.
#pragma once

#include <stet/core/random.hpp>
#include <stet/io/onnx/decode.hpp>
#include <stet/io/onnx/encode.hpp>
#include <stet/io/tflite/decode.hpp>
#include <stet/io/tflite/encode.hpp>

#include <cstdint>
#include <iterator>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace stet_test {

/// Changes one description after the other with numbers of a generator.
class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : rng_(seed) {}

  void change(stet::tflite::ModelInfo& m) {
    using stet::tflite::Options;
    for (std::uint64_t i = 1 + rng_.below(4); i > 0; --i) {
      stet::tflite::TensorInfo* t = any(m.tensors);
      stet::tflite::OperatorInfo* o = any(m.operators);
      switch (rng_.below(13)) {
        case 0:
        case 1:
          if (o != nullptr) {
            stet::tflite::visit_options(o->options.type, [&](int, auto member) {
              if (rng_.below(3) == 0) extreme(o->options.*member);
            });
          }
          break;
        case 2:
          if (t != nullptr) list(t->shape);
          break;
        case 3:
          if (t != nullptr) list(t->quantization.scale);
          break;
        case 4:
          if (t != nullptr) list(t->quantization.zero_point);
          break;
        case 5:
          if (t != nullptr) list(t->data);
          break;
        case 6:
          if (o != nullptr) list(o->inputs, static_cast<std::int64_t>(m.tensors.size()));
          break;
        case 7:
          if (o != nullptr) list(o->outputs, static_cast<std::int64_t>(m.tensors.size()));
          break;
        case 8:
          if (o != nullptr) o->code = any(m.operators)->code;
          break;
        case 9:
          repeat(m.operators);
          break;
        case 10:
          if (t != nullptr) *t = *any(m.tensors);
          break;
        case 11:
          if (!m.input_fingerprint.empty()) {
            const char letters[] = "0123456789-.eE,:[]{}\"\\ n";
            m.input_fingerprint[rng_.below(m.input_fingerprint.size())] = letters[rng_.below(std::size(letters) - 1)];
          }
          break;
        default:
          list(rng_.below(2) == 0 ? m.inputs : m.outputs, static_cast<std::int64_t>(m.tensors.size()));
      }
    }
  }

  void change(stet::onnx::ModelInfo& m) {
    for (std::uint64_t i = 1 + rng_.below(4); i > 0; --i) {
      stet::onnx::NodeInfo* n = any(m.nodes);
      stet::onnx::TensorInfo* t = any(m.initializers);
      stet::onnx::AttributeInfo* a = n == nullptr ? nullptr : any(n->attributes);
      switch (rng_.below(13)) {
        case 0:
        case 1:
          if (a == nullptr) break;
          list(a->integers);
          extreme(rng_.below(2) == 0 ? a->integer : a->integers.emplace_back());
          break;
        case 2:
          if (a != nullptr) extreme(a->real);
          break;
        case 3:
          if (t != nullptr) list(t->dims);
          break;
        case 4:
          if (t != nullptr) list(t->data);
          break;
        case 5:
          if (auto* v = any(m.inputs); v != nullptr && any(v->dims) != nullptr) extreme(any(v->dims)->value);
          break;
        case 6:
          if (n != nullptr) rewire(*n, *any(m.nodes), t);
          break;
        case 7:
          if (n != nullptr) n->op_type = any(m.nodes)->op_type;
          break;
        case 8:
          if (n != nullptr && any(m.nodes)->attributes.size() > 0) *any(m.nodes) = *n;
          break;
        case 9:
          if (t != nullptr) elsewhere(*t);
          break;
        case 10:
          ends(m);
          break;
        case 11:
          if (n == nullptr || n->inputs.empty()) break;  // inputs that may be left out
          if (rng_.below(2) == 0) {
            n->inputs.pop_back();
          } else {
            any(n->inputs)->clear();
          }
          break;
        default:
          if (n != nullptr) longer(*n, m);
      }
    }
  }

 private:
  template <class T>
  T* any(std::vector<T>& list) {
    return list.empty() ? nullptr : &list[rng_.below(list.size())];
  }

  template <class T>
  void extreme(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      value = !value;
    } else if constexpr (std::is_enum_v<T>) {
      auto number = static_cast<std::underlying_type_t<T>>(value);
      extreme(number);
      value = static_cast<T>(number);
    } else if constexpr (std::is_floating_point_v<T>) {
      using L = std::numeric_limits<T>;
      const T values[] = {T{0}, T{-1}, L::min(), L::max(), L::lowest(), L::denorm_min(), T{1e-20f}, T{1e20f}, -value, value / 2};
      value = values[rng_.below(std::size(values))];
    } else if constexpr (std::is_integral_v<T>) {
      using L = std::numeric_limits<T>;
      const auto bits = static_cast<std::uint64_t>(value);  // so that nothing overflows
      if (rng_.below(2) == 0) {
        value = static_cast<T>(rng_.below(2) == 0 ? bits + 1 : bits - 1);
        return;
      }
      const T values[] = {T{0}, T{1}, L::max(), L::min(), static_cast<T>(std::int64_t{1} << rng_.below(8 * sizeof(T) - 1)), static_cast<T>(bits * 2)};
      value = values[rng_.below(std::size(values))];
    } else {
      list(value);
    }
  }
  // Changes, adds, takes away or repeats elements; those of a list of indices stay below `end`.
  template <class T>
  void list(std::vector<T>& values, std::int64_t end = 0) {
    switch (rng_.below(4)) {
      case 0:
        if (!values.empty()) values.pop_back();
        break;
      case 1:
        values.insert(values.end(), 1 + rng_.below(3), values.empty() ? T{} : values[rng_.below(values.size())]);
        break;
      default:
        if (T* v = any(values); v != nullptr && end > 0) {
          *v = static_cast<T>(static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(end) + 1)) - (rng_.below(8) == 0 ? 1 : 0));
        } else if (v != nullptr) {
          extreme(*v);
        }
    }
  }
  template <class T>
  void repeat(std::vector<T>& values) {
    if (values.empty() || values.size() > 64) return;
    values.insert(values.begin() + static_cast<std::ptrdiff_t>(rng_.below(values.size())), *any(values));
  }
  // The elements lie in another file, somewhere.
  void elsewhere(stet::onnx::TensorInfo& t) {
    const char* names[] = {"w.data", "../w.data", "/w.data", "", "a/../../w"};
    t.where = stet::onnx::DataLocation::external;
    t.data.clear();
    t.external = {{"location", names[rng_.below(std::size(names))]}, {"offset", std::to_string(rng_.below(1000))}};
    if (rng_.below(2) == 0) t.external.push_back({"length", std::to_string(4 * rng_.below(100))});
  }
  // An input becomes another node's, another node's output, or a constant.
  void rewire(stet::onnx::NodeInfo& n, stet::onnx::NodeInfo& other, stet::onnx::TensorInfo* constant) {
    std::string* in = any(n.inputs);
    const std::uint64_t what = rng_.below(3);
    std::string* from = what == 0 ? any(other.inputs) : any(other.outputs);
    if (in != nullptr && from != nullptr) *in = what == 2 && constant != nullptr ? constant->name : *from;
  }
  // Another value becomes an output, or one more does; an input comes twice.
  void ends(stet::onnx::ModelInfo& m) {
    const stet::onnx::NodeInfo* n = any(m.nodes);
    const std::uint64_t what = rng_.below(4);
    if (what == 0 && !m.inputs.empty() && m.inputs.size() < 8) return m.inputs.push_back(*any(m.inputs));
    if (n == nullptr || n->outputs.empty() || m.outputs.empty() || m.outputs.size() > 8) return;
    stet::onnx::ValueInfo& end = what == 1 ? m.outputs.emplace_back(*any(m.outputs)) : *any(m.outputs);
    end.name = n->outputs[rng_.below(n->outputs.size())];
  }
  // The same operator once more behind a node; who read the node reads the new one.
  void longer(const stet::onnx::NodeInfo& n, stet::onnx::ModelInfo& m) {
    if (n.outputs.empty() || m.nodes.size() > 64) return;
    stet::onnx::NodeInfo next = n;
    const std::string old = n.outputs[0], made = old + "+";
    for (stet::onnx::NodeInfo& reader : m.nodes) {
      for (std::string& in : reader.inputs) {
        if (in == old) in = made;
      }
    }
    for (std::string& in : next.inputs) in = in == n.inputs[0] || rng_.below(2) == 0 ? old : in;
    next.outputs[0] = made;
    m.nodes.insert(m.nodes.begin() + (&n - m.nodes.data()) + 1, next);
  }

  stet::Rng rng_;
};

/// A file like this one with changed fields; empty where the bytes are no file, or the change cannot be written.
inline std::vector<std::uint8_t> changed_tflite(std::span<const std::uint8_t> bytes, std::uint64_t seed) {
  try {
    stet::tflite::ModelInfo info = stet::tflite::decode(bytes, "file");
    Mutator(seed).change(info);
    return stet::tflite::encode(info);
  } catch (const stet::Error&) {
    return {};
  }
}
inline std::vector<std::uint8_t> changed_onnx(std::span<const std::uint8_t> bytes, std::uint64_t seed) {
  try {
    stet::onnx::ModelInfo info = stet::onnx::decode(bytes, "file");
    Mutator(seed).change(info);
    return stet::onnx::encode(info);
  } catch (const stet::Error&) {
    return {};
  }
}

}  // namespace stet_test
