#pragma once
// Which functions on blocks of elements run: those in plain C++, which compilers vectorize, or those written for AVX2 or
// AVX-512 where there are some.

#include <stet/core/isa.hpp>
#include <stet/core/vectorized.hpp>

namespace stet::kernel {

struct Portable {};
struct Avx2 : Portable {};  // the plain ones, but for what is written for it
struct Avx512 {};

/// Calls f with one of them, compiled for the machine; see vectorized().
template <class F>
void with_block_set(const F& f) {
#if defined(__x86_64__)
  if (isa() >= Isa::avx512) return vectorized([&] { f(Avx512()); });
  if (isa() >= Isa::avx2) return vectorized([&] { f(Avx2()); });
#endif
  vectorized([&] { f(Portable()); });
}

}  // namespace stet::kernel
