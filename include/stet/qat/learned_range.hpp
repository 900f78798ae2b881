#pragma once
// LearnedRange: scale and zero point made of trained parameters; the concept, and the range that does not move.

#include <stet/core/parameter.hpp>
#include <stet/quant/scale_gradient.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

/// Between these a learned scale stays, whatever its gradient; both have finite reciprocals.
struct ScaleLimits {
  float smallest = 0x1p-23f;
  float largest = 0x1p40f;
};

namespace detail {

// Stands for the function that a checkpoint passes to fields().
struct RangeFieldVisitor {
  template <class T>
  void operator()(std::string_view, T&) const {}
};

template <class R>
concept OwnsParameters = requires(R& r) {
  { r.parameters() } -> std::same_as<std::vector<Parameter*>>;
};
template <class R>
concept MakesQParams = requires(const R& r) {
  { r.qparams() } -> std::same_as<QParams>;
};
template <class R>
concept HasScaleGradientRule = requires(const R& r) {
  { r.rule() } -> std::same_as<ScaleGradientRule>;
};
template <class R>
concept PullsScaleGradients = requires(R& r, std::span<const double> d) { r.pull(d, d); };
template <class R>
concept ClampsParameters = requires(R& r) { r.clamp_parameters(); };
template <class R>
concept VisitsFields = requires(R& r) { r.fields(RangeFieldVisitor{}); };
template <class R>
concept BeginsAtQParams = requires(R& r, const QParams& p) {
  { r.begin(p) } -> std::same_as<bool>;
};

}  // namespace detail

/// Value type that owns trained parameters and makes scale and zero point of them.
/// Members: parameters() -> std::vector<Parameter*>; qparams() const -> QParams; rule() const -> ScaleGradientRule, how
/// an element counts for the gradients of scale and zero point; pull(dscale, dzero_point), which carries those on to
/// the parameters' gradients; clamp_parameters(), which brings parameters that an optimizer moved too far back to the
/// edge; begin(const QParams&) -> bool, which takes over grid, granularity and zero points and starts at these scales, in
/// place, as nearly as the range can; false, with nothing changed, where it can have no such zero points; fields(f) for
/// checkpoints, with all that begin() took over but grid and granularity.
/// Optional: set_elements(n), where gradients depend on how many values (of one image) share the parameters; static
/// constexpr bools: moves_zero_point, where training moves it; decays, where parameters take weight decay.
/// Laws (testing/learned_range_laws.hpp): qparams() is valid for any parameter value that is a number; NaN is an error;
/// zero in, zero out; pull adds; it begins where another one stands; fields carry the state.
template <class R>
concept LearnedRange =
    std::copyable<R> && detail::OwnsParameters<R> && detail::MakesQParams<R> && detail::HasScaleGradientRule<R> &&
    detail::PullsScaleGradients<R> && detail::ClampsParameters<R> && detail::BeginsAtQParams<R> &&
    detail::VisitsFields<R>;

/// Explains at compile time what a type lacks to be a LearnedRange.
template <class R>
consteval bool check_learned_range() {
  static_assert(std::copyable<R>, "stet: a LearnedRange is a value: it must be copyable");
  static_assert(detail::OwnsParameters<R>, "stet: a LearnedRange needs parameters() -> std::vector<Parameter*>");
  static_assert(detail::MakesQParams<R>, "stet: a LearnedRange needs qparams() const -> QParams");
  static_assert(detail::HasScaleGradientRule<R>, "stet: a LearnedRange needs rule() const -> ScaleGradientRule");
  static_assert(detail::PullsScaleGradients<R>,
                "stet: a LearnedRange needs pull(std::span<const double> dscale, std::span<const double> dzero_point)");
  static_assert(detail::ClampsParameters<R>, "stet: a LearnedRange needs clamp_parameters()");
  static_assert(detail::BeginsAtQParams<R>, "stet: a LearnedRange needs begin(const QParams&) -> bool");
  static_assert(detail::VisitsFields<R>, "stet: a LearnedRange needs fields(f), calling f(std::string_view, field&)");
  return LearnedRange<R>;
}

/// A range that does not move: given scale and zero point.
/// Gradient:  none
struct FixedRange {
  QParams params{};

  [[nodiscard]] const char* name() const { return "fixed"; }
  [[nodiscard]] std::vector<Parameter*> parameters() { return {}; }
  [[nodiscard]] QParams qparams() const { return params; }
  [[nodiscard]] ScaleGradientRule rule() const { return {}; }
  void pull(std::span<const double>, std::span<const double>) {}
  void clamp_parameters() {}
  bool begin(const QParams& p) {
    params = p;
    return true;
  }
  template <class F>
  void fields(F&& f) {
    f("scale", params.scale);
    f("zero_point", params.zero_point);
  }
};

namespace detail {

/// Checks the gradients that a range is given, before anything is changed.
/// Errors:    Errc::shape if there is not one per scale; Errc::range if one is NaN or infinite
inline void check_scale_gradients(const char* range, std::int64_t scales, std::span<const double> dscale,
                                  std::span<const double> dzero_point) {
  require(static_cast<std::int64_t>(dscale.size()) == scales && dzero_point.size() == dscale.size(), Errc::shape,
          "{}: has {} scales, got {} gradients of scales and {} of zero points", range, scales, dscale.size(),
          dzero_point.size());
  for (std::size_t k = 0; k < dscale.size(); ++k) {
    require(std::isfinite(dscale[k]) && std::isfinite(dzero_point[k]), Errc::range,
            "{}: the gradient of scale {} is {}, of its zero point {}; training has diverged, lower the learning rate",
            range, k, dscale[k], dzero_point[k]);
  }
}

/// Adds gradients to those of a parameter.
/// Errors:    Errc::range if one exceeds float; nothing is changed then
inline void add_gradients(const char* range, Parameter& parameter, const std::vector<double>& gradients) {
  const bool first = parameter.gradient.shape() != parameter.value.shape();
  Tensor<float> sum = first ? Tensor<float>::zeros(parameter.value.shape()) : parameter.gradient;
  const std::span<float> to = sum.edit();
  for (std::size_t k = 0; k < gradients.size(); ++k) {
    const double total = static_cast<double>(to[k]) + static_cast<double>(static_cast<float>(gradients[k]));
    require(
        std::abs(total) <= static_cast<double>(std::numeric_limits<float>::max()), Errc::range,
        "{}: the gradient of parameter {} is {}, which exceeds float; training has diverged, lower the learning rate",
        range, k, total);
    to[k] = static_cast<float>(total);
  }
  parameter.gradient = std::move(sum);
}

/// A parameter's number brought between two others.
/// Errors:    Errc::range if it is NaN
inline float clamped_parameter(const char* range, const char* what, std::size_t k, float value, float lo, float hi) {
  require(!std::isnan(value), Errc::range, "{}: {} {} is NaN; training has diverged, lower the learning rate", range,
          what, k);
  return value < lo ? lo : value > hi ? hi : value;
}

/// The zero point that all of the parameters have, if they have one.
inline std::optional<std::int32_t> common_zero_point(const QParams& p) {
  for (const std::int32_t z : p.zero_point) {
    if (z != p.zero_point[0]) return std::nullopt;
  }
  return p.zero_point.empty() ? std::nullopt : std::optional(p.zero_point[0]);
}

/// Number of scales of a granularity over a shape, as a parameter's shape.
inline Shape scales_shape(const Granularity& granularity, const Shape& shape) {
  return Shape{scale_map(granularity, shape).count};
}

/// Errors:    Errc::state unless initialized
inline void require_initialized(const char* range, bool initialized) {
  require(initialized, Errc::state, "{}: has no range yet; call initialize with a tensor, or set", range);
}

}  // namespace detail

}  // namespace stet
