#pragma once
// The int8 product: exact int32 accumulators of unsigned operands (code + 128) and signed weights.

#include <stet/core/isa.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/vectorized.hpp>
#include <stet/integer/kernel/avx2.hpp>
#include <stet/integer/kernel/avx512.hpp>
#include <stet/integer/kernel/avx512vnni.hpp>
#include <stet/integer/kernel/avx_vnni.hpp>
#include <stet/integer/kernel/codes_tail.hpp>
#include <stet/integer/kernel/packed.hpp>
#include <stet/integer/kernel/portable.hpp>
#include <stet/integer/kernel/sse2.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

namespace stet::kernel {

/// Copies codes as operands: code + 128, which is the code with its sign bit flipped.
inline void copy_operands(const std::int8_t* from, std::int64_t n, std::uint8_t* to) {
  vectorized([=] { lanes(n, [=](std::int64_t i) { to[i] = static_cast<std::uint8_t>(from[i] ^ -128); }); });
}

/// A kernel: accumulators of all rows with all panels.
using ProductKernel = void (*)(const Operands& a, const PackedWeights& w, const std::int32_t* start, std::int32_t* acc,
                               std::int64_t stride);

/// The kernel for an instruction set.
inline ProductKernel product_kernel(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::baseline: return implementation::sse2::product;
    case Isa::avx2: return implementation::avx2::product;
    case Isa::avx_vnni: return implementation::avx_vnni::product;
    case Isa::avx512: return implementation::avx512::product;
    case Isa::avx512_vnni: return implementation::avx512vnni::product;
  }
#endif
  static_cast<void>(isa);
  return implementation::portable::product;
}

/// Product of rows with packed weights by the kernel of this machine.
/// Formula:   acc[r, o] = start[o] + sum over taps of operand[r, t] * w[o, t]
/// Shapes:    start [16 * panels] -> acc [rows, stride >= outputs]
inline void product(const Operands& a, const PackedWeights& w, const std::int32_t* start, std::int32_t* acc,
                    std::int64_t stride) {
  static const ProductKernel kernel = product_kernel(isa());
  kernel(a, w, start, acc, stride);
}

/// Whether this machine's kernel can make codes of its sums at once.
inline bool makes_codes() {
#if defined(__x86_64__)
  return isa() == Isa::avx512_vnni;
#else
  return false;
#endif
}
/// The product as codes; only where makes_codes().
/// Formula:   as product, then as CodesTail says
inline void product_to_codes([[maybe_unused]] const Operands& a, [[maybe_unused]] const PackedWeights& w,
                             [[maybe_unused]] const std::int32_t* start, [[maybe_unused]] const CodesTail& tail) {
#if defined(__x86_64__)
  implementation::avx512vnni::product_to_codes(a, w, start, tail);
#endif
}

/// Product of dense rows with packed weights of one segment.
/// Formula:   acc[r, o] = sum over t < depth of a[r, t] * w[o, t]
/// Shapes:    a [rows, lda], w [outputs, depth] -> acc [rows, ldc >= outputs]; up to three bytes behind depth are read
inline void product(const std::uint8_t* a, std::int64_t lda, std::int64_t rows, const PackedWeights& w,
                    std::int32_t* acc, std::int64_t ldc) {
  const std::vector<std::int32_t> start(static_cast<std::size_t>(w.panels() * panel_outputs), 0);
  const std::int64_t offset = 0;
  std::array<const std::uint8_t*, 64> pointers;
  for (std::int64_t first = 0; first < rows; first += 64) {
    const std::int64_t count = std::min<std::int64_t>(rows - first, 64);
    for (std::int64_t r = 0; r < count; ++r) pointers[static_cast<std::size_t>(r)] = a + (first + r) * lda;
    product({pointers.data(), count, &offset, 1, w.groups()}, w, start.data(), acc + first * ldc, ldc);
  }
}

}  // namespace stet::kernel
