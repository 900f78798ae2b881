#pragma once
// Padding of channels in .tflite files: PAD, which operators/shape/tflite.hpp reads.

#include <stet/io/tflite/float_plan.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stet::tflite {

inline void write(const op::PadChannels& o, Writer& w) {
  const int rank = w.node().in.rank() + 1;
  std::vector<std::int32_t> margins(static_cast<std::size_t>(2 * rank));
  margins[margins.size() - 2] = o.before;
  margins[margins.size() - 1] = o.after;
  const std::int32_t paddings = w.constant<std::int32_t>(w.node().name + ":paddings", TensorType::int32, {rank, 2}, margins);
  w.emit(Builtin::pad, {w.input(), paddings}, {.type = OptionsType::pad});
}

}  // namespace stet::tflite
