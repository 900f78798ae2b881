// Lines of a depthwise convolution for one width of vectors; see core/for_each_isa.hpp. Without a guard.

#include <stet/core/requirements.hpp>

#if defined(STET_ISA_NAMESPACE)

namespace stet::detail::inline STET_FLAGS::implementation::STET_ISA_NAMESPACE {

template <class V, class T>
[[gnu::always_inline]] inline V load(const T* from) {
  V value;
  std::memcpy(&value, from, sizeof(V));
  return value;
}

// One output line of as many channels as V holds (a vector, or one element): four pixels share every weight.
template <class V, class T>
void depthwise_line(const WindowLine<T>& line, std::int64_t pixels, std::int64_t channels, const T* w, const T* first, T* y) {
  const V start = load<V>(first);
  std::int64_t x = 0;
  for (; x + 4 <= pixels; x += 4) {
    const T* from = line.data + x * line.step;
    V a = start, b = start, c = start, d = start;
    for (std::int64_t t = 0; t < line.tap_count; ++t) {
      const V weight = load<V>(w + t * channels);
      const T* at = from + line.taps[t];
      a += load<V>(at) * weight;
      b += load<V>(at + line.step) * weight;
      c += load<V>(at + 2 * line.step) * weight;
      d += load<V>(at + 3 * line.step) * weight;
    }
    T* to = y + x * channels;
    std::memcpy(to, &a, sizeof(V));
    std::memcpy(to + channels, &b, sizeof(V));
    std::memcpy(to + 2 * channels, &c, sizeof(V));
    std::memcpy(to + 3 * channels, &d, sizeof(V));
  }
  for (; x < pixels; ++x) {
    const T* from = line.data + x * line.step;
    V a = start;
    for (std::int64_t t = 0; t < line.tap_count; ++t) a += load<V>(from + line.taps[t]) * load<V>(w + t * channels);
    std::memcpy(y + x * channels, &a, sizeof(V));
  }
}

// Adds the products of one line of gradients with Taps neighbouring taps, for as many channels as V holds.
template <class V, int Taps, class T>
void depthwise_line_weight(const WindowLine<T>& line, std::int64_t first, std::int64_t pixels, std::int64_t channels,
                           const T* dy, T* sums) {
  V sum[static_cast<std::size_t>(Taps)];
#pragma GCC unroll 3
  for (int t = 0; t < Taps; ++t) sum[t] = load<V>(sums + (first + t) * channels);
  for (std::int64_t x = 0; x < pixels; ++x) {
    const V gradient = load<V>(dy + x * channels);
#pragma GCC unroll 3
    for (int t = 0; t < Taps; ++t) sum[t] += load<V>(line.data + x * line.step + line.taps[first + t]) * gradient;
  }
#pragma GCC unroll 3
  for (int t = 0; t < Taps; ++t) std::memcpy(sums + (first + t) * channels, &sum[t], sizeof(V));
}
template <class V, class T>
void depthwise_line_weights(const WindowLine<T>& line, std::int64_t pixels, std::int64_t channels, const T* dy,
                            T* sums) {
  std::int64_t t = 0;
  for (; t + 3 <= line.tap_count; t += 3) depthwise_line_weight<V, 3>(line, t, pixels, channels, dy, sums);
  for (; t < line.tap_count; ++t) depthwise_line_weight<V, 1>(line, t, pixels, channels, dy, sums);
}

// One output line of all channels.
template <class T>
void depthwise_forward_line(const WindowLine<T>& line, std::int64_t pixels, std::int64_t channels, const T* w,
                            const T* start, T* y) {
  typedef T V __attribute__((vector_size(STET_VECTOR_BYTES)));
  constexpr std::int64_t width = STET_VECTOR_BYTES / static_cast<std::int64_t>(sizeof(T));
  std::int64_t c = 0;
  for (; c + width <= channels; c += width) {
    const WindowLine<T> part{line.data + c, line.step, line.taps, line.tap_count};
    depthwise_line<V>(part, pixels, channels, w + c, start + c, y + c);
  }
  for (; c < channels; ++c) {
    const WindowLine<T> part{line.data + c, line.step, line.taps, line.tap_count};
    depthwise_line<T>(part, pixels, channels, w + c, start + c, y + c);
  }
}

// Adds the products of one line of gradients with all taps, for all channels.
template <class T>
void depthwise_weight_line(const WindowLine<T>& line, std::int64_t pixels, std::int64_t channels, const T* dy, T* sums) {
  typedef T V __attribute__((vector_size(STET_VECTOR_BYTES)));
  constexpr std::int64_t width = STET_VECTOR_BYTES / static_cast<std::int64_t>(sizeof(T));
  std::int64_t c = 0;
  for (; c + width <= channels; c += width) {
    const WindowLine<T> part{line.data + c, line.step, line.taps, line.tap_count};
    depthwise_line_weights<V>(part, pixels, channels, dy + c, sums + c);
  }
  for (; c < channels; ++c) {
    const WindowLine<T> part{line.data + c, line.step, line.taps, line.tap_count};
    depthwise_line_weights<T>(part, pixels, channels, dy + c, sums + c);
  }
}

template <class T>
DepthwiseLines<T> depthwise_lines() {
  return {depthwise_forward_line<T>, depthwise_weight_line<T>};
}

}  // namespace stet::detail::inline STET_FLAGS::implementation::STET_ISA_NAMESPACE

#endif
