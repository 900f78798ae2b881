#pragma once
// Functions of one value that keep its shape.

#include <stet/graph/operator_spec.hpp>

#include <concepts>

namespace stet::graph::op {

/// max(x, 0)
struct Relu {
  static constexpr auto form = IntegerForm::moves;
};
/// min(max(x, 0), 6)
struct Relu6 {
  static constexpr auto form = IntegerForm::moves;
};
/// x where x > 0, else alpha*x
struct LeakyRelu {
  static constexpr auto form = IntegerForm::computes;
  float alpha = 0.01f;
};
/// 1/(1+exp(-x))
struct Sigmoid {
  static constexpr auto form = IntegerForm::computes;
};
/// tanh(x)
struct Tanh {
  static constexpr auto form = IntegerForm::computes;
};
/// x*relu6(x+3)/6
struct HardSwish {
  static constexpr auto form = IntegerForm::computes;
};
/// Softmax over the last dimension.
struct Softmax {
  static constexpr auto form = IntegerForm::none;
};
/// Logarithm of the softmax over the last dimension.
struct LogSoftmax {
  static constexpr auto form = IntegerForm::none;
};
/// In training each element is zero with probability rate, others are divided by 1-rate; elsewhere the identity.
struct Dropout {
  static constexpr auto form = IntegerForm::training;
  float rate = 0.5f;
};

template <class T>
concept ActivationOp = std::same_as<T, Relu> || std::same_as<T, Relu6> || std::same_as<T, LeakyRelu> ||
                     std::same_as<T, Sigmoid> || std::same_as<T, Tanh> || std::same_as<T, HardSwish> ||
                     std::same_as<T, Softmax> || std::same_as<T, LogSoftmax> || std::same_as<T, Dropout>;

inline std::string_view kind(const Relu&) { return "relu"; }
inline std::string_view kind(const Relu6&) { return "relu6"; }
inline std::string_view kind(const LeakyRelu&) { return "leaky_relu"; }
inline std::string_view kind(const Sigmoid&) { return "sigmoid"; }
inline std::string_view kind(const Tanh&) { return "tanh"; }
inline std::string_view kind(const HardSwish&) { return "hard_swish"; }
inline std::string_view kind(const Softmax&) { return "softmax"; }
inline std::string_view kind(const LogSoftmax&) { return "log_softmax"; }
inline std::string_view kind(const Dropout&) { return "dropout"; }

template <ActivationOp T>
std::string attributes(const T&) {
  return "";
}
inline std::string attributes(const LeakyRelu& o) { return formatted("alpha {}", o.alpha); }
inline std::string attributes(const Dropout& o) { return formatted("rate {}", o.rate); }

template <ActivationOp T>
Shape infer(const T& o, Shapes in) {
  expect_inputs(kind(o), 1, in);
  if constexpr (std::same_as<T, Dropout>) {
    require(o.rate >= 0.0f && o.rate < 1.0f, Errc::range, "dropout: rate must be in [0, 1), got {}", o.rate);
  }
  if constexpr (std::same_as<T, Softmax> || std::same_as<T, LogSoftmax>) {
    require(in[0].rank() >= 1, Errc::shape, "{}: wants [..,classes], got {}", kind(o), in[0]);
  }
  return in[0];
}
template <ActivationOp T>
std::vector<ParameterSpec> parameters(const T&, Shapes) {
  return {};
}
template <ActivationOp T>
std::int64_t multiply_adds(const T&, Shapes, const Shape&) {
  return 0;
}

}  // namespace stet::graph::op
