#pragma once
// Int8 products of aarch64: usdot (i8mm) multiplies unsigned operands by signed weights as the layout has them; sdot
// (dotprod) wants both signed, so operands lose 128, which the start of the sums gives back.

#include <stet/core/isa.hpp>
#include <stet/integer/kernel/packed.hpp>
#include <stet/integer/kernel/row_tiles.hpp>

#if defined(__aarch64__)

#include <arm_neon.h>

#include <cstdint>
#include <cstring>
#include <vector>

STET_TARGET_BEGIN(STET_TARGET_I8MM)

namespace stet::kernel::implementation::i8mm {

#define STET_NEON_DOT(sum, x, w) vusdotq_s32(sum, x, w)
#include <stet/integer/kernel/neon_tile_body.hpp>
#undef STET_NEON_DOT

/// Accumulators of all rows with all panels; see portable::product.
inline void product(const Operands& a, const PackedWeights& w, const std::int32_t* start, std::int32_t* acc, std::int64_t stride) {
  product_by_tiles(a, w, start, acc, stride, {{4, tile<4>}, {1, tile<1>}});
}

}  // namespace stet::kernel::implementation::i8mm

STET_TARGET_END

STET_TARGET_BEGIN(STET_TARGET_DOTPROD)

namespace stet::kernel::implementation::dotprod {

#define STET_NEON_DOT(sum, x, w) vdotq_s32(sum, vreinterpretq_s8_u8(veorq_u8(x, vdupq_n_u8(128))), w)
#include <stet/integer/kernel/neon_tile_body.hpp>
#undef STET_NEON_DOT

/// Accumulators of all rows with all panels; see portable::product.
inline void product(const Operands& a, const PackedWeights& w, const std::int32_t* start, std::int32_t* acc, std::int64_t stride) {
  std::vector<std::int32_t> raised(start, start + w.panels() * panel_outputs);
  for (std::size_t o = 0; o < w.sums().size(); ++o) {  // modulo 2^32: only the final value needs to fit
    raised[o] = static_cast<std::int32_t>(static_cast<std::uint32_t>(raised[o]) + 128u * static_cast<std::uint32_t>(w.sums()[o]));
  }
  product_by_tiles(a, w, raised.data(), acc, stride, {{4, tile<4>}, {1, tile<1>}});
}

}  // namespace stet::kernel::implementation::dotprod

STET_TARGET_END

#endif
