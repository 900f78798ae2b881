// Includes the file that STET_ISA_BODY names once for every width of vectors, with
//   STET_ISA_NAMESPACE  baseline, avx2 or avx512: a namespace for what depends on it
//   STET_VECTOR_BYTES   the width
// Deliberately without a guard: every user has a body of its own.

#include <stet/core/isa.hpp>

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
