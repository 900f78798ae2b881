#pragma once
// RoundingData: what passes look at that choose the codes of weights.

#include <stet/core/requirements.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace stet {

/// Which images a pass over weights looks at, and which layers it changes.
struct RoundingData {
  std::int64_t images = 1024;  ///< drawn at random from all; 0: all
  std::int64_t batch = 128;    ///< images at a time
  std::uint64_t seed = 1;      ///< of the drawing, and of what else is drawn
  std::vector<std::string> layers{};  ///< names of the layers; empty: all that have weights
};

}  // namespace stet
