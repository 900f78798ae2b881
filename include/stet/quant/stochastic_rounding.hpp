#pragma once
// Stochastic rounding: up or down by chance, right on average. A wrapper around any affine scheme.

#include <stet/core/description.hpp>
#include <stet/quant/scheme.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace stet {

namespace detail {

/// Keys of the random numbers of one step; they come from the counter alone, so any thread can make any of them.
struct RoundingKeys {
  std::uint32_t first, second;
};

inline RoundingKeys rounding_keys(std::uint64_t seed, std::uint64_t step) {
  // splitmix64 twice, so that neighbouring seeds and steps have nothing in common.
  std::uint64_t z = seed;
  for (int round = 0; round < 2; ++round) {
    z += 0x9e3779b97f4a7c15u + (round == 1 ? step : 0u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
  }
  return {static_cast<std::uint32_t>(z), static_cast<std::uint32_t>(z >> 32)};
}

/// Uniform on [0, 1), a multiple of 2^-24, for element `low` of block `high` of 2^32: MurmurHash3's 32-bit finalizer,
/// twice (it vectorizes).
[[gnu::always_inline]] inline float uniform_at(const RoundingKeys& keys, std::uint32_t low, std::uint32_t high) {
  const auto mix = [](std::uint32_t h) {
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    return h ^ (h >> 16);
  };
  const std::uint32_t h = mix(mix(low ^ keys.first) + keys.second + high * 0x9e3779b9u);
  return static_cast<float>(static_cast<std::int32_t>(h >> 8)) * 0x1p-24f;
}

/// Steps from the zero point, rounded up with the probability of the fraction, inside the grid.
[[gnu::always_inline]] inline float stochastic_steps(float x, float u, const CodeRule<float>& r) {
  float t = x * r.inverse;
  t = t > r.lo - 1 ? t : r.lo - 1;  // false for NaN
  t = t < r.hi + 1 ? t : r.hi + 1;
  const float nearest = round_clamped(t);
  // Factors of 0 and 1 instead of choices, which would not vectorize. All terms are integers: nothing is rounded.
  const auto flag = [](bool b) { return static_cast<float>(static_cast<int>(b)); };
  const float lower = nearest - flag(nearest > t);
  const float upwards = flag(t - lower > u);
  // What a code stands for comes back from the product a few units in the last place beside it, and must stay.
  const float off_grid = flag(__builtin_fabsf(nearest - t) > __builtin_fabsf(t) * 0x1p-21f);
  return clamped_steps(nearest + off_grid * (lower + upwards - nearest), r);
}

}  // namespace detail

/// An affine scheme that rounds up or down by chance while training, and to nearest in evaluation.
///
///   StochasticRounding weights(Int8PerChannel{}, seed);
///   weights.step = t;          // other numbers in each step
///   weights.training = false;  // evaluation
///
/// Formula:   t = x * (1/s); code = clamp(z + floor(t) + [t - floor(t) > u], n, p), u uniform on [0, 1) from seed, step
///            and position alone; t within 2^-21 of an integer, relative, counts as that integer
/// Rounding:  stochastic; the expectation is t inside the range, up to 2^-24 and the line above. The error is below one
///            step. In evaluation half to even
/// Gradient:  the pass bits are those of the scheme: chance does not move the mask
/// Errors:    those of the scheme
/// Source:    Gupta 2015, arXiv 1502.02551
template <class S>
struct StochasticRounding {
  using Code = CodeOf<S>;

  S scheme;
  std::uint64_t seed = 1;
  std::uint64_t step = 0;
  bool training = true;

  explicit StochasticRounding(S of, std::uint64_t with_seed = 1) : scheme(std::move(of)), seed(with_seed) {
    static_cast<void>(check_affine_scheme<S>());
  }
  [[nodiscard]] std::string describe() const {
    return formatted("stochastic rounding, seed {}{}, of {}", seed, training ? "" : ", off", description_of(scheme));
  }
  [[nodiscard]] Grid grid() const { return scheme.grid(); }
  [[nodiscard]] Granularity granularity() const { return scheme.granularity(); }
  [[nodiscard]] QParams qparams(std::span<const Range> ranges) const { return scheme.qparams(ranges); }
  /// Largest error inside the range, in steps.
  [[nodiscard]] double largest_error() const { return training ? 1.0 : 0.5; }

  void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask, std::span<Code> codes,
              std::span<std::uint32_t> pass) const {
    scheme.encode(x, shape, p, mask, codes, pass);
    if (!training) return;
    const float* from = x.data();
    Code* to = codes.data();
    detail::code_loop<float>(
        shape, p, [=, keys = detail::rounding_keys(seed, step)](std::int64_t first, std::int64_t count, auto rules) {
          const float* in = from + first;
          Code* out = to + first;
          // In pieces, so that the upper half of the position is the same in each.
          for (std::int64_t done = 0; done < count;) {
            const auto position = static_cast<std::uint64_t>(first + done);
            const auto low = static_cast<std::uint32_t>(position);
            const auto high = static_cast<std::uint32_t>(position >> 32);
            const std::int64_t room = (std::int64_t{1} << 32) - static_cast<std::int64_t>(low);
            const std::int64_t n = count - done < room ? count - done : room;
            round_piece(
                in + done, out + done, n, [=](std::int64_t k) { return rules(done + k); }, keys, low, high);
            done += n;
          }
        });
  }
  void decode(std::span<const Code> codes, const Shape& shape, const QParams& p, std::span<float> y) const {
    scheme.decode(codes, shape, p, y);
  }

 private:
  // Pointers as arguments: bytes written through a captured one could change what else is captured.
  template <class Rules>
  static void round_piece(const float* __restrict in, Code* __restrict out, std::int64_t n, const Rules& rules,
                          const detail::RoundingKeys& keys, std::uint32_t low, std::uint32_t high) {
    lanes(n, [=](std::int64_t i) {
      const detail::CodeRule<float> r = rules(i);
      const float u = detail::uniform_at(keys, low + static_cast<std::uint32_t>(i), high);
      const float v = detail::stochastic_steps(in[i], u, r);
      out[i] = static_cast<Code>(static_cast<std::int32_t>(v) + r.zero_point);
    });
  }
};

}  // namespace stet
