#pragma once
// Estimator: what stands in for the derivative of rounding.

#include <stet/core/bits.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>
#include <stet/quant/clip_mask.hpp>
#include <stet/quant/qparams.hpp>

#include <concepts>
#include <cstdint>

namespace stet {

/// What a quantizer keeps of its forward pass for the estimator.
struct Kept {
  Tensor<std::uint32_t> pass{};  ///< one bit per element, as encode makes them; empty unless Estimator::needs_mask
  Tensor<float> x{};             ///< the quantizer's input; empty unless Estimator::needs_input
};

/// Gradients that an estimator returns.
struct Pulled {
  Tensor<float> dx;
};

namespace detail {

template <class E>
concept ConstantNeeds = requires {
  { E::needs_input } -> std::convertible_to<bool>;
  { E::needs_mask } -> std::convertible_to<bool>;
};
template <class E>
concept NeedsByCall = requires(const E& e) {
  { e.needs_input() } -> std::same_as<bool>;
  { e.needs_mask() } -> std::same_as<bool>;
};
template <class E>
concept SaysItsNeeds = ConstantNeeds<E> || NeedsByCall<E>;
template <class E>
concept HasMask = requires(const E& e) {
  { e.mask() } -> std::same_as<ClipMask>;
};
template <class E>
concept HasPull = requires(const E& e, const Tensor<float>& dy, const Kept& kept, const QParams& p) {
  { e.pull(dy, kept, p) } -> std::same_as<Pulled>;
};

}  // namespace detail

/// Value type that turns the gradient of the quantized value into the gradient of the real one.
/// Laws (testing/laws.hpp): the shape is kept; zero in, zero out; where there is a surrogate(x, p, scale index), its
/// finite differences equal pull.
template <class E>
concept Estimator = std::copyable<E> && detail::SaysItsNeeds<E> && detail::HasMask<E> && detail::HasPull<E>;

/// Explains at compile time what a type lacks to be an Estimator.
template <class E>
consteval bool check_estimator() {
  static_assert(std::copyable<E>, "stet: an Estimator is a value: it must be copyable");
  static_assert(
      detail::SaysItsNeeds<E>,
      "stet: an Estimator needs needs_input (keep x) and needs_mask (keep pass bits), as static constexpr bool "
      "or as const functions that return bool");
  static_assert(detail::HasMask<E>, "stet: an Estimator needs mask() const -> ClipMask");
  static_assert(detail::HasPull<E>,
                "stet: an Estimator needs pull(const Tensor<float>& dy, const Kept&, const QParams&) const -> Pulled");
  return Estimator<E>;
}

/// Whether an estimator wants Kept::x, known when compiling or asked for at run time.
template <class E>
constexpr bool needs_input(const E& estimator) {
  if constexpr (detail::ConstantNeeds<E>) {
    return E::needs_input;
  } else if constexpr (detail::NeedsByCall<E>) {
    return estimator.needs_input();
  } else {
    return false;  // check_estimator has said what is missing
  }
}
/// Whether an estimator wants Kept::pass.
template <class E>
constexpr bool needs_mask(const E& estimator) {
  if constexpr (detail::ConstantNeeds<E>) {
    return E::needs_mask;
  } else if constexpr (detail::NeedsByCall<E>) {
    return estimator.needs_mask();
  } else {
    return false;  // check_estimator has said what is missing
  }
}

/// The plain straight-through estimator: the gradient passes everywhere, as if quantization were the identity.
/// Gradient:  dx = dy; not the derivative (STE)
/// Source:    Bengio 2013, arXiv 1308.3432
struct Ste {
  static constexpr bool needs_input = false;
  static constexpr bool needs_mask = false;
  [[nodiscard]] const char* name() const { return "ste"; }
  [[nodiscard]] ClipMask mask() const { return ClipMask::rounded_inclusive; }
  [[nodiscard]] Pulled pull(const Tensor<float>& dy, const Kept&, const QParams&) const { return {dy}; }
  /// The function whose derivative the estimator takes for that of quantization.
  [[nodiscard]] double surrogate(double x, const QParams&, std::size_t) const { return x; }
};

/// The straight-through estimator that stops the gradient of clipped values.
/// Gradient:  dx = dy where the mask passes, else 0; not the derivative (STE)
/// Source:    see ClipMask
struct ClippedSte {
  static constexpr bool needs_input = false;
  static constexpr bool needs_mask = true;
  ClipMask policy = ClipMask::rounded_inclusive;

  [[nodiscard]] const char* name() const {
    return policy == ClipMask::rounded_inclusive ? "clipped_ste(rounded_inclusive)"
           : policy == ClipMask::raw_inclusive   ? "clipped_ste(raw_inclusive)"
                                                 : "clipped_ste(raw_exclusive)";
  }
  [[nodiscard]] ClipMask mask() const { return policy; }
  /// Errors:    Errc::shape if there is not one pass bit per element
  [[nodiscard]] Pulled pull(const Tensor<float>& dy, const Kept& kept, const QParams&) const {
    require(kept.pass.size() == bit_words(dy.size()), Errc::shape,
            "ClippedSte: gradient {} needs {} words of pass bits, got {}", dy.shape(), bit_words(dy.size()),
            kept.pass.size());
    Pulled pulled{Tensor<float>(dy.shape())};
    float* dx = pulled.dx.edit().data();
    parallel_chunks(kept.pass.size(), 32, [&](Chunk c) {
      const std::int64_t first = c.first * 32;
      const std::int64_t last = c.last * 32 < dy.size() ? c.last * 32 : dy.size();
      keep_where(dy.data() + first, kept.pass.data() + c.first, last - first, dx + first);
    });
    return pulled;
  }
  /// Clamp to the range in which the mask passes.
  [[nodiscard]] double surrogate(double x, const QParams& p, std::size_t i) const {
    const double beyond = policy == ClipMask::rounded_inclusive ? 0.5 : 0.0;
    const double scale = p.scale[i];
    const double lo = scale * (static_cast<double>(p.grid.lo - p.zero_point[i]) - beyond);
    const double hi = scale * (static_cast<double>(p.grid.hi - p.zero_point[i]) + beyond);
    return x < lo ? lo : x > hi ? hi : x;
  }
};

}  // namespace stet
