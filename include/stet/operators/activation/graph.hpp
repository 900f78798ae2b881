#pragma once
// Functions of one value that keep its shape.

#include <stet/graph/operator_spec.hpp>
#include <stet/integer/clamp.hpp>

namespace stet::graph::op {

using integer::Activation;

/// max(x, 0)
struct Relu {
  static constexpr std::string_view name = "relu";
  static constexpr bool scales_channels = true;  ///< a channel times a positive number comes out times that number
  static constexpr auto clamps = Activation::relu;
  static constexpr auto form = IntegerForm::moves;
};
/// min(max(x, 0), 6)
struct Relu6 {
  static constexpr std::string_view name = "relu6";
  static constexpr auto clamps = Activation::relu6;
  static constexpr auto form = IntegerForm::moves;
};
/// x where x > 0, else alpha*x
struct LeakyRelu {
  static constexpr std::string_view name = "leaky_relu";
  static constexpr bool scales_channels = true;  ///< a channel times a positive number comes out times that number
  static constexpr auto form = IntegerForm::computes;
  float alpha = 0.01f;
};
/// 1/(1+exp(-x))
struct Sigmoid {
  static constexpr std::string_view name = "sigmoid";
  static constexpr auto form = IntegerForm::computes;
};
/// tanh(x)
struct Tanh {
  static constexpr std::string_view name = "tanh";
  static constexpr auto form = IntegerForm::computes;
};
/// x*relu6(x+3)/6
struct HardSwish {
  static constexpr std::string_view name = "hard_swish";
  static constexpr auto form = IntegerForm::computes;
};
/// Softmax over the last dimension.
struct Softmax {
  static constexpr std::string_view name = "softmax";
  static constexpr auto form = IntegerForm::none;
};
/// Logarithm of the softmax over the last dimension.
struct LogSoftmax {
  static constexpr std::string_view name = "log_softmax";
  static constexpr auto form = IntegerForm::none;
};
/// In training each element is zero with probability rate, others are divided by 1-rate; elsewhere the identity.
struct Dropout {
  static constexpr std::string_view name = "dropout";
  static constexpr bool scales_channels = true;  ///< a channel times a positive number comes out times that number
  static constexpr bool keeps_values = true;  ///< every value is one of its input, or 0
  static constexpr auto form = IntegerForm::training;
  float rate = 0.5f;
};

inline std::string attributes(const LeakyRelu& o) { return formatted("alpha {}", o.alpha); }
inline std::string attributes(const Dropout& o) { return formatted("rate {}", o.rate); }

inline Shape infer(const Relu& o, Shapes in) { return same_shape(o, in); }
inline Shape infer(const Relu6& o, Shapes in) { return same_shape(o, in); }
inline Shape infer(const LeakyRelu& o, Shapes in) { return same_shape(o, in); }
inline Shape infer(const Sigmoid& o, Shapes in) { return same_shape(o, in); }
inline Shape infer(const Tanh& o, Shapes in) { return same_shape(o, in); }
inline Shape infer(const HardSwish& o, Shapes in) { return same_shape(o, in); }
inline Shape infer(const Dropout& o, Shapes in) {
  require(o.rate >= 0.0f && o.rate < 1.0f, Errc::range, "dropout: rate must be in [0, 1), got {}", o.rate);
  return same_shape(o, in);
}
namespace detail {
template <class Op>
Shape over_classes(const Op& o, Shapes in) {
  const Shape x = same_shape(o, in);
  require(x.rank() >= 1, Errc::shape, "{}: wants [..,classes], got {}", o.name, x);
  return x;
}
}  // namespace detail
inline Shape infer(const Softmax& o, Shapes in) { return detail::over_classes(o, in); }
inline Shape infer(const LogSoftmax& o, Shapes in) { return detail::over_classes(o, in); }
inline std::optional<Obstacle> integer_limit(const LeakyRelu& o, Shapes) {
  if (o.alpha >= 0.0f && o.alpha <= 256.0f) return std::nullopt;
  return Obstacle{Errc::range, formatted("slope {}", o.alpha), "integer targets take slopes of 0 to 256"};
}
namespace detail {
inline Obstacle softmax_outside() {
  return {.what = "softmax stays outside of an integer model",
          .remedy = "end the graph at the logits and apply it to its outputs"};
}
}  // namespace detail
inline Obstacle no_integer_form(const Softmax&) { return detail::softmax_outside(); }
inline Obstacle no_integer_form(const LogSoftmax&) { return detail::softmax_outside(); }

}  // namespace stet::graph::op
