// fake_quantize and quantize against one element at a time, for floats of all kinds: every 1021st of the 2^32 bit patterns.
#include <stet/quant/fake_quantize.hpp>
#include <stet/quant/quantize.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <vector>

namespace bit_patterns_test {

using namespace stet;

namespace {

std::vector<float> patterns() {
  std::vector<float> all;
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 1021) all.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  return all;
}

// The formula, with the library's rounding to the nearest even number: code and value.
std::pair<std::int32_t, float> of_formula(float x, float scale, std::int32_t zero, const Grid& grid) {
  const float inverse = 1.0f / scale;
  volatile float t = x * inverse;
  const double steps = std::isnan(x) ? -1e9 : std::nearbyint(static_cast<double>(t));
  const double inside = std::clamp(steps, static_cast<double>(grid.lo - zero), static_cast<double>(grid.hi - zero));
  const auto n = static_cast<std::int32_t>(inside);
  return {n + zero, static_cast<float>(n) * scale};
}

}  // namespace

TEST_CASE("every kind of float has the code and the value of the formula", "[quant][bits]") {
  const std::vector<float> x = patterns();
  std::vector<float> y(x.size());
  std::vector<std::int8_t> codes(x.size());
  const Grid grid = Grid::int8();
  for (const std::int32_t zero : {0, 1, -3, 127, -128}) {
    const QParams p = QParams::per_tensor(0.0137f, zero);
    fake_quantize(x, p, y);
    quantize(x, p, codes);
    std::int64_t wrong = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto [code, value] = of_formula(x[i], 0.0137f, zero, grid);
      wrong += codes[i] != code || std::bit_cast<std::uint32_t>(y[i]) != std::bit_cast<std::uint32_t>(value) ? 1 : 0;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("scales along the last axis are those of their channels, however few", "[quant][bits]") {
  const std::vector<float> all = patterns();
  for (const std::int64_t channels : {1, 2, 3, 10, 31, 32, 33, 64, 100, 1000}) {
    for (const std::int64_t rows : {1, 2, 7, 300}) {
      const Shape shape{rows, channels};
      QParams p = QParams::per_tensor(1.0f, 0);
      p.granularity = Granularity::per_channel(1);
      p.scale.clear();
      p.zero_point.clear();
      for (std::int64_t c = 0; c < channels; ++c) {
        p.scale.push_back(0.01f + 0.003f * static_cast<float>(c));
        p.zero_point.push_back(static_cast<std::int32_t>(c % 7) - 3);
      }
      std::vector<float> x, y(static_cast<std::size_t>(shape.elements()));
      for (std::int64_t i = 0; i < shape.elements(); ++i) x.push_back(i % 3 == 0 ? all[static_cast<std::size_t>(i * 997) % all.size()] : 0.07f * static_cast<float>(i % 91 - 45));
      fake_quantize(x, shape, p, y);
      std::int64_t wrong = 0;
      for (std::int64_t i = 0; i < shape.elements(); ++i) {
        const auto c = static_cast<std::size_t>(i % channels), k = static_cast<std::size_t>(i);
        wrong += std::bit_cast<std::uint32_t>(y[k]) != std::bit_cast<std::uint32_t>(of_formula(x[k], p.scale[c], p.zero_point[c], p.grid).second) ? 1 : 0;
      }
      INFO(rows << " rows of " << channels);
      CHECK(wrong == 0);
    }
  }
}

}  // namespace bit_patterns_test
