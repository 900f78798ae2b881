// Sounds: every kind of sample, files of Python's wave module, and what is refused.
#include <stet/io/wav.hpp>

#include <stet/core/random.hpp>
#include <stet/io/npy.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

#include <limits>
#include <vector>

namespace wav_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

#ifndef STET_TEST_DIR
#define STET_TEST_DIR "tests"
#endif

namespace {

template <class T>
std::string raw(std::initializer_list<T> values) {
  std::string bytes;
  for (const T v : values) bytes.append(reinterpret_cast<const char*>(&v), sizeof v);
  return bytes;
}
std::string chunk(const std::string& name, const std::string& bytes) {
  return name + raw({static_cast<std::uint32_t>(bytes.size())}) + bytes + (bytes.size() % 2 != 0 ? std::string(1, '\0') : "");
}
std::string format(unsigned code, unsigned channels, unsigned bits, std::uint32_t rate = 8000) {
  const auto n = [](unsigned v) { return raw({static_cast<std::uint16_t>(v)}); };
  return chunk("fmt ", n(code) + n(channels) + raw({rate, static_cast<std::uint32_t>(rate * channels * bits / 8)}) + n(channels * bits / 8) + n(bits));
}
std::string wav(const std::string& chunks) { return "RIFF" + raw({static_cast<std::uint32_t>(4 + chunks.size())}) + "WAVE" + chunks; }
Sound decoded(const std::string& bytes) { return decode_wav(as_bytes(bytes), "s.wav"); }
std::vector<float> samples(const std::string& bytes) {
  const Sound s = decoded(bytes);
  return {s.samples.span().begin(), s.samples.span().end()};
}

}  // namespace

TEST_CASE("samples of every kind become numbers of -1 to 1", "[io]") {
  CHECK(samples(wav(format(1, 1, 8) + chunk("data", raw<std::uint8_t>({0, 128, 255})))) == std::vector<float>{-1, 0, 127.0f / 128});
  CHECK(samples(wav(format(1, 2, 16) + chunk("data", raw<std::int16_t>({-32768, 0, 1, 32767})))) ==
        std::vector<float>{-1, 0, 1.0f / 32768, 32767.0f / 32768});
  CHECK(samples(wav(format(1, 1, 24) + chunk("data", std::string("\x00\x00\x80\xff\xff\xff\x00\x00\x40", 9)))) ==
        std::vector<float>{-1, -1.0f / (1 << 23), 0.5f});
  CHECK(samples(wav(format(1, 1, 32) + chunk("data", raw<std::int32_t>({std::numeric_limits<std::int32_t>::min(), 1 << 30})))) == std::vector<float>{-1, 0.5f});
  CHECK(samples(wav(format(3, 1, 32) + chunk("data", raw<float>({0.1f, -2})))) == std::vector<float>{0.1f, -2});
  CHECK(samples(wav(format(3, 1, 64) + chunk("data", raw<double>({0.1, -2})))) == std::vector<float>{0.1f, -2});
}

TEST_CASE("parts that are not known are passed over, and an extensible format is one", "[io]") {
  const std::string data = chunk("data", raw<std::int16_t>({16384}));
  CHECK(samples(wav(chunk("LIST", "odd") + format(1, 1, 16) + chunk("fact", "1234") + data + chunk("id3 ", "x"))) == std::vector<float>{0.5f});
  std::string extensible = format(0xfffe, 1, 16);
  extensible = chunk("fmt ", extensible.substr(8) + raw<std::uint16_t>({22, 16}) + raw<std::uint32_t>({4}) + raw<std::uint16_t>({1}) + std::string(14, 'x'));
  CHECK(samples(wav(extensible + data)) == std::vector<float>{0.5f});
  const Sound two = decoded(wav(format(1, 2, 16, 44100) + chunk("data", raw<std::int16_t>({16384, 0, -16384, -16384}))));
  CHECK(two.rate == 44100);
  CHECK(two.samples.shape() == Shape{2, 2});
  CHECK(equal(two.mono(), Tensor<float>({2}, {0.25f, -0.5f})));
}

TEST_CASE("files of Python's wave module are read exactly", "[io]") {
  const std::string dir = STET_TEST_DIR "/data/sound/";
  const Sound three = load_wav(dir + "three_channels.wav");
  CHECK(three.rate == 44100);
  CHECK(equal(three.samples, load_npy<float>(dir + "three_channels.npy")));
  CHECK(load_wav(dir + "sweep.wav").samples.shape() == Shape{4000, 1});
}

TEST_CASE("what is no sound is refused", "[io]") {
  const std::string data = chunk("data", raw<std::int16_t>({1, 2, 3, 4}));
  const auto refused = [](const std::string& bytes, const char* why) { CHECK_THROWS_WITH(decoded(bytes), ContainsSubstring(why)); };
  refused("RIFX", "does not begin as RIFF");
  refused(wav(""), "ends before its samples");
  refused(wav(data), "samples before their format");
  refused(wav(format(1, 1, 16) + format(1, 1, 16) + data), "two formats");
  refused(wav(format(2, 1, 4) + data), "format 2 with 4 bits");
  refused(wav(format(1, 1, 12) + data), "format 1 with 12 bits");
  refused(wav(format(3, 1, 16) + data), "format 3 with 16 bits");
  refused(wav(format(1, 0, 16) + data), "0 channels");
  refused(wav(format(1, 1, 16, 0) + data), "at 0 samples per second");
  refused(wav(format(1, 3, 16) + data), "no whole number of moments of 6 bytes");
  refused(wav(format(1, 1, 16) + chunk("data", "")), "or none");
  refused(wav(chunk("fmt ", "short") + data), "needs 16");
  refused(wav(chunk("fmt ", format(0xfffe, 1, 16).substr(8)) + data), "needs 40");
  std::string block = format(1, 1, 16);
  block[8 + 12] = 4;
  refused(wav(block + data), "4 bytes per moment");
  refused(wav(format(3, 1, 32) + chunk("data", raw<float>({std::numeric_limits<float>::infinity()}))), "sample 0 is inf");
  refused(wav(format(3, 1, 64) + chunk("data", raw<double>({1e300}))), "sample 0 is inf");
  const std::string whole = wav(format(1, 1, 16) + data);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK_THROWS_AS(decoded(whole.substr(0, n)), Error);
  }
  Rng rng(3);
  for (int i = 0; i < 20000; ++i) {
    std::string changed = whole;
    for (int k = 0; k <= i % 3; ++k) changed[rng.below(changed.size())] = static_cast<char>(rng.below(256));
    try {
      const Sound sound = decoded(changed);
      REQUIRE(sound.samples.size() > 0);
    } catch (const Error& e) {
      REQUIRE(e.what()[0] != '\0');
    }
  }
}

}  // namespace wav_test
