#pragma once
// The messages of onnx.proto3, for encode and decode alike: which member of the description lies in which field.
// Source:    onnx.proto3 of ONNX, field numbers

#include <stet/io/onnx/schema.hpp>

namespace stet::onnx::detail {

// `io` is an Encoder, which writes the fields in this order, or a Decoder that stands before one field and reads the member
// that lies in it. Io::Ref is a reference to what is written, or to what is filled. What decoders read more of tensors and
// dimensions is theirs.

template <class Io>
void fields(Io& io, typename Io::template Ref<Metadata> m) {
  io.text(1, m.first, true);
  io.text(2, m.second, true);
}

template <class Io>
void fields(Io& io, typename Io::template Ref<TensorInfo> t) {
  const bool external = t.where == DataLocation::external;
  io.integers(1, t.dims);
  io.number(2, t.type);
  io.text(8, t.name);
  if (io.holds(!external)) io.bytes(9, t.data);
  if (io.holds(external)) io.messages(13, t.external);
  if (io.holds(external)) io.number(14, t.where);
}

// The member of the attribute's type is written even where it is zero: checkers look for its presence.
template <class Io>
void fields(Io& io, typename Io::template Ref<AttributeInfo> a) {
  using enum AttributeType;
  io.text(1, a.name, true);
  if (io.holds(a.type == real)) io.real(2, a.real);
  if (io.holds(a.type == integer)) io.integer(3, a.integer);
  if (io.holds(a.type == text)) io.text(4, a.text, true);
  if (io.holds(a.type == tensor)) io.message(5, a.tensor);
  if (io.holds(a.type == reals)) io.reals(7, a.reals);
  if (io.holds(a.type == integers)) io.integers(8, a.integers);
  if (io.holds(a.type == texts)) io.texts(9, a.texts);
  io.number(20, a.type);
}

template <class Io>
void fields(Io& io, typename Io::template Ref<NodeInfo> n) {
  io.texts(1, n.inputs);
  io.texts(2, n.outputs);
  io.text(3, n.name);
  io.text(4, n.op_type, true);
  io.messages(5, n.attributes);
  io.text(7, n.domain);
}

template <class Io>
void fields(Io& io, typename Io::template Ref<DimensionInfo> d) {
  if (io.holds(d.value >= 0)) io.integer(1, d.value);
  if (io.holds(d.value < 0)) io.text(2, d.param);
}

template <class Io>
void fields(Io& io, typename Io::template Ref<ValueInfo> v) {
  io.text(1, v.name, true);
  io.nested(2, [&](Io& type) {
    type.nested(1, [&](Io& tensor) {
      tensor.number(1, v.type);
      tensor.optional(2, v.has_shape, [&](Io& shape) { shape.messages(1, v.dims); });
    });
  });
}

template <class Io>
void fields(Io& io, typename Io::template Ref<OpsetInfo> o) {
  io.text(1, o.domain);
  io.integer(2, o.version);
}

template <class Io>
void fields(Io& io, typename Io::template Ref<ModelInfo> m) {
  io.integer(1, m.ir_version);
  io.text(2, m.producer_name);
  io.text(3, m.producer_version);
  io.nested(7, [&](Io& graph) {
    graph.messages(1, m.nodes);
    graph.text(2, m.graph_name, true);
    graph.messages(5, m.initializers);
    graph.messages(11, m.inputs);
    graph.messages(12, m.outputs);
    graph.messages(13, m.values);
    graph.refuse(15, "sparse initializers are not read; store them as dense tensors");
  });
  io.messages(8, m.opsets);
  io.messages(14, m.metadata);
}

}  // namespace stet::onnx::detail
