#pragma once
// encode: from the plain description of an ONNX model to the bytes of a .onnx file.

#include <stet/core/entry.hpp>
#include <stet/io/onnx/fields.hpp>
#include <stet/io/protobuf/writer.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace stet::onnx {

namespace detail {

// Writes the fields of one message; a text that is empty is left out unless it must stand there.
class Encoder {
 public:
  template <class T>
  using Ref = const T&;
  explicit Encoder(protobuf::Writer& to) : to_(to) {}

  static bool holds(bool written) { return written; }
  void integer(int field, std::int64_t v) { to_.integer(field, v); }
  void number(int field, auto v) { to_.integer(field, static_cast<std::int64_t>(v)); }
  void real(int field, float v) { to_.real(field, v); }
  void text(int field, const std::string& v, bool always = false) {
    if (always || !v.empty()) to_.text(field, v);
  }
  void bytes(int field, const std::vector<std::uint8_t>& v) { to_.bytes(field, v); }
  void integers(int field, const Ints& list) {
    for (const std::int64_t v : list) to_.integer(field, v);
  }
  void reals(int field, const std::vector<float>& list) {
    for (const float v : list) to_.real(field, v);
  }
  void texts(int field, const std::vector<std::string>& list) {
    for (const std::string& v : list) to_.text(field, v);
  }
  void nested(int field, auto body) {
    to_.message(field, [&](protobuf::Writer& inner) {
      Encoder e(inner);
      body(e);
    });
  }
  void optional(int field, bool there, auto body) {
    if (there) nested(field, body);
  }
  template <class T>
  void message(int field, const std::optional<T>& m) {
    nested(field, [&](Encoder& e) { fields(e, m ? *m : T{}); });
  }
  template <class T>
  void messages(int field, const std::vector<T>& list) {
    for (const T& m : list) nested(field, [&](Encoder& e) { fields(e, m); });
  }
  static void refuse(int, const char*) {}

 private:
  protobuf::Writer& to_;
};

}  // namespace detail

/// Makes the bytes of a .onnx file. decode() of them gives an equal description.
STET_ENTRY std::vector<std::uint8_t> encode(const ModelInfo& model);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<std::uint8_t> encode(const ModelInfo& model) {
  protobuf::Writer w;
  detail::Encoder e(w);
  detail::fields(e, model);
  return w.take();
}
#endif

}  // namespace stet::onnx
