// Scales that are hard to round: of an integer model with drawn weights, moved to where ties lie.
#pragma once

#include <stet/core/random.hpp>
#include <stet/graph/integer_model.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace stet_test {

/// Where the scales of a model are moved.
enum class Scales {
  calibrated,    ///< nowhere
  power_of_two,  ///< activations and weights to powers of two: multipliers are powers of two, every second result a tie
  half_of_six,   ///< activations to 6/(k + 1/2): the bound of ReLU6 is a tie
  extreme        ///< activations apart by up to 2^6, values on equal scales together
};
inline constexpr Scales all_scales[] = {Scales::calibrated, Scales::power_of_two, Scales::half_of_six, Scales::extreme};

inline std::string_view name(Scales s) {
  switch (s) {
    case Scales::calibrated:
      return "calibrated scales";
    case Scales::power_of_two:
      return "scales that are powers of two";
    case Scales::half_of_six:
      return "scales 6/(k + 1/2)";
    case Scales::extreme:
      return "extreme scales";
  }
  return "";
}

/// Moves the scales of all values by one function of the old scale, so that values which share a scale still do.
inline void move_scales(stet::IntegerModel& model, Scales kind, std::uint64_t seed) {
  if (kind == Scales::calibrated) return;
  const auto power = [](float s) { return static_cast<float>(std::exp2(std::round(std::log2(s)))); };
  const auto moved = [&](float s) {
    if (kind == Scales::power_of_two) return power(s);
    if (s == 0x1p-8f || s == 0x1p-7f) return s;  // what sigmoid and tanh demand
    if (kind == Scales::half_of_six) {
      const float k = std::floor(6.0f / s);
      return k >= 1.0f && k <= 250.0f ? 6.0f / (k + 0.5f) : s;
    }
    stet::Rng rng(seed ^ std::bit_cast<std::uint32_t>(s));
    return s * static_cast<float>(std::exp2(static_cast<int>(rng.below(7)) - 3));
  };
  for (stet::IntegerValue& v : model.values) v.codes.scale = moved(v.codes.scale);
  if (kind != Scales::power_of_two) return;
  for (stet::IntegerNode& node : model.nodes) {
    for (float& s : node.constants.weight_scale) s = power(s);
  }
}

}  // namespace stet_test
