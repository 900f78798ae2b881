// Log-mel features against NumPy's (tests/data/sound/make.py), the transform against its definition, and what is refused.
#include <stet/data/log_mel.hpp>

#include <stet/core/random.hpp>
#include <stet/io/npy.hpp>
#include <stet/io/wav.hpp>

#include "support/catch.hpp"
#include "support/tensors.hpp"

#include <cmath>
#include <limits>

namespace log_mel_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

#ifndef STET_TEST_DIR
#define STET_TEST_DIR "tests"
#endif

TEST_CASE("features are those of an independent computation", "[data]") {
  const std::string dir = STET_TEST_DIR "/data/sound/";
  const Tensor<float> x = load_wav(dir + "sweep.wav").mono();
  const auto check = [&](const LogMelOptions& options, const char* file) {
    const Tensor<double> wanted = load_npy<double>(dir + file);
    const Tensor<float> y = log_mel(x, options);
    REQUIRE(y.shape() == wanted.shape());
    for (std::int64_t i = 0; i < y.size(); ++i) REQUIRE(y[i] == Approx(wanted[i]).epsilon(1e-6).margin(1e-6));
  };
  check({}, "sweep.log_mel.npy");
  check({.rate = 8000, .window = 200, .hop = 80, .fft = 256, .bands = 23, .low = 100, .high = 3800, .floor = 1e-3}, "sweep.log_mel_other.npy");
}

TEST_CASE("the transform is its definition", "[data]") {
  Rng rng(1);
  for (const std::size_t n : {1u, 2u, 8u, 64u}) {
    std::vector<std::complex<double>> x(n);
    for (auto& v : x) v = {rng.normal(), rng.normal()};
    std::vector<std::complex<double>> y = x;
    detail::fourier(y);
    for (std::size_t k = 0; k < n; ++k) {
      std::complex<double> sum = 0;
      for (std::size_t t = 0; t < n; ++t) sum += x[t] * std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(k * t % n) / static_cast<double>(n));
      CHECK(std::abs(y[k] - sum) < 1e-12 * static_cast<double>(n));
    }
  }
}

TEST_CASE("silence is the floor, and sounds get one length", "[data]") {
  const Tensor<float> y = log_mel(Tensor<float>::zeros({1000}));
  CHECK(y.shape() == Shape{2, 40});
  for (const float v : y.span()) CHECK(v == static_cast<float>(std::log(1e-6)));
  const Tensor<float> three({3}, {1, 2, 3});
  CHECK(equal(of_length(three, 5), Tensor<float>({5}, {1, 2, 3, 0, 0})));
  CHECK(equal(of_length(three, 2), Tensor<float>({2}, {1, 2})));
  CHECK_THROWS_WITH(of_length(three, 0), ContainsSubstring("must be positive"));
  CHECK_THROWS_WITH(of_length(Tensor<float>::zeros({2, 2}), 3), ContainsSubstring("must be [T]"));
}

TEST_CASE("features that cannot be are refused", "[data]") {
  const Tensor<float> x = Tensor<float>::zeros({1000});
  const auto refused = [&](const LogMelOptions& options, const char* why) { CHECK_THROWS_WITH(log_mel(x, options), ContainsSubstring(why)); };
  refused({.rate = 0}, "rate is 0");
  refused({.window = 1}, "window 1");
  refused({.hop = 0}, "hop 0");
  refused({.fft = 256}, "at least the window's 480");
  refused({.fft = 500}, "power of two");
  refused({.bands = 0}, "0 bands");
  refused({.bands = 257}, "257 bands");
  refused({.low = 4000}, "must rise");
  refused({.high = 8001}, "half the rate");
  refused({.low = -1}, "must rise");
  refused({.floor = 0}, "floor is 0");
  CHECK_THROWS_WITH(log_mel(Tensor<float>::zeros({479})), ContainsSubstring("less than a window"));
  CHECK_THROWS_WITH(log_mel(Tensor<float>::zeros({500, 2})), ContainsSubstring("Sound::mono"));
  Tensor<float> nan = x;
  nan.edit()[400] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(log_mel(nan), ContainsSubstring("sample 400"));
}

}  // namespace log_mel_test
