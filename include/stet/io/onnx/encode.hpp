#pragma once
// encode: from the plain description of an ONNX model to the bytes of a .onnx file.

#include <stet/core/entry.hpp>
#include <stet/io/onnx/schema.hpp>
#include <stet/io/protobuf/writer.hpp>

#include <cstdint>
#include <vector>

namespace stet::onnx {

namespace detail {

inline void encode(protobuf::Writer& w, const TensorInfo& t) {
  for (const std::int64_t d : t.dims) w.integer(1, d);
  w.integer(2, static_cast<std::int64_t>(t.type));
  if (!t.name.empty()) w.text(8, t.name);
  w.bytes(9, t.data);
}

// The member of the attribute's type is written even where it is zero: checkers look for its presence.
inline void encode(protobuf::Writer& w, const AttributeInfo& a) {
  w.text(1, a.name);
  switch (a.type) {
    case AttributeType::real:
      w.real(2, a.real);
      break;
    case AttributeType::integer:
      w.integer(3, a.integer);
      break;
    case AttributeType::text:
      w.text(4, a.text);
      break;
    case AttributeType::tensor:
      w.message(5, [&](protobuf::Writer& inner) { encode(inner, a.tensor ? *a.tensor : TensorInfo{}); });
      break;
    case AttributeType::reals:
      for (const float v : a.reals) w.real(7, v);
      break;
    case AttributeType::integers:
      for (const std::int64_t v : a.integers) w.integer(8, v);
      break;
    case AttributeType::texts:
      for (const std::string& v : a.texts) w.text(9, v);
      break;
    case AttributeType::undefined:
    case AttributeType::graph:
      break;
  }
  w.integer(20, static_cast<std::int64_t>(a.type));
}

inline void encode(protobuf::Writer& w, const NodeInfo& n) {
  for (const std::string& name : n.inputs) w.text(1, name);
  for (const std::string& name : n.outputs) w.text(2, name);
  if (!n.name.empty()) w.text(3, n.name);
  w.text(4, n.op_type);
  for (const AttributeInfo& a : n.attributes) {
    w.message(5, [&](protobuf::Writer& inner) { encode(inner, a); });
  }
  if (!n.domain.empty()) w.text(7, n.domain);
}

inline void encode(protobuf::Writer& w, const ValueInfo& v) {
  w.text(1, v.name);
  w.message(2, [&](protobuf::Writer& type) {
    type.message(1, [&](protobuf::Writer& tensor) {
      tensor.integer(1, static_cast<std::int64_t>(v.type));
      if (!v.has_shape) return;
      tensor.message(2, [&](protobuf::Writer& shape) {
        for (const DimensionInfo& d : v.dims) {
          shape.message(1, [&](protobuf::Writer& dim) {
            if (d.value >= 0) dim.integer(1, d.value);
            if (d.value < 0 && !d.param.empty()) dim.text(2, d.param);
          });
        }
      });
    });
  });
}

}  // namespace detail

/// Makes the bytes of a .onnx file. decode() of them gives an equal description.
/// Source:    onnx.proto3 of ONNX, field numbers
STET_ENTRY std::vector<std::uint8_t> encode(const ModelInfo& model);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<std::uint8_t> encode(const ModelInfo& model) {
  using protobuf::Writer;
  Writer w;
  w.integer(1, model.ir_version);
  if (!model.producer_name.empty()) w.text(2, model.producer_name);
  if (!model.producer_version.empty()) w.text(3, model.producer_version);
  w.message(7, [&](Writer& g) {
    for (const NodeInfo& n : model.nodes) {
      g.message(1, [&](Writer& inner) { detail::encode(inner, n); });
    }
    g.text(2, model.graph_name);
    for (const TensorInfo& t : model.initializers) {
      g.message(5, [&](Writer& inner) { detail::encode(inner, t); });
    }
    const auto values = [&](int field, const std::vector<ValueInfo>& list) {
      for (const ValueInfo& v : list) {
        g.message(field, [&](Writer& inner) { detail::encode(inner, v); });
      }
    };
    values(11, model.inputs);
    values(12, model.outputs);
    values(13, model.values);
  });
  for (const OpsetInfo& o : model.opsets) {
    w.message(8, [&](Writer& inner) {
      if (!o.domain.empty()) inner.text(1, o.domain);
      inner.integer(2, o.version);
    });
  }
  for (const auto& [key, value] : model.metadata) {
    w.message(14, [&, &k = key, &v = value](Writer& inner) {
      inner.text(1, k);
      inner.text(2, v);
    });
  }
  return w.take();
}
#endif

}  // namespace stet::onnx
