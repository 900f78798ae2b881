#pragma once
// Kernel: a function of a C program in source, with those that it calls.

#include <stet/core/requirements.hpp>

#include <string_view>

namespace stet::c {

/// Source of one C99 function (or type) with its comment. A program holds those that its nodes call, once each.
struct Kernel {
  std::string_view name;   ///< without the prefix stet_ that it has in C
  std::string_view needs;  ///< names of others, separated by spaces
  std::string_view source;
};

}  // namespace stet::c
