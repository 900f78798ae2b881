#pragma once
// The input on codes, on the tape.

#include <stet/integer/input_output.hpp>
#include <stet/model/unit_site.hpp>

#include <utility>

namespace stet::detail {

inline Var<QTensor> run(const graph::op::Input& o, const UnitSite& s) {
  const Tensor<float>& x = s.model_input();
  require(x.shape().rank() > 0 && x.shape().unbatched() == o.shape && x.shape()[0] > 0, Errc::shape,
          "forward: model expects input [N] + {}, got {}", o.shape, x.shape());
  require_finite("forward: the input", x.span());
  if (s.follows()) s.observe(range_of("forward", s.unit().deployed.name, x.span()));
  QTensor codes{Tensor<std::int8_t>(x.shape()), s.params()};
  integer::quantize_input(s.qat().recipe().target.input, x.span(), codes.params.scale[0], codes.params.zero_point[0],
                          codes.params.grid, codes.codes.edit());
  return s.tape().constant(std::move(codes));
}

}  // namespace stet::detail
