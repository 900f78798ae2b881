#pragma once
// Gradient check: compares what an operator on the tape leaves at its inputs with finite differences in double.

#include <stet/autograd/tape.hpp>
#include <stet/core/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace stet::testing {

struct GradientCheckOptions {
  double step = 0x1p-16;    ///< of the central difference, relative to max(1, |x|)
  double tolerance = 1e-7;  ///< largest allowed error, relative to max(1, |gradient|)
  std::uint64_t seed = 1;   ///< of the random weights that make one number out of the operator's value
  int logged = 8;           ///< how many faults the report names
};

/// What check_gradient found.
struct GradientReport {
  double largest_error = 0;   ///< over all elements, relative to max(1, |gradient|)
  std::int64_t elements = 0;  ///< how many were compared
  std::int64_t faults = 0;    ///< how many exceeded the tolerance
  std::string lines{};        ///< one per fault, at most options.logged; then the totals

  [[nodiscard]] bool ok() const { return faults == 0; }
  [[nodiscard]] const std::string& str() const { return lines; }
};

namespace detail {

inline double weighted_sum(const Tensor<double>& value, const Tensor<double>& weights) {
  require(value.shape() == weights.shape(), Errc::shape,
          "check_gradient: the operator's value changed its shape from {} to {}", weights.shape(), value.shape());
  double sum = 0;
  for (std::int64_t i = 0; i < value.size(); ++i) sum += value[i] * weights[i];
  return sum;
}

inline Tensor<double> random_weights(const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  Tensor<double> weights(shape);
  for (double& w : weights.edit()) w = rng.uniform(-1, 1);
  return weights;
}

// Value of f where only the inputs with a set flag are variables; their gradients are left in `gradients`.
template <class F, std::size_t N, std::size_t... I>
double play(F& f, const std::array<Tensor<double>, N>& inputs, const std::array<bool, N>& wanted, std::uint64_t seed,
            std::type_identity_t<std::array<Tensor<double>, N>>* gradients, std::index_sequence<I...>) {
  Tape tape;
  const std::array<Var<Tensor<double>>, N> vars{(wanted[I] ? tape.variable(inputs[I]) : tape.constant(inputs[I]))...};
  const Var<Tensor<double>> y = f(vars[I]...);
  const Tensor<double> weights = random_weights(y.shape(), seed);
  const double value = weighted_sum(y.value(), weights);
  if (gradients != nullptr) {
    tape.backward(y, weights);
    for (std::size_t i = 0; i < N; ++i) {
      (*gradients)[i] = tape.has_gradient(vars[i]) ? tape.gradient(vars[i]) : Tensor<double>::zeros(inputs[i].shape());
    }
  }
  return value;
}

}  // namespace detail

/// Compares the gradients of f at the inputs with central differences, element by element, and once more with each
/// input alone wanting a gradient. f takes one Var<Tensor<double>> per input and returns a Var<Tensor<double>> of any
/// shape; inputs must keep away from kinks by more than the step.
///
///   auto report = check_gradient([](auto x, auto w) { return linear(x, w); }, {x, w});
///   CHECK(report.ok());  // report.str() says which element of which input differs
///
/// Formula:   |dx[i] - (L(x + h e_i) - L(x - h e_i)) / 2h| <= tolerance * max(1, |dx[i]|), L = sum of random weights * f
/// Errors:    Errc::shape if the shape of f's value depends on the values of its inputs
template <class F, std::size_t N>
GradientReport check_gradient(F f, const Tensor<double> (&inputs)[N], const GradientCheckOptions& options = {}) {
  constexpr auto indices = std::make_index_sequence<N>();
  std::array<Tensor<double>, N> x;
  std::copy(inputs, inputs + N, x.begin());
  std::array<bool, N> all;
  all.fill(true);
  std::array<bool, N> none{};
  std::array<Tensor<double>, N> together;
  std::array<Tensor<double>, N> alone;
  detail::play(f, x, all, options.seed, &together, indices);

  GradientReport report;
  const auto compare = [&](std::size_t input, std::int64_t i, double got, double want, const char* with) {
    const double error = std::abs(got - want) / std::max({1.0, std::abs(got), std::abs(want)});
    ++report.elements;
    report.largest_error = std::isnan(error) ? error : std::max(report.largest_error, error);
    if (error <= options.tolerance) return;
    if (report.faults++ < options.logged) {
      report.lines += formatted("input {} {} element {}: gradient {:.12g}, {} {:.12g}, error {:.3g}\n", input,
                                x[input].shape(), i, got, with, want, error);
    }
  };
  for (std::size_t input = 0; input < N; ++input) {
    std::array<bool, N> only{};
    only[input] = true;
    detail::play(f, x, only, options.seed, &alone, indices);
    for (std::int64_t i = 0; i < x[input].size(); ++i) {
      const double centre = x[input][i];
      const double h = options.step * std::max(1.0, std::abs(centre));
      const auto at = static_cast<std::size_t>(i);
      const double above = centre + h;
      const double below = centre - h;
      x[input].edit()[at] = above;
      const double high = detail::play(f, x, none, options.seed, nullptr, indices);
      x[input].edit()[at] = below;
      const double low = detail::play(f, x, none, options.seed, nullptr, indices);
      x[input].edit()[at] = centre;
      compare(input, i, together[input][i], (high - low) / (above - below), "finite difference");
      compare(input, i, alone[input][i], together[input][i], "with all inputs wanted");
    }
  }
  report.lines += formatted("{} of {} comparisons differ, largest error {:.3g}\n", report.faults, report.elements,
                            report.largest_error);
  return report;
}

}  // namespace stet::testing

template <>
struct fmt::formatter<stet::testing::GradientReport> : stet::TextFormatter {};
