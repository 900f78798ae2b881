#pragma once
// Which functions on blocks of elements run: those in plain C++, which compilers vectorize, or those written for AVX-512.

#include <stet/core/isa.hpp>
#include <stet/core/vectorized.hpp>

namespace stet::kernel {

struct Portable {};
struct Avx512 {};

/// Calls f(Portable()) or f(Avx512()), compiled for the machine; see vectorized().
template <class F>
void with_block_set(const F& f) {
#if defined(__x86_64__)
  if (isa() >= Isa::avx512) return vectorized([&] { f(Avx512()); });
#endif
  vectorized([&] { f(Portable()); });
}

}  // namespace stet::kernel
