#pragma once
// Random numbers: one small generator with an explicit seed and a state that a checkpoint can hold. The standard
// distributions are not used because their results differ between standard libraries.

#include <stet/core/requirements.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <utility>

namespace stet {

/// xoshiro256** seeded through splitmix64.
/// Source:    Blackman and Vigna 2018, arXiv 1805.01407
class Rng {
 public:
  using State = std::array<std::uint64_t, 4>;

  explicit Rng(std::uint64_t seed) {
    for (auto& word : state_) {
      seed += 0x9e3779b97f4a7c15u;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      word = z ^ (z >> 31);
    }
  }

  /// 64 uniform bits.
  std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  /// Uniform on [0, 1), a multiple of 2^-53.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  /// Uniform on [lo, hi).
  double uniform(double lo, double hi) { return lo + (hi - lo) * uniform(); }
  /// Uniform integer on [0, n), n > 0, without bias.
  std::uint64_t below(std::uint64_t n) {
    const std::uint64_t limit = (0 - n) % n;
    std::uint64_t x = next();
    while (x < limit) x = next();
    return x % n;
  }
  /// Standard normal (Box and Muller; one value per call so that the state is these four words only).
  double normal() {
    const double u = 1.0 - uniform();
    const double v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
  }
  /// Permutes the values (Fisher and Yates).
  template <class T>
  void shuffle(std::span<T> values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }
  /// An independent generator for one named part of the work, e.g. split(epoch).
  [[nodiscard]] Rng split(std::uint64_t stream) const {
    return Rng(state_[0] ^ std::rotl(state_[2], 23) ^ (stream * 0xd1342543de82ef95u + 0x632be59bd9b4e019u));
  }

  [[nodiscard]] const State& state() const { return state_; }
  void restore(const State& state) { state_ = state; }

 private:
  State state_{};
};

}  // namespace stet
