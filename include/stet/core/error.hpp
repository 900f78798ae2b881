#pragma once
// Errors: one exception type, a code per kind of mistake, and a message that names operation, argument, wanted, got.

#include <stet/core/text.hpp>

#include <initializer_list>
#include <stdexcept>
#include <string>

namespace stet {

/// Kind of mistake that an Error reports.
enum class Errc {
  shape,        ///< a tensor, window or argument list does not fit
  range,        ///< a number lies outside what the operation is defined for
  state,        ///< the object is not at the stage that the call needs (not calibrated, not frozen, ...)
  unsupported,  ///< nothing is wrong, but this operation or target cannot do it
  format,       ///< bytes do not follow the file format
  io            ///< the file system refused
};

/// Name of an error kind, as written in docs/errors.md.
inline const char* name(Errc code) {
  switch (code) {
    case Errc::shape:
      return "shape";
    case Errc::range:
      return "range";
    case Errc::state:
      return "state";
    case Errc::unsupported:
      return "unsupported";
    case Errc::format:
      return "format";
    case Errc::io:
      return "io";
  }
  return "unknown";
}

/// The only exception that stet throws on purpose; what() says what to do.
class Error : public std::runtime_error {
 public:
  Error(Errc code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] Errc code() const noexcept { return code_; }

 private:
  Errc code_;
};

namespace detail {
// Messages are made in one place, out of the way: each call of require would else bring its own formatting.
[[noreturn, gnu::cold]] STET_ENTRY void throw_error(Errc code, const char* format,
                                                    std::initializer_list<TextArgument> arguments);

#if STET_DEFINE_ENTRIES
STET_ENTRY void throw_error(Errc code, const char* format, std::initializer_list<TextArgument> arguments) {
  throw Error(code, format_text(format, arguments));
}
#endif
}  // namespace detail

/// Throws Error with a formatted message.
template <class... Args>
[[noreturn, gnu::always_inline]] inline void fail(Errc code, FormatFor<Args...> format, const Args&... args) {
  detail::throw_error(code, format.text(), {detail::TextArgument(args)...});
}

/// Throws unless the condition holds. The message is formatted only then, so arguments cost nothing on the good path.
template <class... Args>
[[gnu::always_inline]] inline void require(bool condition, Errc code, FormatFor<Args...> format, const Args&... args) {
  if (!condition) [[unlikely]]
    detail::throw_error(code, format.text(), {detail::TextArgument(args)...});
}

}  // namespace stet
