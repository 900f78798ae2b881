#pragma once
// Instruction sets: what this machine has beyond what the compile flags assume. Kernels are compiled for several of them
// and one is chosen, once per process, so that programs need no flags to be fast.

#include <stet/core/error.hpp>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

// What depends on the compile flags lives in an inline namespace of this name, so that units with different flags can be
// linked into one program: the widest vectors that they allow, and whether they fuse multiply and add.
#if defined(__AVX512F__)
#define STET_FLAGS flags_avx512
#elif defined(__AVX__) && defined(__FMA__)
#define STET_FLAGS flags_avx_fma
#elif defined(__AVX__)
#define STET_FLAGS flags_avx
#else
#define STET_FLAGS flags_128
#endif

// Functions between these two are compiled for more instructions than the flags allow: STET_TARGET_BEGIN("avx2,fma") ...
// STET_TARGET_END. Lambdas in them are not, so none stands there.
#define STET_PRAGMA(tokens) _Pragma(#tokens)
#if defined(__clang__)
#define STET_TARGET_BEGIN(features) STET_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define STET_TARGET_END STET_PRAGMA(clang attribute pop)
#else
#define STET_TARGET_BEGIN(features) STET_PRAGMA(GCC push_options) STET_PRAGMA(GCC target(features))
#define STET_TARGET_END STET_PRAGMA(GCC pop_options)
#endif

#if defined(__clang__)
#define STET_TARGET_DOTPROD "dotprod"
#define STET_TARGET_I8MM "dotprod,i8mm"
#else
#define STET_TARGET_DOTPROD "arch=armv8.2-a+dotprod"
#define STET_TARGET_I8MM "arch=armv8.2-a+dotprod+i8mm"
#endif
#define STET_TARGET_AVX2 "avx2,fma"
#define STET_TARGET_AVX_VNNI "avx2,fma,avxvnni"
#define STET_TARGET_AVX512 "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq"
#define STET_TARGET_AVX512_VNNI "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"

namespace stet {

/// What kernels may use, each with what stands before it on the same architecture; baseline is what the compile flags allow.
enum class Isa { baseline, avx2, avx_vnni, avx512, avx512_vnni, dotprod, i8mm };

/// The names that STET_ISA takes, in the order of the enumeration.
inline constexpr std::array<const char*, 7> isa_names{"baseline", "avx2", "avx_vnni", "avx512", "avx512_vnni", "dotprod", "i8mm"};

inline const char* to_string(Isa isa) { return isa_names[static_cast<std::size_t>(isa)]; }

/// Whether this machine and its operating system run a set.
inline bool machine_has(Isa isa) {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  switch (isa) {
    case Isa::baseline: return true;
    case Isa::avx2: return avx2;
    case Isa::avx_vnni: {  // leaf 7, subleaf 1, bit 4 of eax: compilers name it differently
      unsigned a = 0, b = 0, c = 0, d = 0;
      return avx2 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 4 & 1u) != 0;
    }
    case Isa::avx512: return avx512;
    case Isa::avx512_vnni: return avx512 && __builtin_cpu_supports("avx512vnni");
    case Isa::dotprod:
    case Isa::i8mm: return false;
  }
  return false;
#elif defined(__aarch64__) && defined(__linux__)
  constexpr unsigned long dotprod = 1ul << 20, i8mm = 1ul << 13;  // of the kernel's interface: HWCAP_ASIMDDP, HWCAP2_I8MM
  const bool has_dotprod = (getauxval(AT_HWCAP) & dotprod) != 0;
  return isa == Isa::baseline || (isa == Isa::dotprod && has_dotprod) ||
         (isa == Isa::i8mm && has_dotprod && (getauxval(AT_HWCAP2) & i8mm) != 0);
#else
  return isa == Isa::baseline;
#endif
}

namespace detail {

// The best set of this machine, or the one that is asked for.
inline Isa chosen_isa(const char* wanted) {
  Isa best = Isa::baseline;
  std::string available;
  for (std::size_t i = 0; i < isa_names.size(); ++i) {
    const auto isa = static_cast<Isa>(i);
    if (!machine_has(isa)) continue;
    best = isa;
    available += (available.empty() ? "" : ", ") + std::string(isa_names[i]);
    if (wanted != nullptr && std::string_view(wanted) == isa_names[i]) return isa;
  }
  if (wanted != nullptr && *wanted != '\0') {
    fail(Errc::range, "STET_ISA is {}; this machine has {}", wanted, available);
  }
  return best;
}

}  // namespace detail

/// The set whose kernels run in this process: the best one that the machine has, or the one that the environment variable
/// STET_ISA names (for tests: baseline, avx2, avx_vnni, avx512, avx512_vnni; on aarch64 baseline, dotprod, i8mm).
/// Errors:    Errc::range if STET_ISA names none that this machine has
inline Isa isa() {
  static const Isa chosen = detail::chosen_isa(std::getenv("STET_ISA"));
  return chosen;
}

inline namespace STET_FLAGS {

/// How wide float kernels are: integer kernels look at isa() itself.
enum class FloatIsa { baseline, avx2, avx512 };

// What the flags allow already is not compiled again.
#if defined(__x86_64__) && !defined(__AVX512F__)
#define STET_FLOAT_AVX512 1
#else
#define STET_FLOAT_AVX512 0
#endif
#if defined(__x86_64__) && !(defined(__AVX2__) && defined(__FMA__))
#define STET_FLOAT_AVX2 1
#else
#define STET_FLOAT_AVX2 0
#endif

/// The widest float kernels that isa() allows and that are not those of the flags.
inline FloatIsa float_isa() {
#if STET_FLOAT_AVX512
  if (isa() >= Isa::avx512) return FloatIsa::avx512;
#endif
#if STET_FLOAT_AVX2
  if (isa() >= Isa::avx2) return FloatIsa::avx2;
#endif
  return FloatIsa::baseline;
}

}  // namespace STET_FLAGS

}  // namespace stet
