#pragma once
// Lines of a depthwise convolution: all channels of the windows of one output line, by the widest vectors there are.

#include <stet/core/gemm_kernel.hpp>
#include <stet/core/isa.hpp>

#include <cstdint>
#include <cstring>

namespace stet::detail {

// Where the windows of one output line lie: pixel x, tap t at data[x * step + taps[t]].
template <class T>
struct WindowLine {
  const T* data;
  std::int64_t step;
  const std::int64_t* taps;
  std::int64_t tap_count;
};

/// Kernels of an instruction set.
template <class T>
struct DepthwiseLines {
  void (*forward)(const WindowLine<T>& line, std::int64_t pixels, std::int64_t channels, const T* w, const T* start, T* y);
  void (*weight)(const WindowLine<T>& line, std::int64_t pixels, std::int64_t channels, const T* dy, T* sums);
};

}  // namespace stet::detail

#define STET_ISA_BODY <stet/ops/depthwise_lines_body.hpp>
#include <stet/core/for_each_isa.hpp>

namespace stet::detail {

inline namespace STET_FLAGS {

/// The kernels of this process.
template <class T>
DepthwiseLines<T> depthwise_lines() {
  return STET_OF_FLOAT_ISA(depthwise_lines<T>());
}

}  // namespace STET_FLAGS

}  // namespace stet::detail
