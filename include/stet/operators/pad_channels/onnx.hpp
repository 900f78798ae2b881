#pragma once
// Padding of channels in .onnx: Pad, which operators/shape/onnx.hpp reads.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <type_traits>
#include <utility>

namespace stet::onnx {

void write(const graph::op::PadChannels& o, auto& w) {
  const Layout layout = w.layout(w.input());
  const int rank = w.shape_in().rank();
  const std::int64_t channels = position(layout, rank, rank - 1);
  Ints pads(at(2 * rank + 2), 0);
  pads[at(channels)] = o.before;
  pads[at(rank + 1 + channels)] = o.after;
  Names inputs{w.get(w.input(), layout), w.list(w.name() + ".pads", pads)};
  if constexpr (std::is_same_v<decltype(w), IntegerWriter&>) {
    inputs.push_back(w.code(w.name() + ".value", w.codes_in().zero_point));
  }
  w.emit_moved("Pad", std::move(inputs), layout);
}

}  // namespace stet::onnx
