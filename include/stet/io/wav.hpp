#pragma once
// Sound: .wav files.

#include <stet/core/tensor.hpp>
#include <stet/io/file.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stet {

/// Sound as numbers.
struct Sound {
  Tensor<float> samples{};  ///< [T, channels], about -1 to 1
  int rate = 0;             ///< samples per second

  /// The mean of the channels.
  /// Shapes:    [T]
  [[nodiscard]] Tensor<float> mono() const {
    const std::int64_t length = samples.shape()[0], channels = samples.shape()[1];
    Tensor<float> y(Shape{length});
    auto to = y.edit();
    for (std::int64_t t = 0; t < length; ++t) {
      double sum = 0;
      for (std::int64_t c = 0; c < channels; ++c) sum += static_cast<double>(samples[t * channels + c]);
      to[static_cast<std::size_t>(t)] = static_cast<float>(sum / static_cast<double>(channels));
    }
    return y;
  }
};

namespace detail {

// How samples lie in a .wav file.
struct WavFormat {
  unsigned code = 0, channels = 0, bits = 0;  // code 1: integers, 3: real numbers
  std::uint32_t rate = 0;
};

inline std::uint64_t wav_number(std::span<const std::uint8_t> bytes) {
  std::uint64_t n = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) n = n << 8 | bytes[i];
  return n;
}

inline WavFormat read_wav_format(std::span<const std::uint8_t> chunk, const std::string& from) {
  require(chunk.size() >= 16, Errc::format, "wav file {}: its format has {} bytes, needs 16", from, chunk.size());
  const auto at = [&](std::size_t i, std::size_t n) { return static_cast<unsigned>(wav_number(chunk.subspan(i, n))); };
  WavFormat f{at(0, 2), at(2, 2), at(14, 2), at(4, 4)};
  if (f.code == 0xfffe) {  // extensible: the code begins a longer one
    require(chunk.size() >= 40, Errc::format, "wav file {}: its extensible format has {} bytes, needs 40", from, chunk.size());
    f.code = at(24, 2);
  }
  const bool integers = f.code == 1 && (f.bits == 8 || f.bits == 16 || f.bits == 24 || f.bits == 32);
  const bool reals = f.code == 3 && (f.bits == 32 || f.bits == 64);
  require(integers || reals, Errc::unsupported,
          "wav file {}: has samples of format {} with {} bits; save it as PCM of 8 to 32 bits, or as real numbers of 32 or 64", from, f.code, f.bits);
  require(f.channels >= 1 && f.channels <= 256 && f.rate >= 1 && f.rate <= 10000000, Errc::format, "wav file {}: has {} channels at {} samples per second",
          from, f.channels, f.rate);
  const unsigned block = at(12, 2);
  require(block == f.channels * f.bits / 8, Errc::format, "wav file {}: {} bytes per moment, {} channels of {} bits need {}", from, block, f.channels, f.bits,
          f.channels * f.bits / 8);
  return f;
}

inline float wav_sample(std::span<const std::uint8_t> raw, const WavFormat& f) {
  const std::uint64_t n = wav_number(raw);
  if (f.code == 3) return f.bits == 32 ? std::bit_cast<float>(static_cast<std::uint32_t>(n)) : static_cast<float>(std::bit_cast<double>(n));
  if (f.bits == 8) return static_cast<float>(static_cast<int>(n) - 128) / 128.0f;
  const auto value = static_cast<std::int64_t>(n << (64 - f.bits)) >> (64 - f.bits);  // with its sign
  return static_cast<float>(std::ldexp(static_cast<double>(value), -static_cast<int>(f.bits - 1)));
}

}  // namespace detail

/// Takes a .wav file in memory apart; `from` stands for it in messages.
/// Errors:    as load_wav
inline Sound decode_wav(std::span<const std::uint8_t> bytes, const std::string& from) {
  const auto is = [&](std::size_t at, std::string_view name) {
    return bytes.size() >= at + name.size() && std::memcmp(bytes.data() + at, name.data(), name.size()) == 0;
  };
  require(bytes.size() >= 12 && is(0, "RIFF") && is(8, "WAVE"), Errc::format, "wav file {}: does not begin as RIFF with WAVE", from);
  detail::WavFormat format;
  for (std::size_t at = 12;;) {
    require(bytes.size() >= at + 8, Errc::format, "wav file {}: ends before its samples", from);
    const auto size = static_cast<std::size_t>(detail::wav_number(bytes.subspan(at + 4, 4)));
    const std::span<const std::uint8_t> rest = bytes.subspan(at + 8);
    require(size <= rest.size(), Errc::format, "wav file {}: ends within a part of {} bytes, {} of them are there", from, size, rest.size());
    if (is(at, "fmt ")) {
      require(format.code == 0, Errc::format, "wav file {}: has two formats", from);
      format = detail::read_wav_format(rest.first(size), from);
    } else if (is(at, "data")) {
      require(format.code != 0, Errc::format, "wav file {}: has samples before their format", from);
      const std::size_t each = format.bits / 8, moment = each * format.channels;
      require(size > 0 && size % moment == 0, Errc::format, "wav file {}: {} bytes of samples are no whole number of moments of {} bytes, or none", from, size,
              moment);
      Sound sound{Tensor<float>(Shape{static_cast<std::int64_t>(size / moment), static_cast<std::int64_t>(format.channels)}),
                  static_cast<int>(format.rate)};
      auto to = sound.samples.edit();
      for (std::size_t i = 0; i < to.size(); ++i) {
        to[i] = detail::wav_sample(rest.subspan(i * each, each), format);
        require(std::isfinite(to[i]), Errc::range, "wav file {}: sample {} is {}", from, i, to[i]);
      }
      return sound;
    }
    at += 8 + size + size % 2;  // parts begin at even places
  }
}

/// Reads a .wav file: PCM of 8, 16, 24 or 32 bits, or real numbers of 32 or 64, of up to 256 channels.
/// Formula:   of b bits: x = code / 2^(b-1), of 8 bits (code - 128) / 128; real numbers as they are
/// Rounding:  of 32 bits and double to the nearest float, half to even; fewer bits are exact
/// Errors:    Errc::io if it cannot be read; Errc::format if it is no .wav file, is damaged or cut; Errc::unsupported for other
///            samples (compressed ones); Errc::range if a sample is not finite
/// Source:    Microsoft and IBM 1991, Multimedia Programming Interface and Data Specifications 1.0; WAVEFORMATEXTENSIBLE
inline Sound load_wav(const std::string& path) { return decode_wav(read_file(path), path); }

}  // namespace stet
