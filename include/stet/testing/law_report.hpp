#pragma once
// Reports of the laws: which law, which parameters and input break it, what was expected and what came. Framework-free.

#include <stet/core/requirements.hpp>
#include <stet/core/text.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace stet::testing {

/// One law that does not hold, with the smallest input found that breaks it.
struct Broken {
  std::string law, input, expected, got;
  std::string parameters{};  ///< of the type under test; filled in by for_all_parameters
};

/// What a run over the laws found.
struct LawReport {
  std::int64_t checked = 0;
  std::vector<Broken> broken{};

  [[nodiscard]] bool ok() const { return broken.empty() && checked > 0; }
  /// The report as text, one paragraph per broken law.
  [[nodiscard]] std::string str() const {
    std::string text =
        formatted("{} checks, {} broken law{}\n", checked, broken.size(), broken.size() == 1 ? "" : "s");
    if (checked == 0) text += "nothing was checked: that is not ok\n";
    for (const Broken& b : broken) {
      text += formatted("law: {}\n", b.law);
      if (!b.parameters.empty()) text += formatted("  parameters: {}\n", b.parameters);
      text += formatted("  input: {}\n  expected: {}\n  got: {}\n", b.input, b.expected, b.got);
    }
    return text;
  }
  /// The entry of a law, or nullptr if it was not broken.
  [[nodiscard]] const Broken* find(const std::string& law) const {
    for (const Broken& b : broken) {
      if (b.law == law) return &b;
    }
    return nullptr;
  }
  /// Counts a check; records it if it failed and this law is not recorded yet.
  void check(bool holds, const std::string& law, const std::string& input, const std::string& expected,
             const std::string& got) {
    ++checked;
    if (!holds && find(law) == nullptr) broken.push_back({law, input, expected, got});
  }
};

/// How long the laws are tried.
struct LawOptions {
  std::uint64_t seed = 1;
  int rounds = 50;  ///< random inputs per law; the first ones are small
};

/// Text of values, at most eight of them, with enough digits to repeat them.
inline std::string text(const std::vector<float>& values) {
  std::string out = "{";
  for (std::size_t i = 0; i < values.size() && i < 8; ++i) out += formatted("{}{}", i > 0 ? ", " : "", values[i]);
  return out + (values.size() > 8 ? formatted(", ... {} values}}", values.size()) : "}");
}

}  // namespace stet::testing

template <>
struct fmt::formatter<stet::testing::LawReport> : stet::TextFormatter {};
