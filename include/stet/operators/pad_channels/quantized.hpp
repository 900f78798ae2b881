#pragma once
// Padding of channels of codes, on the tape.

#include <stet/model/unit_site.hpp>
#include <stet/qat/shape.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace stet::detail {

inline Var<QTensor> run(const graph::op::PadChannels& o, const UnitSite& s) {
  std::vector<Margin> margins(static_cast<std::size_t>(s.input().shape().rank()));
  margins.back() = {o.before, o.after};
  return pad(s.input(), std::move(margins));
}

}  // namespace stet::detail
