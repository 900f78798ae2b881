#pragma once
// ProgramKernels: which kernels a C program needs, and their source.

#include <stet/core/error.hpp>
#include <stet/integer/target.hpp>
#include <stet/io/c/kernel/arithmetic.hpp>
#include <stet/io/c/kernel/elements.hpp>
#include <stet/io/c/kernel/layers.hpp>

#include <set>
#include <string>
#include <string_view>

namespace stet::c {

/// The kernel that makes codes of sums by a rule.
inline std::string_view code_kernel(integer::Requantization rule) {
  switch (rule) {
    case integer::Requantization::double_rounding: return "code_double_rounding";
    case integer::Requantization::half_away_double: return "code_half_away_double";
    case integer::Requantization::float_half_even: return "code_float_half_even";
  }
  return "";
}

/// Kernels in the order of their definitions, each once.
class ProgramKernels {
 public:
  void use(std::string_view name) {
    if (!used_.insert(std::string(name)).second) return;
    // "convolve_double_rounding": a kernel of layers with the rule behind its name.
    for (const Kernel& kernel : layer_kernels) {
      if (name.starts_with(kernel.name) && kernel.needs.ends_with("CODE") && name.size() > kernel.name.size()) {
        for_each_word(kernel.needs, [&](std::string_view word) { use(word == "CODE" ? "code" + std::string(name.substr(kernel.name.size())) : std::string(word)); });
        if (calls_cmsis(kernel.name, name)) use("cmsis");
        return;
      }
    }
    for_each([&](const Kernel& kernel) {
      if (kernel.name == name) for_each_word(kernel.needs, [&](std::string_view word) { use(word); });
    });
  }
  /// Whether CMSIS-NN may take over anything.
  [[nodiscard]] bool cmsis() const { return used_.contains("cmsis") || used_.contains("add") || used_.contains("multiply"); }
  /// The source of all that are used.
  [[nodiscard]] std::string source(const Target& target) const {
    std::string text;
    for_each([&](const Kernel& kernel) {
      if (kernel.needs.ends_with("CODE")) {
        for (const std::string& name : used_) {
          if (name.starts_with(kernel.name) && name.size() > kernel.name.size() && name[kernel.name.size()] == '_') text += layer(kernel, name);
        }
      } else if (used_.contains(std::string(kernel.name))) {
        text += chosen(kernel, target);
      }
    });
    return text;
  }

 private:
  template <class F>
  static void for_each(F f) {
    for (const Kernel& k : arithmetic_kernels) f(k);
    for (const Kernel& k : layer_kernels) f(k);
    for (const Kernel& k : element_kernels) f(k);
  }
  template <class F>
  static void for_each_word(std::string_view words, F f) {
    while (!words.empty()) {
      const auto end = words.find(' ');
      f(words.substr(0, end));
      words = end == std::string_view::npos ? std::string_view() : words.substr(end + 1);
    }
  }
  static std::string replaced(std::string text, std::string_view from, std::string_view to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
    return text;
  }
  static bool calls_cmsis(std::string_view kernel, std::string_view name) {
    return name.ends_with("double_rounding") && cmsis_call(kernel) != nullptr;
  }
  static const Kernel* cmsis_call(std::string_view kernel) {
    for (const Kernel& call : cmsis_calls) {
      if (call.name == kernel) return &call;
    }
    return nullptr;
  }

  static std::string layer(const Kernel& kernel, const std::string& name) {
    std::string text(kernel.source);
    const bool cmsis = calls_cmsis(kernel.name, name);
    text = replaced(std::move(text), "CMSIS", cmsis ? cmsis_call(kernel.name)->source : "");
    if (cmsis) text = replaced(std::move(text), "  return 0;\n}\n", "  return 0;\n#endif\n}\n");
    return replaced(std::move(text), "CODE", std::string_view(name).substr(kernel.name.size() + 1));
  }
  // What depends on the target's rules.
  static std::string chosen(const Kernel& kernel, const Target& target) {
    std::string text(kernel.source);
    if (kernel.name == "resize") {
      constexpr std::string_view half_away = "(sum + (sum > 0 ? half : -half)) / (half * 2)", half_up = "(sum + half) >> (2 * bits)",
                                 half_even = "(sum + half - 1 + ((sum >> (2 * bits)) & 1)) >> (2 * bits)";
      text = replaced(std::move(text), "RESIZED",
                      target.resize == integer::ResizeRule::fixed_10_half_away ? half_away
                      : target.resize == integer::ResizeRule::float_11_half_up ? half_up
                                                                               : half_even);
    }
    if (kernel.name == "quantize_half_even") {
      const bool divides = target.input == integer::InputRule::division_half_even;
      text = replaced(std::move(text), "STEPS", divides ? "x / scale" : "x * scale, which is one over the scale");
      text = replaced(std::move(text), "STEP", divides ? "/" : "*");
    }
    for (const Kernel& call : cmsis_element_calls) {
      if (call.name == kernel.name) text = replaced(std::move(text), "CMSIS", call.source);
    }
    return text;
  }

  std::set<std::string> used_{};
};

}  // namespace stet::c
