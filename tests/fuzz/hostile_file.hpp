#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stet_test {

/// Bytes of a file that asks for much, and how.
struct HostileFile {
  std::string what;
  std::vector<std::uint8_t> bytes;
};

}  // namespace stet_test
