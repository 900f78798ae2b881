#pragma once
// AnyEstimator: an estimator of any type as a value, for recipes and options.

#include <stet/core/description.hpp>
#include <stet/qat/estimator.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace stet {

/// Any Estimator as a value; a call costs one virtual function per tensor. Itself an Estimator.
class AnyEstimator {
 public:
  AnyEstimator() : AnyEstimator(ClippedSte{}) {}
  template <class E>
    requires(!std::same_as<std::remove_cvref_t<E>, AnyEstimator>)
  AnyEstimator(E estimator) : held_(std::make_shared<Held<E>>(std::move(estimator))) {  // NOLINT: implicit by design
    static_cast<void>(check_estimator<E>());
  }
  // No moves: one that was moved from would hold nothing, and a copy costs a counter.
  AnyEstimator(const AnyEstimator&) = default;
  AnyEstimator& operator=(const AnyEstimator&) = default;
  ~AnyEstimator() = default;

  [[nodiscard]] bool needs_input() const { return held_->needs_input(); }
  [[nodiscard]] bool needs_mask() const { return held_->needs_mask(); }
  [[nodiscard]] ClipMask mask() const { return held_->mask(); }
  /// Errors:    those of the estimator inside
  [[nodiscard]] Pulled pull(const Tensor<float>& dy, const Kept& kept, const QParams& p) const {
    return held_->pull(dy, kept, p);
  }
  /// What the estimator calls itself, options included; "custom" if it has no name().
  [[nodiscard]] std::string name() const { return held_->name(); }
  /// What the estimator is, with its options: description_of(estimator).
  [[nodiscard]] std::string describe() const { return held_->describe(); }
  /// The estimator inside, or nullptr if it is of another type.
  template <class E>
  [[nodiscard]] const E* get() const {
    const auto* held = dynamic_cast<const Held<E>*>(held_.get());
    return held == nullptr ? nullptr : &held->estimator;
  }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual bool needs_input() const = 0;
    virtual bool needs_mask() const = 0;
    virtual ClipMask mask() const = 0;
    virtual Pulled pull(const Tensor<float>& dy, const Kept& kept, const QParams& p) const = 0;
    virtual std::string name() const = 0;
    virtual std::string describe() const = 0;
  };
  template <class E>
  struct Held final : Interface {
    explicit Held(E e) : estimator(std::move(e)) {}
    bool needs_input() const override { return stet::needs_input(estimator); }
    bool needs_mask() const override { return stet::needs_mask(estimator); }
    ClipMask mask() const override { return estimator.mask(); }
    Pulled pull(const Tensor<float>& dy, const Kept& kept, const QParams& p) const override {
      return estimator.pull(dy, kept, p);
    }
    std::string name() const override {
      if constexpr (requires {
                      { estimator.name() } -> std::convertible_to<std::string>;
                    }) {
        return estimator.name();
      } else {
        return "custom";
      }
    }
    std::string describe() const override { return description_of(estimator); }
    E estimator;
  };

  std::shared_ptr<const Interface> held_;  // nobody can change what is inside, so copies share it
};

}  // namespace stet
