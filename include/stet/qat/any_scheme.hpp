#pragma once
// AnyScheme: a scheme of any type as a value, for recipes that simulate it in float.

#include <stet/qat/any_estimator.hpp>
#include <stet/qat/fake_quantize.hpp>
#include <stet/quant/scheme.hpp>

#include <concepts>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace stet {

/// Any Scheme as a value; a call costs one virtual function per tensor.
class AnyScheme {
 public:
  template <class S>
    requires(!std::same_as<std::remove_cvref_t<S>, AnyScheme>)
  AnyScheme(S scheme)  // NOLINT: implicit by design, `.simulated_weights = AdditivePowersOfTwo(4)`
      : held_(std::make_shared<Held<S>>(std::move(scheme))) {
    static_cast<void>(check_scheme<S>());
  }
  // No moves: one that was moved from would hold nothing, and a copy costs a counter.
  AnyScheme(const AnyScheme&) = default;
  AnyScheme& operator=(const AnyScheme&) = default;
  ~AnyScheme() = default;

  /// Parameters for a range observed per tensor; empty if the scheme chooses from values, or not per tensor.
  [[nodiscard]] std::optional<QParams> qparams(const Range& range) const { return held_->qparams(range); }
  /// Parameters for values.
  /// Errors:    as scheme_qparams
  [[nodiscard]] QParams qparams(std::span<const float> x, const Shape& shape) const { return held_->qparams(x, shape); }
  /// fake_quantize on the tape.
  [[nodiscard]] Var<Tensor<float>> fake_quantize(const Var<Tensor<float>>& x, const QParams& p,
                                                 const AnyEstimator& estimator) const {
    return held_->fake_quantize(x, p, estimator);
  }
  /// What the scheme calls itself; "custom" if it has no name().
  [[nodiscard]] std::string name() const { return held_->name(); }
  /// What the scheme is, with its options: description_of(scheme), and granularity and grid, where it has them.
  [[nodiscard]] std::string describe() const { return held_->describe(); }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual std::optional<QParams> qparams(const Range& range) const = 0;
    virtual QParams qparams(std::span<const float> x, const Shape& shape) const = 0;
    virtual Var<Tensor<float>> fake_quantize(const Var<Tensor<float>>& x, const QParams& p,
                                             const AnyEstimator& estimator) const = 0;
    virtual std::string name() const = 0;
    virtual std::string describe() const = 0;
  };
  template <class S>
  struct Held final : Interface {
    explicit Held(S s) : scheme(std::move(s)) {}
    std::optional<QParams> qparams(const Range& range) const override {
      if constexpr (detail::HasRangeQParams<S> && !detail::HasValueQParams<S>) {
        if (granularity_of(scheme).kind == Granularity::Kind::per_tensor) {
          return scheme.qparams(std::span<const Range>(&range, 1));
        }
      }
      return std::nullopt;
    }
    QParams qparams(std::span<const float> x, const Shape& shape) const override {
      return scheme_qparams(scheme, x, shape);
    }
    Var<Tensor<float>> fake_quantize(const Var<Tensor<float>>& x, const QParams& p,
                                     const AnyEstimator& estimator) const override {
      return detail::fake_quantize_by(x, p, scheme, estimator);
    }
    std::string name() const override {
      if constexpr (requires { { scheme.name() } -> std::convertible_to<std::string>; }) {
        return scheme.name();
      } else if constexpr (requires { { S::name } -> std::convertible_to<std::string>; }) {
        return S::name;
      } else {
        return "custom";
      }
    }
    std::string describe() const override {
      std::string text = description_of(scheme);
      if constexpr (stet::detail::HasGranularity<S>) text += " " + stet::describe(scheme.granularity());
      if constexpr (stet::detail::HasGrid<S>) text += formatted(", codes {}..{}", scheme.grid().lo, scheme.grid().hi);
      return text;
    }
    S scheme;
  };

  std::shared_ptr<const Interface> held_;  // nobody can change what is inside, so copies share it
};

}  // namespace stet
