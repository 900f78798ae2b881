// Includes the file that STET_ISA_BODY names once for every width of vectors, with
//   STET_ISA_NAMESPACE  baseline, avx2 or avx512: a namespace for what depends on it
//   STET_VECTOR_BYTES   the width
// In the namespace that encloses these, as `implementation`, STET_OF_FLOAT_ISA(f(x)) is f(x) of the one that this process uses.
// Deliberately without a guard: every user has a body of its own.

#include <stet/core/isa.hpp>

#if !defined(STET_OF_FLOAT_ISA)
#if STET_FLOAT_AVX2
#define STET_OF_FLOAT_ISA(...)                                                             \
  (float_isa() == FloatIsa::avx512 ? implementation::avx512::__VA_ARGS__                   \
                                   : float_isa() == FloatIsa::avx2 ? implementation::avx2::__VA_ARGS__ : implementation::baseline::__VA_ARGS__)
#elif STET_FLOAT_AVX512
#define STET_OF_FLOAT_ISA(...) (float_isa() == FloatIsa::avx512 ? implementation::avx512::__VA_ARGS__ : implementation::baseline::__VA_ARGS__)
#else
#define STET_OF_FLOAT_ISA(...) (implementation::baseline::__VA_ARGS__)
#endif
#endif

#if defined(STET_ISA_BODY)

#if STET_FLOAT_AVX512
#define STET_ISA_NAMESPACE avx512
#define STET_VECTOR_BYTES 64
STET_TARGET_BEGIN(STET_TARGET_AVX512)
#include STET_ISA_BODY
STET_TARGET_END
#undef STET_ISA_NAMESPACE
#undef STET_VECTOR_BYTES
#endif

#if STET_FLOAT_AVX2
#define STET_ISA_NAMESPACE avx2
#define STET_VECTOR_BYTES 32
STET_TARGET_BEGIN(STET_TARGET_AVX2)
#include STET_ISA_BODY
STET_TARGET_END
#undef STET_ISA_NAMESPACE
#undef STET_VECTOR_BYTES
#endif

#define STET_ISA_NAMESPACE baseline
#if defined(__AVX512F__)
#define STET_VECTOR_BYTES 64
#elif defined(__AVX__)
#define STET_VECTOR_BYTES 32
#else
#define STET_VECTOR_BYTES 16
#endif
#include STET_ISA_BODY
#undef STET_ISA_NAMESPACE
#undef STET_VECTOR_BYTES

#undef STET_ISA_BODY

#endif
