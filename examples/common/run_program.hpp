#pragma once
// The outermost frame of a program.

#include <fmt/core.h>

#include <cstdio>
#include <exception>

namespace example {

/// Exit status of a program's body; an error is printed under the program's name, with status 1.
template <class F>
int run_program(const char* name, F&& body) {
  try {
    return body();
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}: {}\n", name, e.what());
    return 1;
  }
}

}  // namespace example
