// Splits: sizes, shares of the classes, and that every sample is in one part.
#include <stet/data/split.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace split_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

// Samples that are their own number.
Dataset numbered(const std::vector<int>& sizes) {
  std::vector<std::int32_t> labels;
  for (std::size_t c = 0; c < sizes.size(); ++c) labels.insert(labels.end(), static_cast<std::size_t>(sizes[c]), static_cast<std::int32_t>(c));
  const auto n = static_cast<std::int64_t>(labels.size());
  Tensor<float> x({n, 1});
  for (std::int64_t i = 0; i < n; ++i) x.edit()[static_cast<std::size_t>(i)] = static_cast<float>(i);
  return {x, Tensor<std::int32_t>({n}, labels), static_cast<int>(sizes.size()), "numbered"};
}

std::vector<int> samples(const Dataset& data) {
  std::vector<int> all;
  const Tensor<float> x = data.batch(0, data.size()).x;
  for (const float v : x.span()) all.push_back(static_cast<int>(v));
  return all;
}

std::vector<int> sizes(const Dataset& data) {
  std::vector<int> all(static_cast<std::size_t>(data.classes()), 0);
  for (const std::int32_t label : data.labels()) ++all[static_cast<std::size_t>(label)];
  return all;
}

void check_parts(const Dataset& data, const DatasetSplit& split, std::int64_t test) {
  CHECK(split.test.size() == test);
  std::vector<int> both = samples(split.train);
  for (const int i : samples(split.test)) both.push_back(i);
  std::sort(both.begin(), both.end());
  REQUIRE(both == samples(data));
}

}  // namespace

TEST_CASE("a split puts every sample into one part, by its seed", "[data]") {
  const Dataset data = numbered({30, 70});
  const DatasetSplit split = random_split(data, 0.255, 3);
  check_parts(data, split, 26);
  CHECK(samples(split.test) == samples(random_split(data, 0.255, 3).test));
  CHECK(samples(split.test) != samples(random_split(data, 0.255, 4).test));
  // It is shuffled.
  CHECK_FALSE(std::is_sorted(samples(split.train).begin(), samples(split.train).end()));
}

TEST_CASE("a stratified split has every class by its share", "[data]") {
  for (const auto& of : std::vector<std::vector<int>>{{30, 70}, {1000, 10, 3}, {2, 2, 2, 2, 92}, {1, 1, 98}, {7, 11, 13, 17}, {1, 1, 1, 1}, {50, 0, 50}}) {
    const Dataset data = numbered(of);
    for (const double share : {0.1, 0.25, 0.5, 0.9}) {
      INFO("share " << share << " of " << of.size() << " classes, " << of[0]);
      const auto test = static_cast<std::int64_t>(std::floor(share * static_cast<double>(data.size()) + 0.5));
      if (test < 1 || test >= data.size()) continue;
      for (const std::uint64_t seed : {1u, 2u}) {
        const DatasetSplit split = stratified_split(data, share, seed);
        check_parts(data, split, test);
        const std::vector<int> in_test = sizes(split.test);
        for (std::size_t c = 0; c < of.size(); ++c) {
          const double wanted = static_cast<double>(of[c]) * static_cast<double>(test) / static_cast<double>(data.size());
          if (of[c] >= 20) CHECK(std::fabs(in_test[c] - wanted) <= static_cast<double>(of.size()));
          const auto classes = static_cast<std::int64_t>(of.size());
          if (of[c] >= 2 && test >= classes) CHECK(in_test[c] >= 1);
          if (of[c] >= 2 && data.size() - test >= classes) CHECK(in_test[c] < of[c]);
        }
      }
    }
  }
  const std::vector<int> exact = sizes(stratified_split(numbered({40, 60, 100}), 0.2, 1).test);
  CHECK(exact == std::vector<int>{8, 12, 20});
  CHECK(sizes(stratified_split(numbered({3, 3, 3}), 2.0 / 3, 1).train) == std::vector<int>{1, 1, 1});
}

TEST_CASE("splits that leave a part empty are refused", "[data]") {
  const Dataset data = numbered({3, 4});
  for (const double share : {0.0, 1.0, -0.5, std::nan("")}) CHECK_THROWS_WITH(random_split(data, share, 1), ContainsSubstring("between 0 and 1"));
  CHECK_THROWS_WITH(stratified_split(data, 0.01, 1), ContainsSubstring("leave one part empty"));
  CHECK_THROWS_WITH(stratified_split(data, 0.99, 1), ContainsSubstring("leave one part empty"));
  CHECK_THROWS_WITH(stratified_split(Dataset(Tensor<float>::zeros({4, 1})), 0.5, 1), ContainsSubstring("has no labels"));
}

}  // namespace split_test
