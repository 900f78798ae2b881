#pragma once
// Channels of zeros beside those of a value.

#include <stet/graph/operator_spec.hpp>

namespace stet::graph::op {

/// Zeros along the last dimension, as shortcuts have them where a residual network widens.
/// Shapes:    [..,C] -> [..,before+C+after]
struct PadChannels {
  static constexpr std::string_view name = "pad_channels";
  static constexpr bool keeps_values = true;  ///< every value is one of its input, or 0
  static constexpr auto form = IntegerForm::moves;
  int before = 0, after = 0;
};

inline std::string attributes(const PadChannels& o) { return formatted("{},{}", o.before, o.after); }
inline Shape infer(const PadChannels& o, Shapes in) {
  expect_inputs("pad_channels", 1, in);
  const Shape& x = in[0];
  require(x.rank() >= 1, Errc::shape, "pad_channels: wants [..,channels], got {}", x);
  require(o.before >= 0 && o.after >= 0, Errc::range, "pad_channels: {} and {} must not be negative", o.before, o.after);
  return x.with(x.rank() - 1, x.back() + o.before + o.after);
}

}  // namespace stet::graph::op
