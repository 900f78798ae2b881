// From here on the headers that a unit with STET_SPLIT includes hold their entry points, as in one with STET_IMPLEMENTATION; those
// that it included before are declarations, and another unit holds theirs. For units that add to a compiled library (src/).
// Deliberately without a guard: where it stands is what it means.

#include <stet/core/entry.hpp>

#if defined(STET_SPLIT) && !defined(STET_IMPLEMENTATION)
#undef STET_ENTRY
#undef STET_DEFINE_ENTRIES
#undef STET_EIGEN_ENTRY
#undef STET_DEFINE_EIGEN_ENTRIES
#define STET_ENTRY [[gnu::used]] inline
#define STET_DEFINE_ENTRIES 1
#define STET_EIGEN_ENTRY STET_ENTRY
#define STET_DEFINE_EIGEN_ENTRIES 1
#endif
