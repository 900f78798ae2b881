#pragma once
// HealthyRanges: what networks without a fault measure, and where suspicion begins.

#include <stet/core/requirements.hpp>

namespace stet {

/// Where a measurement of a quantized network begins to be suspicious. The healthy values beside are those of trained
/// networks without a fault (docs/why.md). Diagnosis, check on data and the monitor of fit ask the same numbers.
struct HealthyRanges {
  double most_reach = 8.0, least_reach = 0.9;  ///< range / p99.9: healthy 1.6 to 2.3
  double clipped = 0.01;                       ///< part of the values: healthy at most 0.0012
  double largest_to_second = 2.0;              ///< image: healthy at most 1.07
  double disparity = 15.0;                     ///< largest channel / median: healthy 2.8 to 4.2
  double drift = 0.1;                          ///< of batch norm, in standard deviations: healthy at most 0.014
  double sqnr = 25.0;                          ///< dB, 8 bits: healthy 36 to 40
  double stuck_channels = 0.3;                 ///< part of a layer's channels that are dead or saturated
  double stopped = 0.25;                       ///< part of the values that the range cuts, any bits: healthy at most 0.13 (2 bits)
  double oscillating = 0.15;                   ///< part of the weights of 2 to 4 bits, where it does not fall to the end: healthy 0.04 to 0.07
  double scale_growth = 3.0;                   ///< of a layer's learned scales against each other and their start: healthy at most 1.1
  double movement = 0.005;                     ///< of weights in one step at the end of a run, relative to their size
};

}  // namespace stet
