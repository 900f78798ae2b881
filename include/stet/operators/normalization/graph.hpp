#pragma once
// Normalization.

#include <stet/graph/operator_spec.hpp>

namespace stet::graph::op {

/// Batch normalization over all but the last dimension. Shapes:    [..,C] -> [..,C]; gamma, beta, mean, variance [C]
/// Formula:   training: batch statistics; mean' = (1-momentum)*mean + momentum*batch mean, variance likewise
struct BatchNorm {
  static constexpr std::string_view name = "batch_norm";
  static constexpr auto form = IntegerForm::none;
  float eps = 1e-5f;
  float momentum = 0.1f;
};

inline std::string attributes(const BatchNorm& o) {
  std::string text;
  if (o.eps != BatchNorm{}.eps) text += formatted("eps {}", o.eps);
  if (o.momentum != BatchNorm{}.momentum) text += formatted("{}momentum {}", text.empty() ? "" : " ", o.momentum);
  return text;
}
inline Shape infer(const BatchNorm& o, Shapes in) {
  expect_inputs("batch_norm", 1, in);
  require(in[0].rank() >= 1, Errc::shape, "batch_norm: wants [..,channels], got {}", in[0]);
  require(o.eps > 0.0f, Errc::range, "batch_norm: eps must be positive, got {}", o.eps);
  require(o.momentum >= 0.0f && o.momentum <= 1.0f, Errc::range, "batch_norm: momentum must be in 0..1, got {}",
          o.momentum);
  return in[0];
}
inline std::vector<ParameterSpec> parameters(const BatchNorm&, Shapes in) {
  const Shape channels{in[0].back()};
  return {{"gamma", channels, Role::gamma},
          {"beta", channels, Role::beta},
          {"mean", channels, Role::mean},
          {"variance", channels, Role::variance}};
}
inline std::int64_t multiply_adds(const BatchNorm&, Shapes, const Shape& out) { return out.elements(); }
inline Obstacle no_integer_form(const BatchNorm&) {
  return {.what = "no convolution or linear layer before it that only it reads", .remedy = "add_unit_layers(model) puts a depthwise layer of ones before it; or move it behind one"};
}

}  // namespace stet::graph::op
