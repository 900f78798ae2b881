#pragma once
// Operators that are kept in float: their step between codes and reals.

#include <stet/engine/step_site.hpp>
#include <stet/integer/input_output.hpp>
#include <stet/quant/range.hpp>

#include <string>
#include <utility>
#include <vector>

namespace stet::detail {

inline EngineRun step(const graph::op::Real& o, const StepSite& s) {
  struct Value {
    int id;
    bool real;
    Affine codes;
  };
  std::vector<Value> in;
  for (const int i : s.node().inputs) in.push_back({i, s.value(i).real, s.value(i).codes});
  const Value out{s.node().output, s.value(s.node().output).real, s.value(s.node().output).codes};
  return [in, out, function = o.function, rule = s.target().input, name = s.node().name](EngineValues& v) {
    std::vector<Tensor<float>> reals;
    for (const Value& x : in) {
      if (x.real) {
        reals.push_back(v.reals[static_cast<std::size_t>(x.id)]);
        continue;
      }
      const Tensor<std::int8_t>& codes = v.codes[static_cast<std::size_t>(x.id)];
      Tensor<float> real(codes.shape());
      integer::dequantize_output(codes.span(), x.codes.scale, x.codes.zero_point, real.edit());
      reals.push_back(std::move(real));
    }
    Tensor<float> y = function->run(reals);
    const std::string what = "engine: the value of " + name;
    require_finite(what.c_str(), y.span());
    if (out.real) {
      v.reals[static_cast<std::size_t>(out.id)] = std::move(y);
      return;
    }
    integer::quantize_input(rule, y.span(), out.codes.scale, out.codes.zero_point, out.codes.grid,
                            v.codes[static_cast<std::size_t>(out.id)].edit());
  };
}

}  // namespace stet::detail
