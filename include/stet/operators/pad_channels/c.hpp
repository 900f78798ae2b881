#pragma once
// Padding of channels as a table of C.

#include <stet/io/c/program_walks.hpp>
#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::PadChannels& o, WeightsWriter& w) {
  w.row.op = "STET_PAD_CHANNELS";
  w.params("stet_pad_channels_params", formatted("{}, {}, {}", o.before, o.after, w.site().in().codes.zero_point));
}

inline void program(const graph::op::PadChannels& o, ProgramWriter& w) {
  const Shape& y = w.site().out().shape;
  std::vector<std::int64_t> before(static_cast<std::size_t>(y.rank()));
  before.back() = o.before;
  padded(w, before);
}

}  // namespace stet::c
