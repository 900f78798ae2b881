#pragma once
// AnyLearnedRange: a learned range of any type as a value, for recipes and quantizers.

#include <stet/core/description.hpp>
#include <stet/core/parallel.hpp>
#include <stet/qat/learned_range.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet {

/// Any LearnedRange as a value; copies own parameters of their own. A call costs one virtual function per tensor.
/// Itself a LearnedRange.
class AnyLearnedRange {
 public:
  template <class R>
    requires(!std::same_as<std::remove_cvref_t<R>, AnyLearnedRange>)
  AnyLearnedRange(R range) : held_(std::make_unique<Held<R>>(std::move(range))) {  // NOLINT: implicit by design
    static_cast<void>(check_learned_range<R>());
  }
  AnyLearnedRange(const AnyLearnedRange& other) : held_(other.held().clone()) {}
  AnyLearnedRange(AnyLearnedRange&&) noexcept = default;
  AnyLearnedRange& operator=(AnyLearnedRange other) noexcept {
    held_ = std::move(other.held_);
    return *this;
  }
  ~AnyLearnedRange() = default;

  [[nodiscard]] std::vector<Parameter*> parameters() { return held().parameters(); }
  [[nodiscard]] QParams qparams() const { return held().qparams(); }
  [[nodiscard]] ScaleGradientRule rule() const { return held().rule(); }
  void pull(std::span<const double> dscale, std::span<const double> dzero_point) { held().pull(dscale, dzero_point); }
  void clamp_parameters() { held().clamp_parameters(); }
  bool begin(const QParams& p) { return held().begin(p); }
  /// How many values, of one image, share the parameters, where gradients depend on it.
  void set_elements(std::int64_t elements) { held().set_elements(elements); }
  [[nodiscard]] bool moves_zero_point() const { return held().moves_zero_point(); }
  [[nodiscard]] bool decays() const { return held().decays(); }
  /// Errors:    Errc::range naming `of` if a parameter is NaN or infinite
  void require_finite(std::string_view of) const {
    for (const Parameter* p : held().parameters()) {
      for (const float v : p->value.span()) {
        require(std::isfinite(v), Errc::range,
                "{}: a parameter of the learned range {} is {}; training has diverged, lower the learning rate or "
                "scale_lr_factor, or set clip_norm",
                of, name(), v);
      }
    }
  }
  /// Starts from values, if the range inside has initialize(x); does nothing otherwise.
  void initialize(const Tensor<float>& x) { held().initialize(x); }
  /// What the range calls itself; "custom" if it has no name().
  [[nodiscard]] std::string name() const { return held().name(); }
  /// What the range is, with its options: description_of(range).
  [[nodiscard]] std::string describe() const { return held().describe(); }
  /// Fields of a range inside: Tensor<float>, std::vector<float>, std::vector<std::int32_t>, std::int64_t, std::int32_t, bool.
  template <class F>
  void fields(F&& f) {
    held().fields([&](std::string_view name, const Field& field) {
      if (field.tensor != nullptr) f(name, *field.tensor);
      if (field.reals != nullptr) f(name, *field.reals);
      if (field.integers != nullptr) f(name, *field.integers);
      if (field.number != nullptr) f(name, *field.number);
      if (field.code != nullptr) f(name, *field.code);
      if (field.flag != nullptr) f(name, *field.flag);
    });
  }
  /// The range inside, or nullptr if it is of another type.
  template <class R>
  [[nodiscard]] const R* get() const {
    const auto* held = dynamic_cast<const Held<R>*>(held_.get());
    return held == nullptr ? nullptr : &held->range;
  }

 private:
  struct Field {  // one of them
    Tensor<float>* tensor = nullptr;
    std::vector<float>* reals = nullptr;
    std::vector<std::int32_t>* integers = nullptr;
    std::int64_t* number = nullptr;
    std::int32_t* code = nullptr;
    bool* flag = nullptr;

    explicit Field(Tensor<float>& f) : tensor(&f) {}
    explicit Field(std::vector<float>& f) : reals(&f) {}
    explicit Field(std::vector<std::int32_t>& f) : integers(&f) {}
    explicit Field(std::int64_t& f) : number(&f) {}
    explicit Field(std::int32_t& f) : code(&f) {}
    explicit Field(bool& f) : flag(&f) {}
  };
  struct Interface {
    virtual ~Interface() = default;
    virtual std::unique_ptr<Interface> clone() const = 0;
    virtual std::vector<Parameter*> parameters() = 0;
    virtual QParams qparams() const = 0;
    virtual ScaleGradientRule rule() const = 0;
    virtual void pull(std::span<const double> dscale, std::span<const double> dzero_point) = 0;
    virtual void clamp_parameters() = 0;
    virtual bool begin(const QParams& p) = 0;
    virtual void set_elements(std::int64_t elements) = 0;
    virtual bool moves_zero_point() const = 0;
    virtual bool decays() const = 0;
    virtual void initialize(const Tensor<float>& x) = 0;
    virtual std::string name() const = 0;
    virtual std::string describe() const = 0;
    virtual void fields(FunctionRef<void(std::string_view, const Field&)> f) = 0;
  };
  template <class R>
  struct Held final : Interface {
    explicit Held(R r) : range(std::move(r)) {}
    std::unique_ptr<Interface> clone() const override { return std::make_unique<Held>(range); }
    std::vector<Parameter*> parameters() override { return range.parameters(); }
    QParams qparams() const override { return range.qparams(); }
    ScaleGradientRule rule() const override { return range.rule(); }
    void pull(std::span<const double> dscale, std::span<const double> dzero_point) override {
      range.pull(dscale, dzero_point);
    }
    void clamp_parameters() override { range.clamp_parameters(); }
    bool begin(const QParams& p) override { return range.begin(p); }
    void set_elements(std::int64_t elements) override {
      if constexpr (requires { range.set_elements(elements); }) range.set_elements(elements);
    }
    bool moves_zero_point() const override {
      return requires { requires R::moves_zero_point; };
    }
    bool decays() const override {
      return requires { requires R::decays; };
    }
    void initialize(const Tensor<float>& x) override {
      if constexpr (requires { range.initialize(x); }) range.initialize(x);
    }
    std::string name() const override {
      if constexpr (requires {
                      { range.name() } -> std::convertible_to<std::string>;
                    }) {
        return range.name();
      } else {
        return "custom";
      }
    }
    std::string describe() const override { return description_of(range); }
    void fields(FunctionRef<void(std::string_view, const Field&)> f) override {
      range.fields([&](std::string_view name, auto& field) { f(name, Field(field)); });
    }
    R range;
  };

  Interface& held() const {
    require(held_ != nullptr, Errc::state, "AnyLearnedRange: used after it was moved from");
    return *held_;
  }

  std::unique_ptr<Interface> held_;
};

}  // namespace stet
