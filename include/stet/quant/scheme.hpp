#pragma once
// Scheme: how real numbers become codes, as a small value type; and the shipped ones.

#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/fake_quantize.hpp>
#include <stet/quant/quantize.hpp>

#include <concepts>
#include <cstdint>
#include <span>
#include <string>

namespace stet {

namespace detail {

template <class S>
struct CodeTypeOf {
  using type = std::int8_t;
};
template <class S>
  requires requires { typename S::Code; }
struct CodeTypeOf<S> {
  using type = typename S::Code;
};

}  // namespace detail

/// Integer type of a scheme's codes: S::Code if it has one, else std::int8_t.
template <class S>
using CodeOf = typename detail::CodeTypeOf<S>::type;

namespace detail {

template <class S>
concept HasRangeQParams = requires(const S& s, std::span<const Range> ranges) {
  { s.qparams(ranges) } -> std::same_as<QParams>;
};
template <class S>
concept HasValueQParams = requires(const S& s, std::span<const float> x, const Shape& shape) {
  { s.qparams(x, shape) } -> std::same_as<QParams>;
};
template <class S>
concept HasQParams = HasRangeQParams<S> || HasValueQParams<S>;
template <class S>
concept HasEncode =
    requires(const S& s, std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask,
             std::span<CodeOf<S>> codes, std::span<std::uint32_t> pass) { s.encode(x, shape, p, mask, codes, pass); };
template <class S>
concept HasDecode = requires(const S& s, std::span<const CodeOf<S>> codes, const Shape& shape, const QParams& p,
                             std::span<float> y) { s.decode(codes, shape, p, y); };
template <class S>
concept HasGranularity = requires(const S& s) {
  { s.granularity() } -> std::same_as<Granularity>;
};
template <class S>
concept HasGrid = requires(const S& s) {
  { s.grid() } -> std::same_as<Grid>;
};
// A scheme with a grid, none of whose codes stands for 0, says so: static constexpr bool has_zero = false.
template <class S>
concept LacksZero = requires { requires !S::has_zero; };

}  // namespace detail

/// Value type that chooses parameters, makes codes with one pass bit per element, and reads codes.
/// Members, all const: qparams(std::span<const Range>) -> QParams if ranges are enough, else qparams(x, Shape) ->
/// QParams (ternary and binary codes need the mean of the values); encode(x, Shape, QParams, ClipMask, codes, pass);
/// decode(codes, Shape, QParams, y). Per channel or group it also has granularity() -> Granularity.
/// Laws (testing/laws.hpp): decode o encode is a projection for fixed QParams; codes do not depend on the mask policy.
template <class S>
concept Scheme = std::copyable<S> && detail::HasQParams<S> && detail::HasEncode<S> && detail::HasDecode<S>;

/// A scheme whose codes mean scale * (code - zero_point); only these, and binary codes, reach the integer engine.
/// Laws (testing/laws.hpp): 0 is exactly representable; error <= scale / 2 inside the range.
template <class S>
concept AffineScheme = Scheme<S> && detail::HasGrid<S> && detail::HasGranularity<S> && !detail::LacksZero<S>;

/// Explains at compile time what a type lacks to be a Scheme.
template <class S>
consteval bool check_scheme() {
  static_assert(std::copyable<S>, "stet: a Scheme is a value: it must be copyable");
  static_assert(detail::HasQParams<S>,
                "stet: a Scheme needs qparams(std::span<const Range>) const -> QParams, or, if ranges do not say "
                "enough, qparams(std::span<const float> x, const Shape&) const -> QParams");
  static_assert(detail::HasEncode<S>,
                "stet: a Scheme needs encode(std::span<const float> x, const Shape&, const QParams&, ClipMask, "
                "std::span<Code> codes, std::span<std::uint32_t> pass) const");
  static_assert(detail::HasDecode<S>,
                "stet: a Scheme needs decode(std::span<const Code> codes, const Shape&, const QParams&, "
                "std::span<float> y) const");
  return Scheme<S>;
}
/// Explains at compile time what a type lacks to be an AffineScheme.
template <class S>
consteval bool check_affine_scheme() {
  static_assert(detail::HasGrid<S>, "stet: an AffineScheme needs grid() const -> Grid");
  static_assert(detail::HasGranularity<S>, "stet: an AffineScheme needs granularity() const -> Granularity");
  return check_scheme<S>();
}

/// Which elements of a scheme share parameters: its granularity() if it has one, else per tensor.
template <class S>
Granularity granularity_of(const S& scheme) {
  if constexpr (detail::HasGranularity<S>) {
    return scheme.granularity();
  } else {
    return Granularity::per_tensor();
  }
}

/// The parameters that a scheme chooses for these values: from the values if it has qparams(x, Shape), else from their
/// ranges.
/// Shapes:    x of `shape`
/// Errors:    Errc::state if x is empty; Errc::range if a value is NaN or infinite; Errc::shape if the scheme's
///            granularity does not fit
template <class S>
QParams scheme_qparams(const S& scheme, std::span<const float> x, const Shape& shape) {
  if constexpr (detail::HasValueQParams<S>) {
    return scheme.qparams(x, shape);
  } else {
    return scheme.qparams(min_max(x, shape, granularity_of(scheme)));
  }
}

/// Encode and decode of every affine scheme; a base without state.
template <class CodeType = std::int8_t>
struct AffineCodes {
  using Code = CodeType;
  void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask, std::span<Code> codes,
              std::span<std::uint32_t> pass) const {
    stet::encode(x, shape, p, mask, codes, pass);
  }
  void decode(std::span<const Code> codes, const Shape& shape, const QParams& p, std::span<float> y) const {
    dequantize(codes, shape, p, y);
  }
};

/// Weights: 8 bits, symmetric narrow, one scale.
struct Int8PerTensor : AffineCodes<> {
  [[nodiscard]] Grid grid() const { return Grid::int8_narrow(); }
  [[nodiscard]] Granularity granularity() const { return Granularity::per_tensor(); }
  [[nodiscard]] QParams qparams(std::span<const Range> ranges) const {
    return weight_qparams(ranges, granularity(), grid());
  }
};

/// Weights: 8 bits, symmetric narrow, one scale per channel.
struct Int8PerChannel : AffineCodes<> {
  int axis = 0;

  Int8PerChannel() = default;
  explicit Int8PerChannel(int channel_axis) : axis(channel_axis) {}
  [[nodiscard]] Grid grid() const { return Grid::int8_narrow(); }
  [[nodiscard]] Granularity granularity() const { return Granularity::per_channel(axis); }
  [[nodiscard]] QParams qparams(std::span<const Range> ranges) const {
    return weight_qparams(ranges, granularity(), grid());
  }
};

/// Weights: 2 to 16 bits, symmetric narrow, any granularity. CodeType std::int8_t holds up to 8 bits.
/// Errors:    Errc::range if the bits do not fit the codes
template <class CodeType>
struct BasicIntN : AffineCodes<CodeType> {
  int bits = 8;
  Granularity sharing{};

  explicit BasicIntN(int bit_count, const Granularity& granularity = {}) : bits(bit_count), sharing(granularity) {
    require(bits <= static_cast<int>(8 * sizeof(CodeType)), Errc::range, "IntN: {} bits do not fit codes of {} bits",
            bits, 8 * sizeof(CodeType));
    static_cast<void>(Grid::narrow(bits));  // refuses fewer than 2
  }
  [[nodiscard]] std::string describe() const {
    return formatted("{} bits{}, largest magnitude", bits, sizeof(CodeType) > 1 ? " in wide codes" : "");
  }
  [[nodiscard]] Grid grid() const { return Grid::narrow(bits); }
  [[nodiscard]] Granularity granularity() const { return sharing; }
  [[nodiscard]] QParams qparams(std::span<const Range> ranges) const {
    return weight_qparams(ranges, granularity(), grid());
  }
};
using IntN = BasicIntN<std::int8_t>;
/// 9 to 16 bits: float simulation only, no integer engine has such codes.
using WideIntN = BasicIntN<std::int16_t>;

/// Activations: affine, 2 to 8 unsigned bits as they lie in int8 codes (Grid::activation), one scale.
struct Int8Activation : AffineCodes<> {
  int bits = 8;

  Int8Activation() = default;
  explicit Int8Activation(int bit_count) : bits(bit_count) { static_cast<void>(Grid::activation(bits)); }
  [[nodiscard]] std::string describe() const { return formatted("{} bits, affine", bits); }
  [[nodiscard]] Grid grid() const { return Grid::activation(bits); }
  [[nodiscard]] Granularity granularity() const { return Granularity::per_tensor(); }
  /// @param smallest  least scale
  [[nodiscard]] QParams qparams(std::span<const Range> ranges, float smallest = QParamsOptions{}.eps) const {
    return choose_qparams(ranges, grid(), {.eps = smallest});
  }
};

/// Weights: symmetric narrow with scales rounded to powers of two, any granularity.
struct PowerOfTwoScales : AffineCodes<> {
  int bits = 8;
  Granularity sharing{};
  PowerOfTwo rounding = PowerOfTwo::up;

  PowerOfTwoScales() = default;
  explicit PowerOfTwoScales(int bit_count, const Granularity& granularity = {}, PowerOfTwo rule = PowerOfTwo::up)
      : bits(bit_count), sharing(granularity), rounding(rule) {
    require(bits <= 8, Errc::range, "PowerOfTwoScales: {} bits do not fit codes of 8 bits", bits);
    static_cast<void>(Grid::narrow(bits));
  }
  [[nodiscard]] std::string describe() const {
    return formatted("scales of powers of two, rule {}", static_cast<int>(rounding));
  }
  [[nodiscard]] Grid grid() const { return Grid::narrow(bits); }
  [[nodiscard]] Granularity granularity() const { return sharing; }
  [[nodiscard]] QParams qparams(std::span<const Range> ranges) const {
    return choose_qparams(
        ranges, grid(),
        {.symmetric = true, .granularity = sharing, .power_of_two = rounding, .zero_range_scale = 1.0f});
  }
};

}  // namespace stet
