// A scheme that is to reach integers must be affine; what it lacks is named.
// at most 3 errors
// expect: an AffineScheme needs grid\(\) const -> Grid
// expect: an AffineScheme needs granularity\(\) const -> Granularity
#include <stet/quant/scheme.hpp>

struct Mine : stet::AffineCodes<> {
  stet::QParams qparams(std::span<const stet::Range> ranges) const { return choose_qparams(ranges, stet::Grid::int8()); }
#ifdef STET_CONTROL
  stet::Grid grid() const { return stet::Grid::int8(); }
  stet::Granularity granularity() const { return {}; }
#endif
};

int main() { return stet::check_affine_scheme<Mine>() ? 0 : 1; }
