#pragma once
// Loops over channels in blocks of 16: images have 16, 32, 48, ... channels more often than multiples of 32.

#include <stet/core/requirements.hpp>

#include <cstdint>

namespace stet::detail {

inline constexpr int channel_block = 16;

/// Calls f(j) for j in [0, Count), vectorized; the conditions are those of stet::lanes.
template <int Count, class F>
[[gnu::always_inline]] inline void fixed_lanes(F&& f) {
  // Not unrolled: a loop that is unrolled as a whole is not vectorized.
#if defined(__clang__)
#pragma clang loop vectorize(assume_safety)
#else
#pragma GCC ivdep
#pragma GCC unroll 1
#endif
  for (int j = 0; j < Count; ++j) f(j);
}

/// Calls f(c) for c in [0, channels), vectorized in blocks of 16; the conditions are those of stet::lanes.
template <class F>
[[gnu::always_inline]] inline void channel_lanes(std::int64_t channels, F&& f) {
  std::int64_t c = 0;
  for (; c + channel_block <= channels; c += channel_block) {
    fixed_lanes<channel_block>([&](int j) { f(c + j); });
  }
  for (; c < channels; ++c) f(c);
}

}  // namespace stet::detail
