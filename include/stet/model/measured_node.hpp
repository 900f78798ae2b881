#pragma once
// MeasuredNode: one value of a deployed network on data, as plain data.

#include <stet/core/requirements.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace stet {

/// One value of the deployed network.
struct MeasuredNode {
  std::string node{}, kind{};  ///< name of the value; the operator that makes it
  std::string layer{};         ///< the operator's own name: another than the value's where batch norm or an activation follows it
  std::vector<int> inputs{};   ///< indices into the vector that it stands in: the drawing's edges
  int weight_bits = 0, activation_bits = 0;  ///< 0: none of its own
  double low = 0, high = 0;                  ///< real values of the ends of its grid
  double least = 0, most = 0;                ///< smallest and largest value that the data made
  double p999 = 0;                           ///< 99.9 % of the magnitudes are below
  double reach = 0;                          ///< range in use / what 99.9 % of the values need
  double clipped = 0;                        ///< part of the values outside the range by more than a step
  double stopped = 0;                        ///< part of the values whose code is cut: their gradient stops there
  double sqnr = 0;                           ///< of quantizing it, dB
  double channel_disparity = 0;              ///< of folded weights: largest channel's magnitude / the median one's; 0 without weights
  double batch_norm_drift = 0;               ///< float network: root mean square of (mean of data - running mean) / running sd
  std::int64_t channels = 0;                 ///< of the value; 0 where it is not what a layer makes
  std::int64_t dead_channels = 0;            ///< that stay within half a step on all data
  std::int64_t saturated_channels = 0;       ///< of whose values more than half lie at or beyond the upper end of the range
  std::int64_t extreme_image = -1;           ///< image of the data that made the largest magnitude
  double largest_to_second = 1;              ///< that image's magnitude / the next image's
  std::vector<std::int64_t> histogram{};     ///< of the values between least and most, equal bins
};

}  // namespace stet
