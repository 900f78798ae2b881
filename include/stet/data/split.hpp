#pragma once
// Splits of a data set into one part to train on and one to test with.

#include <stet/core/random.hpp>
#include <stet/data/batches.hpp>
#include <stet/data/dataset.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace stet {

namespace detail {

// How many of `samples` are set aside.
// Errors:    Errc::range unless both parts get one at least
inline std::int64_t share_of(const char* op, const Dataset& data, double share) {
  require(share > 0 && share < 1, Errc::range, "{}: the share of the test data is {}, must be between 0 and 1", op, share);
  const auto count = static_cast<std::int64_t>(std::floor(share * static_cast<double>(data.size()) + 0.5));
  require(count >= 1 && count < data.size(), Errc::range, "{}: {} of {} samples of data set {} leave one part empty; take another share", op, share,
          data.size(), data.name());
  return count;
}

}  // namespace detail

/// Splits a data set at random: the samples are shuffled by the seed, and the first of them are the test data.
/// Rounding:  share * N to the nearest number of samples, half up
/// Errors:    Errc::range unless share is between 0 and 1 and leaves a sample to each part
inline DatasetSplit random_split(const Dataset& data, double share, std::uint64_t seed) {
  const auto count = static_cast<std::size_t>(detail::share_of("random_split", data, share));
  const std::vector<std::int64_t> order = shuffled_order(data.size(), seed, 0);
  return {data.subset(std::span(order).subspan(count)), data.subset(std::span(order).first(count))};
}

/// The same with every class in both parts as often as its size asks: of N samples share * N are test data, and of those of a
/// class share * n, rounded so that the sum is right (largest remainders first, of equals the lower class). A class of two or
/// more samples has one in each part where the parts are large enough, taken from the class that has most.
///
///   const DatasetSplit s = stratified_split(data, 0.2, 1);
///   fit(model, s.train, {.validation = &s.test});
///
/// Rounding:  share * N to the nearest number of samples, half up
/// Errors:    Errc::range as random_split; Errc::state unless the data have labels for the output
inline DatasetSplit stratified_split(const Dataset& data, double share, std::uint64_t seed, std::size_t output = 0) {
  const std::int64_t count = detail::share_of("stratified_split", data, share);
  const std::span<const std::int32_t> labels = data.labels(output);
  const auto classes = static_cast<std::size_t>(data.classes(output));
  std::vector<std::int64_t> size(classes, 0), taken(classes, 0);
  for (const std::int32_t label : labels) ++size[static_cast<std::size_t>(label)];
  std::vector<double> rest(classes, 0);
  std::int64_t left = count;
  for (std::size_t c = 0; c < classes; ++c) {
    const double wanted = static_cast<double>(size[c]) * static_cast<double>(count) / static_cast<double>(data.size());
    taken[c] = static_cast<std::int64_t>(std::floor(wanted));
    rest[c] = wanted - static_cast<double>(taken[c]);
    left -= taken[c];
  }
  std::vector<std::size_t> order(classes);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rest[a] > rest[b]; });
  for (std::size_t i = 0; left > 0; ++i, --left) ++taken[order[i]];  // fewer are left than classes have a rest
  // A class that is missing in one part gets a sample of the class that has most of them there.
  for (const bool in_test : {true, false}) {
    const auto there = [&](std::size_t c) { return in_test ? taken[c] : size[c] - taken[c]; };
    const std::int64_t one = in_test ? 1 : -1;
    for (std::size_t c = 0; c < classes; ++c) {
      if (size[c] < 2 || there(c) > 0) continue;
      const std::size_t most = *std::max_element(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return there(a) < there(b); });
      if (there(most) < 2) break;
      taken[most] -= one;
      taken[c] += one;
    }
  }
  std::vector<std::int64_t> train, test;
  for (const std::int64_t i : shuffled_order(data.size(), seed, 0)) {
    std::int64_t& of_class = taken[static_cast<std::size_t>(labels[static_cast<std::size_t>(i)])];
    (of_class > 0 ? test : train).push_back(i);
    if (of_class > 0) --of_class;
  }
  return {data.subset(train), data.subset(test)};
}

}  // namespace stet
