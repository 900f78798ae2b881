#pragma once
// Layer normalization.

#include <stet/graph/operator_spec.hpp>

namespace stet::graph::op {

/// Every row of the last dimension by its own mean and variance. Shapes:    [..,C] -> [..,C]; gamma, beta [C]
/// Formula:   y = gamma * (x - mean) / sqrt(variance + eps) + beta
struct LayerNorm {
  static constexpr std::string_view name = "layer_norm";
  static constexpr auto form = IntegerForm::none;
  float eps = 1e-5f;
};

inline std::string attributes(const LayerNorm& o) { return o.eps == LayerNorm{}.eps ? "" : formatted("eps {}", o.eps); }
inline Shape infer(const LayerNorm& o, Shapes in) {
  expect_inputs("layer_norm", 1, in);
  require(in[0].rank() >= 1, Errc::shape, "layer_norm: wants [..,channels], got {}", in[0]);
  require(o.eps > 0.0f, Errc::range, "layer_norm: eps must be positive, got {}", o.eps);
  return in[0];
}
inline std::vector<ParameterSpec> parameters(const LayerNorm&, Shapes in) {
  const Shape channels{in[0].back()};
  return {{"gamma", channels, Role::gamma}, {"beta", channels, Role::beta}};
}
inline std::int64_t multiply_adds(const LayerNorm&, Shapes, const Shape& out) { return out.elements(); }
inline Obstacle no_integer_form(const LayerNorm&) {
  return {.what = "no runtime has a kernel of integers for it",
          .remedy = "a batch norm behind a layer is folded into it"};
}

}  // namespace stet::graph::op
