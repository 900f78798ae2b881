// The int8 product: every kernel that these flags allow equals the plain sum, extremes included.

#include "naive.hpp"
#include "support/catch.hpp"

#include <stet/integer/kernel/depthwise.hpp>
#include <stet/integer/kernel/product.hpp>

namespace product_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

// The sets of this machine, those that compilers were not told of included.
std::vector<Isa> sets() {
  std::vector<Isa> all;
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx_vnni, Isa::avx512, Isa::avx512_vnni}) {
    if (machine_has(isa)) all.push_back(isa);
  }
  return all;
}

struct Kernel {
  const char* name;
  kernel::ProductKernel run;
};

std::vector<Kernel> kernels() {
  std::vector<Kernel> all{{"portable", kernel::implementation::portable::product}};
  for (const Isa isa : sets()) all.push_back({to_string(isa), kernel::product_kernel(isa)});
  return all;
}

}  // namespace

TEST_CASE("every kernel equals the sum of products, segment by segment", "[integer][bits]") {
  Rng rng(1);
  for (const std::int64_t outputs : {1, 10, 15, 16, 17, 32, 33, 48, 64, 70}) {
    for (const auto& [segments, length] :
         {std::pair<int, int>{1, 1}, {1, 3}, {1, 288}, {3, 3}, {3, 48}, {9, 5}, {2, 130}}) {
      for (const std::int64_t rows : {1, 5, 8, 12, 27}) {
        for (const bool extreme : {false, true}) {
          const std::int64_t pitch = length + 7;
          const auto w = extreme ? Tensor<std::int8_t>::filled({outputs, segments, length}, rows % 2 == 0 ? -128 : 127)
                                 : naive::random_codes(rng, {outputs, segments, length});
          std::vector<std::uint8_t> a(static_cast<std::size_t>(rows * segments * pitch + 3));
          for (auto& v : a) v = extreme ? 255 : static_cast<std::uint8_t>(rng.below(256));
          std::vector<const std::uint8_t*> pointers;
          for (std::int64_t r = 0; r < rows; ++r) pointers.push_back(a.data() + r * segments * pitch);
          std::vector<std::int64_t> offsets;
          for (std::int64_t s = 0; s < segments; ++s) offsets.push_back(s * pitch);
          const kernel::PackedWeights packed(w.data(), outputs, segments, length);
          std::vector<std::int32_t> start(static_cast<std::size_t>(packed.panels() * 16));
          for (auto& v : start) v = static_cast<std::int32_t>(rng.below(2001)) - 1000;
          const std::int64_t stride = outputs + 3;
          for (const Kernel& k : kernels()) {
            INFO(k.name << " outputs " << outputs << " segments " << segments << " length " << length << " rows "
                        << rows);
            std::vector<std::int32_t> acc(static_cast<std::size_t>(rows * stride), 12345);
            k.run({pointers.data(), rows, offsets.data(), segments, packed.groups()}, packed, start.data(), acc.data(),
                  stride);
            int wrong = 0;
            for (std::int64_t r = 0; r < rows; ++r)
              for (std::int64_t o = 0; o < stride; ++o) {
                std::int64_t sum = 12345;  // behind the outputs nothing is written
                if (o < outputs) {
                  sum = start[static_cast<std::size_t>(o)];
                  for (std::int64_t s = 0; s < segments; ++s)
                    for (std::int64_t t = 0; t < length; ++t)
                      sum += pointers[static_cast<std::size_t>(r)][s * pitch + t] * w[(o * segments + s) * length + t];
                }
                wrong += acc[static_cast<std::size_t>(r * stride + o)] != sum;
              }
            CHECK(wrong == 0);
          }
        }
      }
    }
  }
}

TEST_CASE("the dense product equals the sum of products", "[integer][bits]") {
  Rng rng(2);
  for (const auto& [rows, depth, outputs] : {std::array<int, 3>{100, 288, 64}, {3, 7, 5}, {65, 30, 20}}) {
    const std::int64_t lda = (depth + 3) / 4 * 4;
    std::vector<std::uint8_t> a(static_cast<std::size_t>(rows * lda));
    for (auto& v : a) v = static_cast<std::uint8_t>(rng.below(256));
    const auto w = naive::random_codes(rng, {outputs, depth});
    std::vector<std::int32_t> acc(static_cast<std::size_t>(rows * outputs));
    kernel::product(a.data(), lda, rows, kernel::PackedWeights(w.data(), outputs, depth), acc.data(), outputs);
    int wrong = 0;
    for (int r = 0; r < rows; ++r)
      for (int o = 0; o < outputs; ++o) {
        std::int64_t sum = 0;
        for (int t = 0; t < depth; ++t) sum += a[static_cast<std::size_t>(r * lda + t)] * w[o * depth + t];
        wrong += acc[static_cast<std::size_t>(r * outputs + o)] != sum;
      }
    CHECK(wrong == 0);
  }
}

TEST_CASE("codes become operands by 128 more", "[integer][bits]") {
  Rng rng(3);
  for (std::int64_t n = 0; n < 200; ++n) {
    const auto q = naive::random_codes(rng, {n});
    std::vector<std::uint8_t> u(static_cast<std::size_t>(n) + 1, 99);
    kernel::copy_operands(q.data(), n, u.data());
    int wrong = u.back() != 99;
    for (std::int64_t i = 0; i < n; ++i) wrong += u[static_cast<std::size_t>(i)] != q[i] + 128;
    CHECK(wrong == 0);
  }
}

TEST_CASE("every depthwise kernel equals the sum of products", "[integer][bits]") {
  Rng rng(4);
  for (const std::int64_t channels : {1, 5, 16, 24, 32, 64, 80, 128}) {
    for (const std::int64_t taps : {1, 4, 9, 25}) {
      const auto w = naive::random_codes(rng, {taps, channels});
      const kernel::PackedDepthwise packed(w.data(), taps, channels);
      const std::int64_t n = channels * 7;
      std::vector<std::uint8_t> x(static_cast<std::size_t>(n + 31 * taps + 64));
      for (auto& v : x) v = static_cast<std::uint8_t>(rng.below(256));
      std::vector<std::int64_t> offsets(static_cast<std::size_t>(packed.tap_groups() * 4));
      for (std::int64_t t = 0; t < taps; ++t) offsets[static_cast<std::size_t>(t)] = 31 * t;
      std::vector<std::int32_t> start(static_cast<std::size_t>(packed.period()));
      for (std::size_t i = 0; i < start.size(); ++i)
        start[i] = static_cast<std::int32_t>(i % static_cast<std::size_t>(channels)) * 1000;
      const std::vector<std::int32_t> untouched(static_cast<std::size_t>(n + 1), 7);
      std::vector<std::int32_t> expected = untouched;
      for (std::int64_t i = 0; i < n; ++i) {
        std::int64_t sum = start[static_cast<std::size_t>(i % channels)];
        for (std::int64_t t = 0; t < taps; ++t)
          sum += x[static_cast<std::size_t>(31 * t + i)] * w[t * channels + i % channels];
        expected[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(sum);
      }
      for (const Isa isa : sets()) {
        INFO(to_string(isa) << " channels " << channels << " taps " << taps);
        std::vector<std::int32_t> acc = untouched;
        kernel::depthwise_kernel(isa)(x.data(), offsets.data(), packed, start.data(), acc.data(), n);
        CHECK(acc == expected);
      }
    }
  }
}

TEST_CASE("packing refuses weights that could overflow and empty sizes", "[integer]") {
  const auto w = Tensor<std::int8_t>::filled({70000}, 127);
  CHECK_NOTHROW(kernel::PackedWeights(w.data(), 1, 66311));
  CHECK_THROWS_WITH(kernel::PackedWeights(w.data(), 1, 66312), ContainsSubstring("magnitudes of output 0 sum to"));
  CHECK_THROWS_WITH(kernel::PackedWeights(w.data(), 0, 5), ContainsSubstring("0 outputs"));
}

}  // namespace product_test
