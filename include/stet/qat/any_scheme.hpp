#pragma once
// AnyScheme: a scheme of any type as a value, for recipes; and the integer weights that most of them name.

#include <stet/core/entry.hpp>
#include <stet/qat/any_estimator.hpp>
#include <stet/qat/fake_quantize.hpp>
#include <stet/quant/binary_scheme.hpp>
#include <stet/quant/mse_scheme.hpp>
#include <stet/quant/scheme.hpp>

#include <bit>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace stet {

/// What a scheme says of itself, without its type.
struct SchemeTraits {
  std::optional<Grid> grid{};  ///< of schemes whose codes mean scale * (code - zero_point)
  Granularity granularity{};
  bool int8_codes = false;
  bool has_zero = true;      ///< whether a code stands for 0
  bool from_values = false;  ///< chooses parameters from values: ranges do not say enough, and may not be covered
  bool keeps_scale = false;  ///< a search: recipes keep the scale that was found when the model was prepared
};

class AnyScheme;

namespace detail {
// What a recipe begins with, made where the library is and not where a recipe is: a scheme brings its loops along.
STET_ENTRY AnyScheme default_weights();      // Int8PerChannel
STET_ENTRY AnyScheme default_activations();  // Int8Activation
}  // namespace detail

/// Any Scheme as a value; a call costs one virtual function per tensor.
class AnyScheme {
 public:
  /// Eight bits per channel, as convolutions have them.
  AnyScheme() : AnyScheme(detail::default_weights()) {}
  template <class S>
    requires(!std::same_as<std::remove_cvref_t<S>, AnyScheme>)
  AnyScheme(S scheme)  // NOLINT: implicit by design, `.weights = AdditivePowersOfTwo(4)`
      : held_(std::make_shared<Held<S>>(std::move(scheme))) {
    static_cast<void>(check_scheme<S>());
  }
  // No moves: one that was moved from would hold nothing, and a copy costs a counter.
  AnyScheme(const AnyScheme&) = default;
  AnyScheme& operator=(const AnyScheme&) = default;
  ~AnyScheme() = default;

  [[nodiscard]] const SchemeTraits& traits() const { return held_->traits; }
  /// Whether there is a scale per channel.
  [[nodiscard]] bool per_channel() const { return traits().granularity.kind == Granularity::Kind::per_channel; }
  /// Bits of the codes of a scheme with a grid; 1 for codes -1 and 1 without 0.
  [[nodiscard]] int bits() const {
    const SchemeTraits& t = traits();
    const auto steps = static_cast<std::uint32_t>(t.grid ? t.grid->hi - t.grid->lo : 0);
    return t.has_zero ? static_cast<int>(std::bit_width(steps)) : 1;
  }

  /// Parameters for a range observed per tensor; empty if the scheme chooses from values, or not per tensor.
  /// @param smallest  least scale: a smaller one becomes it, unless the scheme's own qparams(ranges, smallest) knows better
  [[nodiscard]] std::optional<QParams> qparams(const Range& range, float smallest = QParamsOptions{}.eps) const {
    return held_->qparams(range, smallest);
  }
  /// Parameters for values.
  /// Errors:    as scheme_qparams
  [[nodiscard]] QParams qparams(std::span<const float> x, const Shape& shape) const { return held_->qparams(x, shape); }
  [[nodiscard]] QParams qparams(const Tensor<float>& x) const { return qparams(x.span(), x.shape()); }
  /// Codes of a scheme with int8 codes.
  /// Errors:    those of the scheme
  [[nodiscard]] Tensor<std::int8_t> codes(const Tensor<float>& x, const QParams& p) const { return held_->codes(x, p); }
  /// What the codes stand for, and a pass bit per element.
  /// Errors:    those of the scheme
  [[nodiscard]] Tensor<float> round(const Tensor<float>& x, const QParams& p, ClipMask mask,
                                    std::span<std::uint32_t> pass) const {
    return held_->round(x, p, mask, pass);
  }
  /// fake_quantize on the tape.
  [[nodiscard]] Var<Tensor<float>> fake_quantize(const Var<Tensor<float>>& x, const QParams& p,
                                                 const AnyEstimator& estimator) const;
  /// What the scheme calls itself; "custom" if it has no name().
  [[nodiscard]] std::string name() const { return held_->name(); }
  /// What the scheme is, with its options: description_of(scheme), and granularity and grid, where it has them.
  [[nodiscard]] std::string describe() const {
    std::string text = held_->describe() + " " + stet::describe(traits().granularity);
    if (traits().grid) text += formatted(", codes {}..{}", traits().grid->lo, traits().grid->hi);
    return text;
  }
  /// The scheme inside, or nullptr if it is of another type.
  template <class S>
  [[nodiscard]] const S* get() const {
    const auto* held = dynamic_cast<const Held<S>*>(held_.get());
    return held == nullptr ? nullptr : &held->scheme;
  }

 private:
  struct Interface {
    explicit Interface(SchemeTraits t) : traits(t) {}
    virtual ~Interface() = default;
    virtual std::optional<QParams> qparams(const Range& range, float smallest) const = 0;
    virtual QParams qparams(std::span<const float> x, const Shape& shape) const = 0;
    virtual Tensor<std::int8_t> codes(const Tensor<float>& x, const QParams& p) const = 0;
    virtual Tensor<float> round(const Tensor<float>& x, const QParams& p, ClipMask mask,
                                std::span<std::uint32_t> pass) const = 0;
    virtual std::string name() const = 0;
    virtual std::string describe() const = 0;
    SchemeTraits traits;
  };
  template <class S>
  static SchemeTraits traits_of(const S& scheme) {
    SchemeTraits t{.granularity = granularity_of(scheme),
                   .int8_codes = std::same_as<CodeOf<S>, std::int8_t>,
                   .has_zero = !stet::detail::LacksZero<S>,
                   .from_values = stet::detail::HasValueQParams<S>};
    if constexpr (stet::detail::HasGrid<S>) t.grid = scheme.grid();
    if constexpr (requires { requires S::keeps_scale; }) t.keeps_scale = true;
    return t;
  }
  template <class S>
  struct Held final : Interface {
    explicit Held(S s) : Interface(traits_of(s)), scheme(std::move(s)) {}
    std::optional<QParams> qparams(const Range& range, float smallest) const override {
      if constexpr (stet::detail::HasRangeQParams<S> && !stet::detail::HasValueQParams<S>) {
        const std::span<const Range> ranges(&range, 1);
        if (this->traits.granularity.kind != Granularity::Kind::per_tensor) return std::nullopt;
        if constexpr (requires { { scheme.qparams(ranges, smallest) } -> std::same_as<QParams>; }) {
          return scheme.qparams(ranges, smallest);
        } else {
          QParams p = scheme.qparams(ranges);
          for (float& s : p.scale) s = s > smallest ? s : smallest;
          return p;
        }
      } else {
        return std::nullopt;
      }
    }
    QParams qparams(std::span<const float> x, const Shape& shape) const override {
      return scheme_qparams(scheme, x, shape);
    }
    Tensor<CodeOf<S>> encode(const Tensor<float>& x, const QParams& p, ClipMask mask, std::span<std::uint32_t> pass) const {
      Tensor<CodeOf<S>> codes(x.shape());
      scheme.encode(x.span(), x.shape(), p, mask, codes.edit(), pass);
      return codes;
    }
    Tensor<std::int8_t> codes(const Tensor<float>& x, const QParams& p) const override {
      if constexpr (std::same_as<CodeOf<S>, std::int8_t>) {
        Tensor<std::uint32_t> pass(Shape{bit_words(x.size())});
        return encode(x, p, ClipMask::rounded_inclusive, pass.edit());
      } else {
        fail(Errc::unsupported, "{}: its codes are not int8", describe());
      }
    }
    Tensor<float> round(const Tensor<float>& x, const QParams& p, ClipMask mask,
                        std::span<std::uint32_t> pass) const override {
      Tensor<float> y(x.shape());
      scheme.decode(encode(x, p, mask, pass).span(), x.shape(), p, y.edit());
      return y;
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
    std::string describe() const override { return description_of(scheme); }
    S scheme;
  };

  std::shared_ptr<const Interface> held_;  // nobody can change what is inside, so copies share it
};

/// Where the scale of symmetric weights comes from, unless it is learned.
enum class WeightRange {
  absmax,  ///< the largest magnitude, anew in every step: nothing is clipped
  mse      ///< least mean squared error, found when the model is prepared, then kept
};

/// Why no integer kernel computes with activations of a scheme; empty if all do: they have one scale, chosen from ranges,
/// and a grid of 2 to 8 bits as it lies in int8 codes.
STET_ENTRY std::string activation_refusal(const AnyScheme& scheme);

/// Integer weights on the symmetric narrow grid of 1 to 8 bits, per output channel or with one scale: IntN or MseIntN;
/// ternary at 2 bits; Binary, the codes -1 and 1, at 1 bit.
/// Errors:    Errc::range for other bits
STET_ENTRY AnyScheme symmetric(int bits, bool per_channel = true, WeightRange range = WeightRange::absmax);
#if STET_DEFINE_ENTRIES
STET_ENTRY Var<Tensor<float>> AnyScheme::fake_quantize(const Var<Tensor<float>>& x, const QParams& p,
                                                       const AnyEstimator& estimator) const {
  Kept kept;
  Tensor<std::uint32_t> pass(Shape{bit_words(x.value().size())});
  Tensor<float> y = round(x.value(), p, estimator.mask(), pass.edit());
  if (estimator.needs_mask()) kept.pass = std::move(pass);
  if (estimator.needs_input()) kept.x = x.value();
  return record(std::move(y), std::tie(x), [kept = std::move(kept), p, estimator](const Tensor<float>& dy, auto dx) {
    if (dx.wanted()) dx.add(estimator.pull(dy, kept, p).dx);
  });
}

namespace detail {
STET_ENTRY AnyScheme default_weights() { return Int8PerChannel(); }
STET_ENTRY AnyScheme default_activations() { return Int8Activation(); }
}  // namespace detail

STET_ENTRY std::string activation_refusal(const AnyScheme& scheme) {
  const SchemeTraits& t = scheme.traits();
  if (!t.grid) return "its codes do not mean scale * (code - zero point)";
  if (!t.int8_codes || scheme.bits() < 2 || scheme.bits() > 8 || *t.grid != Grid::activation(scheme.bits())) {
    return formatted("its codes are {}..{}, those of integer activations Grid::activation of 2 to 8 bits", t.grid->lo,
                       t.grid->hi);
  }
  if (t.granularity.kind != Granularity::Kind::per_tensor) return "its scales are " + describe(t.granularity) + ", not per tensor";
  return t.from_values ? "it chooses from values, and a step of training on codes has ranges" : "";
}

STET_ENTRY AnyScheme symmetric(int bits, bool per_channel, WeightRange range) {
  require(bits >= 1 && bits <= 8, Errc::range, "symmetric: weights of {} bits; integer weights have 1 to 8", bits);
  const Granularity granularity = per_channel ? Granularity::per_channel(0) : Granularity::per_tensor();
  if (bits == 1) return Binary(granularity);
  if (range == WeightRange::mse) return MseIntN(bits, granularity);
  return IntN(bits, granularity);
}
#endif

}  // namespace stet
