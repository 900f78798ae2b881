#pragma once
// The outermost frame of a program.

#include "say.hpp"

#include <fmt/core.h>

#include <csignal>
#include <cstdio>
#include <exception>

namespace example {

/// Exit status of a program's body; an error is printed under the program's name, with status 1. Nobody who reads what is
/// printed is no reason to end: the body goes on, and the status is 1 in the end.
template <class F>
int run_program(const char* name, F&& body) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto complain = [&](const char* what) { std::fputs(fmt::format("{}: {}\n", name, what).c_str(), stderr); };
  int status = 1;
  try {
    status = body();
  } catch (const std::exception& e) {
    complain(e.what());
    return 1;
  }
  if (all_said()) return status;
  complain("not all of the output could be written; the files are complete");
  return status == 0 ? 1 : status;
}

}  // namespace example
