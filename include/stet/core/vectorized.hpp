#pragma once
// Loops that are compiled for several instruction sets where they stand.

#include <stet/core/isa.hpp>

#include <type_traits>

// For lambdas that are called within one that is vectorized: clang inlines no more than the first level by itself.
#define STET_ALWAYS_INLINE __attribute__((always_inline))

namespace stet {

namespace detail::inline STET_FLAGS {

// Everything that f calls is inlined, so that its loops are vectorized for the target of this function.
#if STET_FLOAT_AVX512
template <class F>
[[gnu::target(STET_TARGET_AVX512), gnu::flatten]] inline void run_avx512(const F& f) {
  f();
}
#endif
#if STET_FLOAT_AVX2
template <class F>
[[gnu::target(STET_TARGET_AVX2), gnu::flatten]] inline void run_avx2(const F& f) {
  f();
}
#endif

}  // namespace detail::inline STET_FLAGS

inline namespace STET_FLAGS {

/// Calls f() as code for the widest vectors of this machine. For the loops of lanes.hpp over a few thousand elements or
/// more; f should call nothing that is large, because all of it is compiled once per instruction set. Multiplication and
/// addition may be fused where the set has that: loops whose bits matter keep them apart, as with -march=native.
template <class F>
inline void vectorized(const F& f) {
  switch (float_isa()) {
#if STET_FLOAT_AVX512
    case FloatIsa::avx512: return detail::run_avx512(f);
#else
    case FloatIsa::avx512:
#endif
#if STET_FLOAT_AVX2
    case FloatIsa::avx2: return detail::run_avx2(f);
#else
    case FloatIsa::avx2:
#endif
    case FloatIsa::baseline: return f();
  }
}

}  // namespace STET_FLAGS

}  // namespace stet
