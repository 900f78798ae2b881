// Augmentation: what each does to images, and that a run with it is the same for its seed, in parts and whatever the threads.
#include <stet/data/augment.hpp>

#include <stet/core/parallel.hpp>
#include <stet/data/shapes.hpp>
#include <stet/graph/builder.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/metric.hpp>

#include "support/catch.hpp"
#include "support/tensors.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <set>

namespace augment_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Batch images(std::int64_t count) {
  Batch b{uniform<float>({count, 5, 4, 2}, 1)};
  b.labels = Tensor<std::int32_t>::zeros({count});
  return b;
}

Model network() {
  Graph g;
  auto x = g.input({28, 28, 1});
  x = relu(conv2d(x, {.filters = 4, .kernel = 3, .stride = 4}).named("conv"));
  g.output(linear(flatten(x), {.units = 10}));
  return Model(std::move(g), Rng(1));
}

}  // namespace

TEST_CASE("a flip mirrors the columns of the images that it takes", "[data]") {
  Batch b = images(200);
  const Tensor<float> before = b.x;
  Rng rng(1);
  RandomFlip{.probability = 1}(b, rng);
  for (std::int64_t i = 0; i < before.size(); ++i) {
    const std::int64_t c = i % 2, w = i / 2 % 4, row = i / 8;
    REQUIRE(b.x[(row * 4 + 3 - w) * 2 + c] == before[i]);
  }
  RandomFlip{.probability = 1}(b, rng);
  CHECK(equal(b.x, before));
  RandomFlip{.probability = 0.25}(b, rng);
  int flipped = 0;
  for (std::int64_t n = 0; n < 200; ++n) flipped += b.x[n * 40] != before[n * 40] ? 1 : 0;
  CHECK((flipped > 25 && flipped < 80));
}

TEST_CASE("a shift moves whole images and fills what comes in", "[data]") {
  Batch b = images(400);
  const Tensor<float> before = b.x;
  Rng rng(2);
  RandomShift{.pixels = 2, .fill = 9}(b, rng);
  std::set<std::pair<int, int>> seen;
  for (std::int64_t n = 0; n < 400; ++n) {
    const auto at = [&](const Tensor<float>& x, std::int64_t h, std::int64_t w) {
      return x[((n * 5 + h) * 4 + w) * 2];
    };
    int fits = 0;
    for (int down = -2; down <= 2; ++down) {
      for (int right = -2; right <= 2; ++right) {
        bool same = true;
        for (std::int64_t h = 0; h < 5; ++h) {
          for (std::int64_t w = 0; w < 4; ++w) {
            const bool inside = h - down >= 0 && h - down < 5 && w - right >= 0 && w - right < 4;
            same = same && at(b.x, h, w) == (inside ? at(before, h - down, w - right) : 9.0f);
          }
        }
        if (same) seen.emplace(down, right), ++fits;
      }
    }
    REQUIRE(fits == 1);
  }
  CHECK(seen.size() == 25);
}

TEST_CASE("noise has its deviation and no mean", "[data]") {
  Batch b{Tensor<float>::zeros({20, 1000})};
  Rng rng(3);
  AddNoise{.sigma = 0.5}(b, rng);
  double sum = 0, squares = 0;
  for (const float v : b.x.span())
    sum += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v);
  CHECK(std::fabs(sum / 20000) < 0.02);
  CHECK(std::sqrt(squares / 20000) == Approx(0.5).epsilon(0.03));
}

TEST_CASE("an augmented run is one run: for its seed, in parts, on any number of threads", "[train]") {
  const Dataset data = make_shapes(1, 96, 1).train;
  FitOptions o{.epochs = 2,
               .batch = 32,
               .augment = {RandomFlip{}, RandomShift{.pixels = 1}, AddNoise{.sigma = 0.1}},
               .progress = ProgressMode::quiet};
  const auto weights = [](const Model& m) { return m.parameter("conv.weight").value; };
  Model whole = network(), parts = network(), plain = network(), other = network();
  set_threads(1);
  fit(whole, data, o);
  set_threads(2);
  FitRun run;
  FitOptions part = o;
  part.run = &run;
  part.stop_after = 1;
  while (!run.finished()) fit(parts, data, part);
  CHECK(equal(weights(whole), weights(parts)));
  set_threads(0);
  FitOptions without = o;
  without.augment.clear();
  fit(plain, data, without);
  CHECK_FALSE(equal(weights(whole), weights(plain)));
  o.augment.push_back([](Batch& b, Rng&) { b.x.edit()[0] += 1; });
  fit(other, data, o);
  CHECK_FALSE(equal(weights(whole), weights(other)));

  Model model = network();
  part.augment[1] = RandomShift{.pixels = 2};
  FitRun again;
  part.run = &again;
  fit(model, data, part);
  part.augment[1] = RandomShift{.pixels = 3};
  CHECK_THROWS_WITH(fit(model, data, part), ContainsSubstring("shift by 2 pixels, filled with 0, noise of 0.1 there"));
  o.augment = {[](Batch& b, Rng&) { b.x = b.x.reshaped({32, 784}); }};
  CHECK_THROWS_WITH(fit(model, data, o), ContainsSubstring("'of its own' made a batch of [32,784] from [32,28,28,1]"));
}

TEST_CASE("augmentation refuses what it is not made for", "[data]") {
  Batch rows{uniform<float>({4, 5}, 1)}, b = images(2);
  Rng rng(1);
  CHECK_THROWS_WITH(RandomFlip{}(rows, rng), ContainsSubstring("RandomFlip: x must be [B,H,W,C], got [4,5]"));
  CHECK_THROWS_WITH(RandomShift{}(rows, rng), ContainsSubstring("RandomShift: x must be [B,H,W,C]"));
  CHECK_THROWS_WITH(RandomShift{.pixels = -1}(b, rng), ContainsSubstring("-1 pixels, must be in 0.."));
  CHECK_THROWS_WITH(RandomFlip{.probability = 2}(b, rng), ContainsSubstring("must be in 0..1"));
  CHECK_THROWS_WITH(AddNoise{.sigma = -1}(b, rng), ContainsSubstring("sigma is -1"));
}

TEST_CASE("numbers that augmentation spoils are not taken for training that diverges", "[data]") {
  const Dataset data = make_shapes(1, 64, 1).train;
  Model model = network();
  FitOptions o{.epochs = 1, .batch = 32, .progress = ProgressMode::quiet};
  o.augment = {[](Batch& b, Rng&) { b.x.edit()[5] = std::nanf(""); }};
  CHECK_THROWS_WITH(fit(model, data, o), ContainsSubstring("augment: 'of its own' made numbers that are NaN or infinite"));
  o.augment = {AddNoise{.sigma = 1e39}};
  CHECK_THROWS_WITH(fit(model, data, o), ContainsSubstring("augment: 'noise of 1e+39' made numbers that are NaN or infinite"));
  Batch b = images(2);
  Rng rng(1);
  CHECK_THROWS_WITH(RandomShift{.fill = INFINITY}(b, rng), ContainsSubstring("fill is inf, must be finite"));
  CHECK_THROWS_WITH(RandomShift{.pixels = std::numeric_limits<std::int64_t>::max()}(b, rng), ContainsSubstring("must be in 0..1073741824"));
  RandomShift{.pixels = 1 << 30}(b, rng);
  CHECK(b.x[0] == 0);
  CHECK_THROWS_WITH(Augmentation(std::function<void(Batch&, Rng&)>{}), ContainsSubstring("made of an empty function"));
}

}  // namespace augment_test
