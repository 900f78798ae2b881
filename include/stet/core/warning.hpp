#pragma once
// warn: says what the caller should know and that stops nothing. Silence about a loss is a fault, an exception would be too much.

#include <stet/core/error.hpp>
#include <stet/core/output.hpp>

#include <cstdio>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <string>
#include <utility>

namespace stet {

/// Takes one warning, a sentence without a line end that names the operation and what mends it.
using WarningHandler = std::function<void(const std::string& message)>;

namespace detail {
struct Warnings {
  std::mutex mutex{};
  WarningHandler handler{};
};
inline Warnings& warnings() {
  static Warnings state;
  return state;
}
[[gnu::cold, gnu::noinline]] inline void send_warning(const char* format, std::initializer_list<TextArgument> arguments) {
  const std::string message = format_text(format, arguments);
  WarningHandler handler;
  {
    const std::lock_guard lock(warnings().mutex);
    handler = warnings().handler;
  }
  if (handler) {
    handler(message);
  } else {
    show_text(stderr, "stet: " + message + "\n");
  }
}
}  // namespace detail

/// Says something with a formatted message: "operation: what, and what to do".
/// Every warning of one cause is said once where it arises, not per step.
template <class... Args>
[[gnu::always_inline]] inline void warn(FormatFor<Args...> format, const Args&... args) {
  detail::send_warning(format.text(), {detail::TextArgument(args)...});
}

/// Sets who takes warnings, and gives back who did; an empty handler is the default, a line on the standard error stream.
/// The handler is called on the thread that warns, and may throw to make warnings errors.
inline WarningHandler set_warning_handler(WarningHandler handler) {
  const std::lock_guard lock(detail::warnings().mutex);
  return std::exchange(detail::warnings().handler, std::move(handler));
}

}  // namespace stet
