// The element loops of a quantized layer against plain loops, and equal for any number of threads.

#include <stet/core/random.hpp>
#include <stet/qat/accumulators.hpp>
#include <stet/qat/layer_kernels.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <vector>

namespace layer_kernels_test {

using namespace stet;

namespace {

struct Data {
  std::int64_t rows, channels;
  Tensor<std::int32_t> acc;
  Tensor<float> dy;
  std::vector<std::int32_t> centre;
  std::vector<float> slope, curve, offset;

  Data(std::int64_t r, std::int64_t c, std::uint64_t seed) : rows(r), channels(c), acc(Shape{r, c}), dy(Shape{r, c}) {
    Rng rng(seed);
    for (std::int64_t i = 0; i < channels; ++i) {
      centre.push_back(static_cast<std::int32_t>(1000.0 * rng.normal()));
      slope.push_back(static_cast<float>(0.02 * rng.normal()));
      curve.push_back(static_cast<float>(0.01 * rng.normal()));
      offset.push_back(static_cast<float>(10.0 * rng.normal()));
    }
    const auto a = acc.edit();
    for (std::size_t i = 0; i < a.size(); ++i) {
      a[i] = centre[i % static_cast<std::size_t>(channels)] + static_cast<std::int32_t>(5000.0 * rng.normal());
    }
    for (float& g : dy.edit()) g = static_cast<float>(rng.normal());
  }
  std::size_t channel(std::int64_t i) const { return static_cast<std::size_t>(i % channels); }
};

template <class F>
void for_data(F f) {
  for (const std::int64_t channels : {1, 2, 3, 10, 16, 31, 32, 33, 64}) {
    for (const std::int64_t rows : {1, 2, 7, 100, 3001}) {
      INFO("rows " << rows << ", channels " << channels);
      f(Data(rows, channels, static_cast<std::uint64_t>(rows * 100 + channels)));
    }
  }
}

Tensor<std::uint32_t> random_bits(std::int64_t n, std::uint64_t seed) {
  Rng rng(seed);
  Tensor<std::uint32_t> bits = Tensor<std::uint32_t>::zeros(Shape{bit_words(n)});
  for (std::int64_t i = 0; i < n; ++i) {
    if (rng.uniform() < 0.7) bits.edit()[static_cast<std::size_t>(i / 32)] |= 1u << (i % 32);
  }
  return bits;
}

// Runs f with 1, 2 and 3 threads and compares what it returns.
template <class F>
auto on_any_threads(F f) {
  set_threads(1);
  const auto first = f();
  for (const int count : {2, 3}) {
    set_threads(count);
    CHECK(f() == first);
  }
  set_threads(0);
  return first;
}

template <class T>
std::vector<T> copy(std::span<const T> values) {
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("affine_to_codes rounds, clamps and marks what passes", "[bits]") {
  int clipped = 0;
  for_data([&](const Data& d) {
    for (const bool relu : {false, true}) {
      const OutputCodes out{1.0f, -20, -120, 100, relu};
      const ChannelPattern pattern(d.channels);
      Tensor<std::uint32_t> pass(Shape{bit_words(d.acc.size())});
      const auto codes = on_any_threads([&] {
        Tensor<std::int8_t> q(d.acc.shape());
        affine_to_codes(d.acc.span(), pattern, d.centre, d.slope, d.offset, out, q.edit(), pass.edit());
        return copy(q.span());
      });
      int wrong = 0;
      for (std::int64_t i = 0; i < d.acc.size(); ++i) {
        const std::size_t c = d.channel(i);
        const double t = static_cast<double>(d.slope[c]) * (d.acc[i] - d.centre[c]) + static_cast<double>(d.offset[c]);
        if (std::fabs(std::fabs(t - std::nearbyint(t)) - 0.5) < 1e-3 || std::fabs(t) < 1e-3) continue;  // float may differ
        const double code = std::nearbyint(t) - 20;
        const bool inside = code >= -120 && code <= 100 && (!relu || t > 0);
        clipped += inside ? 0 : 1;
        wrong += std::clamp(code, -120.0, 100.0) != codes[static_cast<std::size_t>(i)];
        wrong += inside != test_bit(pass.data(), i);
      }
      CHECK(wrong == 0);
    }
  });
  CHECK(clipped > 10000);
}

TEST_CASE("finer codes are those of the same values in finer steps", "[bits]") {
  for_data([&](const Data& d) {
    const OutputCodes out{1.0f, -8, -8, 7, true};
    const ChannelPattern pattern(d.channels);
    Tensor<std::uint32_t> pass(Shape{bit_words(d.acc.size())}), unused(pass.shape());
    Tensor<std::int8_t> codes(d.acc.shape()), finer(d.acc.shape()), alone(d.acc.shape()), expected(d.acc.shape());
    const FinerOutput with{16.0f, -128, finer.edit()};
    affine_to_codes(d.acc.span(), pattern, d.centre, d.slope, d.offset, out, codes.edit(), pass.edit(), &with);
    std::vector<float> slope = d.slope, offset = d.offset;
    for (float& v : slope) v *= 16.0f;  // a power of two: the product rounds as before
    for (float& v : offset) v *= 16.0f;
    affine_to_codes(d.acc.span(), pattern, d.centre, slope, offset, {1.0f, -128, -128, 127, false}, expected.edit(),
                    unused.edit());
    affine_to_codes(d.acc.span(), pattern, d.centre, d.slope, d.offset, out, alone.edit(), unused.edit());
    CHECK(copy(finer.span()) == copy(expected.span()));
    CHECK(copy(codes.span()) == copy(alone.span()));
    CHECK(copy(pass.span()) == copy(unused.span()));
  });
}

TEST_CASE("affine_to_codes rounds halves to even and takes the ends of the range in") {
  // t = acc/2 exactly.
  const Tensor<std::int32_t> acc({8}, {1, 3, -1, 0, 253, 254, 255, -257});
  const ChannelPattern pattern(1);
  Tensor<std::int8_t> codes(Shape{8});
  Tensor<std::uint32_t> pass(Shape{1});
  affine_to_codes(acc.span(), pattern, {0}, {0.5f}, {0.0f}, {1.0f, 0, -128, 127, false}, codes.edit(), pass.edit());
  CHECK(copy(codes.span()) == std::vector<std::int8_t>{0, 2, 0, 0, 126, 127, 127, -128});
  CHECK(pass[0] == 0b10111111u);  // 127.5 rounds to 128 and is cut; -128.5 rounds to -128 and is not
  affine_to_codes(acc.span(), pattern, {0}, {0.5f}, {0.0f}, {1.0f, 0, 0, 127, true}, codes.edit(), pass.edit());
  CHECK(pass[0] == 0b00110011u);  // ReLU: only where the real value is above 0
}

TEST_CASE("clipped_sums are the sums of what passes") {
  for_data([](const Data& d) {
    const Tensor<std::uint32_t> pass = random_bits(d.dy.size(), 3);
    const ChannelPattern pattern(d.channels);
    const auto sums = on_any_threads([&] {
      const ClippedSums s = clipped_sums(d.dy.span(), pass.span(), d.acc.span(), d.centre, pattern);
      return std::pair(s.gradient, s.product);
    });
    const ClippedSums plain = clipped_sums(d.dy.span(), pass.span(), {}, {}, pattern);
    std::vector<double> gradient(sums.first.size(), 0.0), product = gradient, size = gradient, weight = gradient;
    for (std::int64_t i = 0; i < d.dy.size(); ++i) {
      const std::size_t c = d.channel(i);
      const double g = test_bit(pass.data(), i) ? static_cast<double>(d.dy[i]) : 0.0;
      gradient[c] += g;
      product[c] += g * (d.acc[i] - d.centre[c]);
      size[c] += std::fabs(g);
      weight[c] += std::fabs(g * (d.acc[i] - d.centre[c]));
    }
    for (std::size_t c = 0; c < gradient.size(); ++c) {
      CHECK(std::fabs(sums.first[c] - gradient[c]) <= 1e-5 * size[c]);
      CHECK(std::fabs(sums.second[c] - product[c]) <= 1e-5 * weight[c]);
      CHECK(std::fabs(plain.gradient[c] - gradient[c]) <= 1e-5 * size[c]);
    }
  });
}

TEST_CASE("accumulator_gradient is its formula") {
  for_data([](const Data& d) {
    const Tensor<std::uint32_t> pass = random_bits(d.dy.size(), 4);
    const ChannelPattern pattern(d.channels);
    const auto got = on_any_threads([&] {
      return copy(accumulator_gradient(d.dy, pass.span(), d.acc.span(), d.centre, d.slope, d.curve, d.offset, pattern).span());
    });
    const Tensor<float> plain = accumulator_gradient(d.dy, pass.span(), {}, {}, d.slope, {}, {}, pattern);
    int wrong = 0;
    for (std::int64_t i = 0; i < d.dy.size(); ++i) {
      const std::size_t c = d.channel(i);
      const double g = test_bit(pass.data(), i) ? static_cast<double>(d.dy[i]) * static_cast<double>(d.slope[c]) : 0.0;
      const double want = g + static_cast<double>(d.curve[c]) * (d.acc[i] - d.centre[c]) + static_cast<double>(d.offset[c]);
      wrong += std::fabs(static_cast<double>(got[static_cast<std::size_t>(i)]) - want) > 1e-4 * (1.0 + std::fabs(want));
      wrong += std::fabs(static_cast<double>(plain[i]) - g) > 1e-6;
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("accumulator statistics do not depend on the order of the tiles", "[bits]") {
  for_data([](const Data& d) {
    const auto collect = [&](bool backwards, std::int64_t gap) {
      AccumulatorCollector collector(d.channels);
      const std::int64_t tile = 64, tiles = (d.rows + tile - 1) / tile, stride = d.channels + gap;
      for (std::int64_t i = 0; i < tiles; ++i) {
        const std::int64_t first = (backwards ? tiles - 1 - i : i) * tile, rows = std::min(tile, d.rows - first);
        std::vector<std::int32_t> wide(static_cast<std::size_t>(rows * stride), 1 << 30);
        for (std::int64_t r = 0; r < rows; ++r) {
          std::copy_n(d.acc.data() + (first + r) * d.channels, d.channels, wide.data() + r * stride);
        }
        collector.add(first, rows, wide.data(), stride);
      }
      return collector.finish();
    };
    const AccumulatorStatistics s = collect(false, 0), t = collect(true, 0), wide = collect(true, 5);
    CHECK(s.rows == d.rows);
    CHECK(s.sum == t.sum);
    CHECK(s.squares == t.squares);
    CHECK(s.squares == wide.squares);
    CHECK(s.highest == wide.highest);
    for (std::size_t c = 0; c < s.sum.size(); ++c) {
      std::int64_t sum = 0;
      std::int32_t lo = d.acc[static_cast<std::int64_t>(c)], hi = lo;
      double mean = 0, variance = 0;
      for (std::int64_t r = 0; r < d.rows; ++r) {
        const std::int32_t a = d.acc[r * d.channels + static_cast<std::int64_t>(c)];
        sum += a;
        lo = std::min(lo, a);
        hi = std::max(hi, a);
      }
      mean = static_cast<double>(sum) / static_cast<double>(d.rows);
      for (std::int64_t r = 0; r < d.rows; ++r) {
        const double v = d.acc[r * d.channels + static_cast<std::int64_t>(c)] - mean;
        variance += v * v / static_cast<double>(d.rows);
      }
      CHECK(s.sum[c] == sum);
      CHECK(s.lowest[c] == lo);
      CHECK(s.highest[c] == hi);
      CHECK(s.mean(c) == mean);
      CHECK(s.variance(c) == Approx(variance).epsilon(1e-9).margin(1e-6));
    }
  });
}

}  // namespace layer_kernels_test
