#pragma once
// equalize: channels of like size before quantizing, in a float network that computes the same.

#include <stet/core/entry.hpp>
#include <stet/graph/model.hpp>

#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/passes/channel_spaces.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#endif

namespace stet {

struct EqualizeOptions {
  int rounds = 8;  ///< over all channels; a factor changes what its neighbours want
  /// A network stays as it is where nowhere the largest channel is more than this times the median one; healthy networks have up
  /// to 4. One that is far apart hides others that are less so, so all are equalized or none.
  double above = 0;
};

/// Channels that layers share, before and after.
struct EqualizedChannels {
  std::vector<std::string> producers{}, consumers{};
  double before = 1, after = 1;  ///< largest channel of the producers' folded weights / the median one
};

/// What equalize did, and where it could do nothing.
struct EqualizeReport {
  std::vector<EqualizedChannels> channels{};
  std::vector<std::string> left{};  ///< sentences: which layer, and what stands behind it

  [[nodiscard]] std::string str() const;
};

/// Multiplies the channels of what layers make by powers of two and divides by them in the layers that read it, so that weights
/// of both have like magnitude in every channel. Float numbers are scaled exactly: the network computes the same logits, bit for
/// bit, unless a number leaves the range of float. Factors go through whatever scales channels (ReLU, pools, padding, flatten),
/// through additions, whose two sides get one factor, through concat, and to all readers of a value; batch norm takes them in
/// gamma and beta. What does not pass a factor on (ReLU6, sigmoid, the output of the network) leaves the channels in front as they are, and
/// the report names it; weights per channel help there.
/// Formula:   s[c] = 2^round(log2(sqrt(r1[c] / r2[c]))), r1 and r2 the largest magnitudes of channel c in the (folded) weights of
///            the layers that make and that read it, but no channel is made to reach beyond the one that reaches farthest (|mean|
///            + 3 deviations, by batch norm or bias and weights); what makes it is divided by s, what reads it multiplied
/// Errors:    Errc::range if rounds is below 1, or above negative or no number
/// Source:    Nagel 2019, Data-free quantization, arXiv 1906.04721; powers of two are ours
STET_ENTRY Model equalize(const Model& model, const EqualizeOptions& options = {}, EqualizeReport* report = nullptr);

#if STET_DEFINE_ENTRIES
STET_ENTRY std::string EqualizeReport::str() const {
  std::string text;
  const auto list = [](const std::vector<std::string>& names) {
    std::string all;
    for (const std::string& n : names) all += (all.empty() ? "" : ", ") + n;
    return all;
  };
  for (const EqualizedChannels& c : channels) {
    text += formatted("{} -> {}: largest channel / median {:.3g} before, {:.3g} after\n", list(c.producers), list(c.consumers), c.before, c.after);
  }
  for (const std::string& l : left) text += l + "\n";
  return text;
}

namespace detail {

// Largest class of what the layers of a space make, beside the median one.
inline double disparity(const ChannelSpaces& spaces, const ChannelSpace& s) {
  std::vector<float> most = spaces.made(s);
  const float largest = *std::max_element(most.begin(), most.end());
  std::nth_element(most.begin(), most.begin() + static_cast<std::ptrdiff_t>(most.size() / 2), most.end());
  const float median = most[most.size() / 2];
  return median > 0 ? static_cast<double>(largest / median) : 1.0;
}

inline bool equalize_space(ChannelSpaces& spaces, const ChannelSpace& s) {
  const std::vector<float> r1 = spaces.made(s), r2 = spaces.read(s), reach = spaces.reaches(s);
  const float farthest = *std::max_element(reach.begin(), reach.end());
  std::vector<double> exponents(r1.size(), 0.0);
  for (std::size_t c = 0; c < r1.size(); ++c) {
    if (!(r1[c] > 0) || !(r2[c] > 0)) continue;  // a channel of zeros wants nothing
    exponents[c] = std::nearbyint(0.5 * (std::log2(static_cast<double>(r1[c])) - std::log2(static_cast<double>(r2[c]))));
    // A channel of tiny weights and an ordinary offset would become the largest value of the layer, whose scale all share.
    if (reach[c] > 0) exponents[c] = std::max(exponents[c], std::ceil(std::log2(static_cast<double>(reach[c]) / static_cast<double>(farthest))));
  }
  return spaces.scale(s, exponents);
}

}  // namespace detail

STET_ENTRY Model equalize(const Model& model, const EqualizeOptions& options, EqualizeReport* report) {
  require(options.rounds >= 1, Errc::range, "equalize: {} rounds, must be at least 1", options.rounds);
  require(options.above >= 0.0, Errc::range, "equalize: above is {}, must not be negative; 0 equalizes all", options.above);
  EqualizeReport unread;
  EqualizeReport& said = report == nullptr ? unread : *report;
  detail::ChannelSpaces spaces(model);
  std::vector<detail::ChannelSpace> all = spaces.spaces(said.left);
  const bool apart = std::any_of(all.begin(), all.end(), [&](const detail::ChannelSpace& s) { return detail::disparity(spaces, s) > options.above; });
  if (!apart) {
    for (const detail::ChannelSpace& s : all) {
      for (const std::string& name : spaces.names(s.producers)) {
        said.left.push_back(formatted("{} is left as it is: its channels are alike, largest / median {:.3g}", name, detail::disparity(spaces, s)));
      }
    }
    all.clear();
  }
  for (const detail::ChannelSpace& s : all) said.channels.push_back({spaces.names(s.producers), spaces.names(s.consumers), detail::disparity(spaces, s), 0});
  for (int round = 0; round < options.rounds; ++round) {
    bool moved = false;
    for (const detail::ChannelSpace& s : all) moved = detail::equalize_space(spaces, s) || moved;
    if (!moved) break;
  }
  for (std::size_t i = 0; i < all.size(); ++i) said.channels[i].after = detail::disparity(spaces, all[i]);
  return spaces.take();
}
#endif

}  // namespace stet
