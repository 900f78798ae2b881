#pragma once
// The input on codes, on the tape.

#include <stet/integer/input_output.hpp>
#include <stet/model/unit_site.hpp>

#include <string>
#include <utility>

namespace stet::detail {

inline Var<QTensor> run(const graph::op::Input&, const UnitSite& s) {
  const Tensor<float>& x = s.model_input();
  require_finite(("forward: input '" + s.unit().deployed.name + "'").c_str(), x.span());
  if (s.follows()) s.observe(range_of("forward", s.unit().deployed.name, x.span()));
  QTensor codes{Tensor<std::int8_t>(x.shape()), s.params()};
  integer::quantize_input(s.qat().recipe().target.input, x.span(), codes.params.scale[0], codes.params.zero_point[0],
                          codes.params.grid, codes.codes.edit());
  return s.tape().constant(std::move(codes));
}

}  // namespace stet::detail
