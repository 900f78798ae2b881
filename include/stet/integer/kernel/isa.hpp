#pragma once
// Instruction set of the integer kernels, chosen by the compile flags. Functions that depend on it live in an inline
// namespace of its name, so that units with different flags can be linked into one program.

#include <stet/core/requirements.hpp>

#if defined(__AVX512VNNI__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define STET_INTEGER_VNNI 1
#define STET_INTEGER_ISA avx512vnni
#elif defined(__AVX2__)
#define STET_INTEGER_ISA avx2
#elif defined(__SSE2__)
#define STET_INTEGER_ISA sse2
#else
#define STET_INTEGER_ISA portable
#endif
