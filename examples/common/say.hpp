#pragma once
// What programs print for people: on a standard output that is closed or full a run goes on, and its exit status says it.

#include <fmt/core.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace example {

/// Prints to the standard output at once, as progress goes to another stream. fmt::print would throw where it cannot.
template <class... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  std::fputs(fmt::format(format, std::forward<Args>(args)...).c_str(), stdout);
  std::fflush(stdout);
}

/// Prints what fit warns of at the end of a run.
inline void say_warnings(const std::vector<std::string>& warnings) {
  for (const std::string& w : warnings) say("warning: {}\n", w);
}

/// Whether the standard output took all that was said.
inline bool all_said() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

}  // namespace example
