// Two units of one program include the whole library and are compiled for different instruction sets. The linker keeps
// one copy of each inline function; if a data layout or an instruction set depended on the flags and its name did not,
// one unit would call the other's code with its own data. Integers must agree exactly, float products to rounding.
#include "odr.hpp"

#include <cmath>
#include <cstdio>
#include <numeric>

namespace {

int failures = 0;

void check(bool ok, const char* what) {
  std::printf("%-60s %s\n", what, ok ? "ok" : "FAILED");
  if (!ok) ++failures;
}

}  // namespace

int main() {
  const stet::DatasetSplit data = stet::make_shapes(1, 256, 64);
  std::vector<std::int64_t> all(64);
  std::iota(all.begin(), all.end(), 0);
  const stet::Tensor<float> images = data.test.batch(all).x;

  const stet::IntegerModel from_baseline = baseline::train(data.train), from_native = native::train(data.train);
  check(baseline::run(from_baseline, images) == native::run(from_baseline, images),
        "baseline's model gives the same codes");
  check(baseline::run(from_native, images) == native::run(from_native, images), "native's model gives the same codes");

  stet::Rng rng(7);
  const auto random = [&](stet::Shape shape) {
    auto t = stet::Tensor<float>::zeros(shape);
    for (float& v : t.edit()) v = static_cast<float>(rng.uniform()) - 0.5f;
    return t;
  };
  const auto x = random({50, 77}), w = random({33, 77});
  const std::vector<float> values(x.span().begin(), x.span().end());
  check(baseline::fake_quantize(values) == native::fake_quantize(values), "fake_quantize gives the same bits");

  const auto a = baseline::product(x, w), b = native::product(x, w);
  double worst = a.size() == b.size() && a.size() == 50 * 33 ? 0.0 : 1.0;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    double exact = 0;
    for (std::int64_t k = 0; k < 77; ++k) {
      exact += static_cast<double>(x.data()[static_cast<std::int64_t>(i) / 33 * 77 + k]) *
               static_cast<double>(w.data()[static_cast<std::int64_t>(i) % 33 * 77 + k]);
    }
    worst = std::max({worst, std::abs(static_cast<double>(a[i]) - exact), std::abs(static_cast<double>(b[i]) - exact)});
  }
  check(worst < 1e-5, "float products are right in both units");
  return failures == 0 ? 0 : 1;
}
