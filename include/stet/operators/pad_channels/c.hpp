#pragma once
// Padding of channels as a table of C.

#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::PadChannels& o, WeightsWriter& w) {
  w.row.op = "STET_PAD_CHANNELS";
  w.params("stet_pad_channels_params", formatted("{}, {}, {}", o.before, o.after, w.site().in().codes.zero_point));
}

}  // namespace stet::c
