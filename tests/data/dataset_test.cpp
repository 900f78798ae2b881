// Data sets, their batches, and the background loader.
#include <stet/data/loader.hpp>
#include <stet/data/shapes.hpp>

#include "support/catch.hpp"
#include "support/forked.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace dataset_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

// Image i of `count` has 2x3 pixels: the bytes 6i, 6i+1, ... modulo 256; its label is i modulo 4.
Dataset numbered(std::int64_t count) {
  Tensor<std::uint8_t> images({count, 2, 3, 1});
  Tensor<std::int32_t> labels({count});
  auto pixels = images.edit();
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i);
  for (std::int64_t i = 0; i < count; ++i) labels.edit()[static_cast<std::size_t>(i)] = static_cast<int>(i % 4);
  return {images, labels, 4, "numbered"};
}

bool same(const Batch& a, const Batch& b) {
  return a.x.shape() == b.x.shape() && std::ranges::equal(a.x.span(), b.x.span()) &&
         std::ranges::equal(a.labels.span(), b.labels.span());
}

}  // namespace

TEST_CASE("a byte becomes exactly byte/255, the value whose code is byte-128", "[data][bits]") {
  Tensor<std::uint8_t> images({1, 256});
  for (int i = 0; i < 256; ++i) images.edit()[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i);
  const Batch b = Dataset(images, Tensor<std::int32_t>({1}, {0}), 1, "bytes").batch(0, 1);
  for (int i = 0; i < 256; ++i) {
    const volatile float byte = static_cast<float>(i), divisor = 255.0f;
    CHECK(b.x[i] == byte / divisor);
    CHECK(std::nearbyint(b.x[i] * 255.0f) - 128.0f == static_cast<float>(i) - 128.0f);
  }
}

TEST_CASE("a batch holds the asked images and labels in order", "[data]") {
  const Dataset data = numbered(10);
  CHECK(data.size() == 10);
  CHECK(data.shape() == Shape{2, 3, 1});
  const std::vector<std::int64_t> order{7, 0, 7};
  const Batch b = data.batch(order);
  CHECK(b.x.shape() == Shape{3, 2, 3, 1});
  CHECK(b.size() == 3);
  CHECK(b.labels[0] == 3);
  CHECK(b.labels[1] == 0);
  CHECK(b.x[0] == 42.0f / 255.0f);
  CHECK(b.x[6] == 0.0f);
  CHECK(b.x[17] == 47.0f / 255.0f);
  const std::vector<std::int64_t> range{4, 5, 6};
  CHECK(same(data.batch(4, 7), data.batch(range)));
}

TEST_CASE("slices share pixels and count from their own start", "[data]") {
  const auto live = [] { return MemoryPool::instance().statistics().live_bytes; };
  const Dataset data = numbered(1000);
  const std::size_t before = live();
  const Dataset part = data.slice(100, 900).slice(10, 20);
  CHECK(live() == before);
  CHECK(part.size() == 10);
  CHECK(part.labels()[0] == 110 % 4);
  CHECK(same(part.batch(0, 10), data.batch(110, 120)));
  CHECK(data.first(3).size() == 3);
  CHECK(data.first(5000).size() == 1000);
}

TEST_CASE("samples may have several inputs, and answers for several outputs", "[data]") {
  const std::int64_t n = 10;
  Tensor<std::uint8_t> bytes({n, 2, 2, 1});
  Tensor<float> measured({n, 3}), boxes({n, 4});
  Tensor<std::int32_t> kinds(Shape{n}), labels(Shape{n});
  for (std::int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    for (std::size_t k = 0; k < 4; ++k) bytes.edit()[at * 4 + k] = static_cast<std::uint8_t>(i);
    for (std::size_t k = 0; k < 3; ++k) measured.edit()[at * 3 + k] = static_cast<float>(10 * i + static_cast<std::int64_t>(k));
    for (std::size_t k = 0; k < 4; ++k) boxes.edit()[at * 4 + k] = static_cast<float>(100 * i);
    labels.edit()[at] = static_cast<std::int32_t>(i % 3);
    kinds.edit()[at] = static_cast<std::int32_t>(i % 2);
  }
  const Dataset data = Dataset(measured, labels, 3, "scenes").with_input(bytes, 5.0f).with_targets(boxes).with_labels(kinds, 2);
  CHECK(data.inputs() == 2);
  CHECK(data.answers() == 3);
  CHECK(data.shape() == Shape{3});
  CHECK(data.shape(1) == Shape{2, 2, 1});
  CHECK(data.classes() == 3);
  CHECK(data.classes(1) == 0);
  CHECK(data.classes(2) == 2);
  CHECK(data.has_targets(1));
  CHECK(data.target_shape(1) == Shape{4});
  CHECK_FALSE(data.has_labels(3));
  CHECK_THROWS_WITH(data.shape(2), ContainsSubstring("Dataset scenes: input 2 does not exist, there are 2"));

  // A later part, another order, and a copy of some: all belong together.
  const std::vector<std::int64_t> some{4, 1};
  for (const Batch& b : {data.slice(3, 9).batch(some), data.slice(3, 9).subset(some).batch(0, 2)}) {
    REQUIRE(b.size() == 2);
    REQUIRE(b.inputs().size() == 2);
    REQUIRE(b.more_truth.size() == 2);
    for (std::int64_t i = 0; i < 2; ++i) {
      const std::int64_t sample = 3 + some[static_cast<std::size_t>(i)];
      CHECK(b.x[3 * i + 1] == static_cast<float>(10 * sample + 1));
      CHECK(b.inputs()[1][4 * i] == static_cast<float>(sample) / 5.0f);
      CHECK(b.labels[i] == sample % 3);
      CHECK(b.for_output(1).targets[4 * i] == static_cast<float>(100 * sample));
      CHECK(b.for_output(1).labels.empty());
      CHECK(b.for_output(2).labels[i] == sample % 2);
    }
    CHECK(b.for_output(3).labels.empty());
    CHECK(b.for_output(2).inputs().size() == 2);
  }
  const Batch truth = data.first(4).truth();
  CHECK(truth.x.empty());
  CHECK(truth.for_output(1).targets.shape() == Shape{4, 4});

  CHECK_THROWS_WITH(data.with_input(Tensor<float>::zeros({9, 3})), ContainsSubstring("10 samples need as many values of the next input, got 9 of [3]"));
  CHECK_THROWS_WITH(data.with_input(bytes, 0.0f), ContainsSubstring("divisor 0 must be positive"));
  CHECK_THROWS_WITH(data.with_targets(Tensor<float>::zeros({9, 3})), ContainsSubstring("10 samples need targets [10, ...], got [9,3]"));
  CHECK_THROWS_WITH(data.with_labels(kinds, 1), ContainsSubstring("label 1 of image 1 is outside of 0..0"));
  Tensor<float> broken = measured;
  broken.edit()[7] = NAN;
  CHECK_THROWS_WITH(data.with_input(broken), ContainsSubstring("element 1 of image 2 is nan"));
}

TEST_CASE("float images are taken as they are", "[data]") {
  const Dataset data(Tensor<float>({2, 2}, {-1.5f, 2, 3, 4}), Tensor<std::int32_t>({2}, {0, 1}), 2, "floats");
  const Batch b = data.batch(1, 2);
  CHECK(b.x.shape() == Shape{1, 2});
  CHECK(b.x[0] == 3.0f);
}

TEST_CASE("bad data sets are refused with the place of the fault", "[data]") {
  const Tensor<std::uint8_t> images({2, 2, 2, 1}, {0, 0, 0, 0, 0, 0, 0, 0});
  const auto labels = [](int a, int b) { return Tensor<std::int32_t>({2}, {a, b}); };
  CHECK_THROWS_WITH(Dataset(images, labels(0, 3), 3, "d"),
                    ContainsSubstring("d: label 3 of image 1 is outside of 0..2"));
  CHECK_THROWS_WITH(Dataset(images, labels(-1, 0), 3, "d"), ContainsSubstring("label -1 of image 0"));
  CHECK_THROWS_WITH(Dataset(images, Tensor<std::int32_t>({3}, {0, 0, 0}), 3, "d"),
                    ContainsSubstring("2 images need labels [2], got [3]"));
  CHECK_THROWS_WITH(Dataset(images, labels(0, 0), 0, "d"), ContainsSubstring("classes is 0"));
  CHECK_THROWS_WITH(Dataset(images, labels(0, 0), 1, "d", 0.0f), ContainsSubstring("divisor 0"));
  CHECK_THROWS_WITH(Dataset(Tensor<std::uint8_t>(), Tensor<std::int32_t>(), 1, "d"),
                    ContainsSubstring("batch dimension"));
  CHECK_THROWS_WITH(Dataset(Tensor<std::uint8_t>({0, 4}), Tensor<std::int32_t>(), 1, "d"),
                    ContainsSubstring("no images"));
  CHECK_THROWS_WITH(Dataset(Tensor<float>({2, 2}, {0, 0, std::nanf(""), 0}), labels(0, 0), 1, "d"),
                    ContainsSubstring("element 0 of image 1 is nan"));
  CHECK_THROWS_WITH(Dataset(Tensor<float>({2, 2}, {0, INFINITY, 0, 0}), labels(0, 0), 1, "d"),
                    ContainsSubstring("element 1 of image 0 is inf"));
  const Dataset data = numbered(10);
  CHECK_THROWS_WITH(data.first(0), ContainsSubstring("first(0)"));
  CHECK_THROWS_WITH(data.slice(5, 5), ContainsSubstring("slice 5..5 of 10"));
  CHECK_THROWS_AS(data.slice(-1, 5), Error);
  CHECK_THROWS_AS(data.batch(8, 11), Error);
  const std::vector<std::int64_t> bad{3, 10};
  CHECK_THROWS_WITH(data.batch(bad), ContainsSubstring("image 10 of 10"));
}

TEST_CASE("an epoch visits every image once, in an order of its own", "[data]") {
  const Batches a(1000, {.size = 128, .seed = 5}, 3);
  CHECK(a.size() == 8);
  std::vector<std::int64_t> seen;
  for (std::int64_t i = 0; i < a.size(); ++i) seen.insert(seen.end(), a[i].begin(), a[i].end());
  CHECK(a[7].size() == 1000 - 7 * 128);
  CHECK(seen == shuffled_order(1000, 5, 3));
  CHECK(seen != shuffled_order(1000, 5, 4));
  CHECK(seen != shuffled_order(1000, 6, 3));
  std::ranges::sort(seen);
  for (std::int64_t i = 0; i < 1000; ++i) CHECK(seen[static_cast<std::size_t>(i)] == i);
  CHECK(Batches(1000, {.size = 128, .drop_last = true}, 0).size() == 7);
  CHECK(Batches(10, {.size = 4, .shuffle = false}, 0)[1][0] == 4);
  CHECK(Batches(3, {.size = 128}, 0)[0].size() == 3);
}

TEST_CASE("a sample is drawn from the whole set, without repetition, and cut evenly", "[data]") {
  const Batches sample(1000, {.size = 16, .seed = 5, .images = 50, .even = true}, 0);
  REQUIRE(sample.size() == 4);
  CHECK(sample.images() == 50);
  std::vector<std::int64_t> seen;
  for (std::int64_t i = 0; i < 4; ++i) {
    CHECK(sample[i].size() == (i < 2 ? 13u : 12u));
    seen.insert(seen.end(), sample[i].begin(), sample[i].end());
  }
  const std::vector<std::int64_t> order = shuffled_order(1000, 5, 0);
  CHECK(seen == std::vector<std::int64_t>(order.begin(), order.begin() + 50));
  CHECK(std::count_if(seen.begin(), seen.end(), [](std::int64_t i) { return i >= 500; }) > 10);  // not the first ones
  // All images where there are fewer, one step where they fit, steps of one size where that divides them.
  CHECK(Batches(10, {.size = 128, .images = 50, .even = true}, 0)[0].size() == 10);
  CHECK(Batches(10, {.size = 128, .images = 0, .even = true}, 0).size() == 1);
  for (std::int64_t i = 0; i < 8; ++i) CHECK(Batches(1024, {.size = 128, .even = true}, 0)[i].size() == 128);
  for (std::int64_t n = 1; n <= 40; ++n) {
    for (std::int64_t size = 1; size <= 12; ++size) {
      const Batches even(n, {.size = size, .shuffle = false, .even = true}, 0);
      std::int64_t next = 0;
      std::size_t least = 99, most = 0;
      for (std::int64_t i = 0; i < even.size(); ++i) {
        for (const std::int64_t image : even[i]) CHECK(image == next++);
        least = std::min(least, even[i].size());
        most = std::max(most, even[i].size());
      }
      CHECK(next == n);
      CHECK(most - least <= 1);
      CHECK(most <= static_cast<std::size_t>(size));
    }
  }
}

TEST_CASE("the shuffled order is the same everywhere", "[data][bits]") {
  CHECK(shuffled_order(8, 1, 0) == std::vector<std::int64_t>{2, 7, 0, 4, 5, 3, 1, 6});
  CHECK(shuffled_order(8, 1, 1) == std::vector<std::int64_t>{5, 7, 6, 0, 4, 3, 2, 1});
}

TEST_CASE("bad batch options are refused", "[data]") {
  CHECK_THROWS_WITH(Batches(0, {}, 0), ContainsSubstring("0 samples"));
  CHECK_THROWS_WITH(Batches(5, {.size = 0}, 0), ContainsSubstring("batch size is 0"));
  CHECK_THROWS_WITH(Batches(5, {.size = 8, .drop_last = true}, 0), ContainsSubstring("drop_last"));
  CHECK_THROWS_WITH(Batches(5, {.images = -1}, 0), ContainsSubstring("-1 images"));
  CHECK_THROWS_AS(Batches(5, {}, 0)[1], Error);
  CHECK_THROWS_AS(Batches(5, {}, 0)[-1], Error);
}

TEST_CASE("the loader delivers the same batches as the data set", "[data]") {
  const Dataset data = numbered(100);
  const Batches batches(100, {.size = 8}, 1);
  for (const std::size_t depth : {1u, 2u, 50u}) {
    BatchLoader loader(data, batches, depth);
    CHECK(loader.size() == 13);
    for (std::int64_t i = 0; i < 13; ++i) {
      const auto b = loader.next();
      REQUIRE(b);
      CHECK(same(*b, data.batch(batches[i])));
    }
    CHECK_FALSE(loader.next());
    CHECK_FALSE(loader.next());
  }
}

TEST_CASE("an abandoned loader ends its thread", "[data]") {
  const Dataset data = numbered(1000);
  for (int taken = 0; taken < 20; ++taken) {
    BatchLoader loader(data, Batches(1000, {.size = 4}, 0), 2);
    for (int i = 0; i < taken; ++i) CHECK(loader.next());
  }
}

TEST_CASE("what making a batch throws arrives at the caller, in its place", "[data]") {
  BatchLoader loader(
      10,
      [](std::int64_t i) -> Batch {
        if (i == 2) throw std::runtime_error("batch 2 is broken");
        return {};
      },
      4);
  CHECK(loader.next());
  CHECK(loader.next());
  CHECK_THROWS_WITH(loader.next(), ContainsSubstring("batch 2 is broken"));
  CHECK_FALSE(loader.next());
  CHECK_THROWS_WITH(BatchLoader(numbered(4), Batches(4, {}, 0), 0), ContainsSubstring("depth is 0"));
  BatchLoader none(0, [](std::int64_t) { return Batch{}; });
  CHECK_FALSE(none.next());
}

TEST_CASE("drawn images depend on the seed and their position alone", "[data]") {
  const DatasetSplit a = make_shapes(7, 300, 50), b = make_shapes(7, 100, 10), c = make_shapes(8, 100, 10);
  CHECK(a.train.shape() == Shape{28, 28, 1});
  CHECK(a.train.classes() == 10);
  CHECK(a.test.name() == "shapes (drawn by the program)");
  CHECK(same(a.train.batch(0, 100), b.train.batch(0, 100)));
  CHECK(same(a.test.batch(0, 10), b.test.batch(0, 10)));
  CHECK_FALSE(same(a.train.batch(0, 50), a.test.batch(0, 50)));
  CHECK_FALSE(same(b.train.batch(0, 100), c.train.batch(0, 100)));
  set_threads(1);
  CHECK(same(make_shapes(7, 300, 50).train.batch(0, 300), a.train.batch(0, 300)));
  set_threads(0);
  std::array<int, 10> counts{};
  for (const std::int32_t label : a.train.labels()) ++counts[static_cast<std::size_t>(label)];
  CHECK(std::ranges::min(counts) >= 10);
  CHECK_THROWS_WITH(make_shapes(1, 0, 10), ContainsSubstring("0 training images"));
  CHECK_THROWS_WITH(make_shapes(1, 10, -3), ContainsSubstring("-3 test images"));
}

TEST_CASE("a forked process is told that the loader's thread is not in it") {
  BatchLoader loader(numbered(64), Batches(64, {.size = 4}, 0), 2);
  CHECK(loader.next().has_value());
  CHECK(stet_test::forked([&] {
    try {
      (void)loader.next();
    } catch (const Error& e) {
      BatchLoader own(numbered(8), Batches(8, {.size = 4}, 0), 2);
      return e.code() == Errc::state && own.next().has_value();
    }
    return false;
  }));
  int rest = 0;
  while (loader.next()) ++rest;
  CHECK(rest == 15);
}

}  // namespace dataset_test
