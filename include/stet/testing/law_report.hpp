#pragma once
// Reports of the laws: which law, which input breaks it, what was expected and what came. Framework-free.

#include <stet/core/random.hpp>
#include <stet/core/shape.hpp>

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::testing {

/// One law that does not hold, with the smallest input found that breaks it.
struct Broken {
  std::string law, input, expected, got;
};

/// What a run over the laws found.
struct LawReport {
  std::int64_t checked = 0;
  std::vector<Broken> broken{};

  [[nodiscard]] bool ok() const { return broken.empty() && checked > 0; }
  [[nodiscard]] std::string str() const {
    std::string text = fmt::format("{} checks, {} broken laws\n", checked, broken.size());
    for (const Broken& b : broken) {
      text += fmt::format("law: {}\n  input: {}\n  expected: {}\n  got: {}\n", b.law, b.input, b.expected, b.got);
    }
    return text;
  }
  /// Counts a check; records it if it failed and this law is not recorded yet.
  void check(bool holds, const std::string& law, const std::string& input, const std::string& expected,
             const std::string& got) {
    ++checked;
    if (holds) return;
    for (const Broken& b : broken) {
      if (b.law == law) return;
    }
    broken.push_back({law, input, expected, got});
  }
};

struct LawOptions {
  std::uint64_t seed = 1;
  int rounds = 50;  ///< random inputs per law
};

/// Text of values, at most eight of them, with enough digits to repeat them.
inline std::string text(const std::vector<float>& values) {
  std::string out = "{";
  for (std::size_t i = 0; i < values.size() && i < 8; ++i) out += fmt::format("{}{:.9g}", i > 0 ? ", " : "", values[i]);
  return out + (values.size() > 8 ? fmt::format(", ... {} values}}", values.size()) : "}");
}

/// Makes a failing input simpler while fails(x) stays true: sets elements to 0, then to 1 or -1.
template <class Fails>
std::vector<float> shrink(std::vector<float> x, Fails fails) {
  const auto replace = [&](std::size_t first, std::size_t last, float value) {
    std::vector<float> simpler = x;
    for (std::size_t i = first; i < last; ++i) {
      if (simpler[i] != 0.0f) simpler[i] = simpler[i] < 0.0f ? -value : value;
    }
    if (simpler != x && fails(simpler)) x = std::move(simpler);
  };
  for (std::size_t length = x.size(); length > 0; length /= 2) {
    for (std::size_t first = 0; first < x.size(); first += length) {
      const std::size_t last = first + length < x.size() ? first + length : x.size();
      replace(first, last, 0.0f);
    }
  }
  for (std::size_t i = 0; i < x.size(); ++i) replace(i, i + 1, 1.0f);
  return x;
}

namespace detail {

/// Random values of one of several kinds: normal, uniform, one-sided, with large outliers, tiny, all zero.
inline std::vector<float> random_values(Rng& rng, std::int64_t count, int kind) {
  std::vector<float> x(static_cast<std::size_t>(count));
  for (float& v : x) {
    double value = rng.normal();
    if (kind % 6 == 1) value = rng.uniform(-3, 3);
    if (kind % 6 == 2) value = value < 0 ? -value : value;
    if (kind % 6 == 3 && rng.below(16) == 0) value *= 1000;
    if (kind % 6 == 4) value *= 1e-20;
    if (kind % 6 == 5) value = 0;
    v = static_cast<float>(value);
  }
  return x;
}

}  // namespace detail

}  // namespace stet::testing
