#pragma once
// freeze: layers that training leaves as they are.

#include <stet/graph/model.hpp>

#include <cstddef>
#include <string_view>

namespace stet {

/// Whether a name fits a pattern, in which * stands for any characters, none too.
constexpr bool fits_pattern(std::string_view pattern, std::string_view name) {
  // The last star takes one character more whenever what is behind it does not fit: linear but for the products of both.
  std::size_t p = 0, n = 0, star = std::string_view::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

namespace detail {
inline void set_frozen(const char* op, Model& model, std::string_view pattern, bool frozen) {
  bool any = false;
  const auto set = [&](auto& entries) {
    for (auto& entry : entries) {
      if (!fits_pattern(pattern, model.graph().node(entry.node).name)) continue;
      entry.frozen = frozen;
      any = true;
    }
  };
  set(model.parameters());
  set(model.buffers());
  require(any, Errc::range, "{}: no node with parameters is named '{}'; * stands for any characters", op, pattern);
}
}  // namespace detail

/// Holds the nodes whose names fit a pattern: training moves neither their parameters nor a batch norm's running statistics,
/// which normalize then as in evaluation, and computes no gradients for them. A quantized model's own scales go on. Frozen
/// is part of the model: prepare and copies keep it, files do not.
///
///   freeze(model, "stem*");    // then fit(model, data), or prepare it and fit that
///
/// Errors:    Errc::range if no node with parameters fits; nothing is changed then
inline void freeze(Model& model, std::string_view pattern) { detail::set_frozen("freeze", model, pattern, true); }

/// Lets nodes move again.
/// Errors:    as freeze
inline void unfreeze(Model& model, std::string_view pattern = "*") {
  detail::set_frozen("unfreeze", model, pattern, false);
}

}  // namespace stet
