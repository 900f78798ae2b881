// A calibrated range, and how training follows from it.
#include <stet/core/random.hpp>
#include <stet/qat/lsq_range.hpp>
#include <stet/qat/quantizer.hpp>
#include <stet/quant/mse_observer.hpp>

#include "support/catch.hpp"

#include <utility>
#include <vector>

namespace calibrated_range_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

std::vector<float> normal(std::uint64_t seed, float deviation) {
  Rng rng(seed);
  std::vector<float> x(2000);
  for (float& v : x) v = deviation * static_cast<float>(rng.normal());
  return x;
}

// A quantizer calibrated on three batches.
Quantizer calibrated(const AnyObserver& observer, const AnyScheme& scheme, float deviation = 1.0f) {
  Quantizer q("x", scheme, MovingAverageObserver({}, 0.5f), observer);
  CalibratedRange found = q.calibration().fresh();
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const std::vector<float> x = normal(seed, deviation);
    found.observe(x, min_max(x));
    found.end_batch();
  }
  q.calibrate(std::move(found));
  return q;
}

void step(Quantizer& q, const Range& range) {
  q.observe(range);
  q.end_step();
}

}  // namespace

TEST_CASE("values that share a scale are one batch") {
  CalibratedRange found(MedianObserver<MseObserver>{});
  found.set_grid(Grid::activation(8));
  AnyObserver whole(MedianObserver<MseObserver>{});
  whole.set_grid(Grid::activation(8), false);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    std::vector<float> wide = normal(seed, 4.0f);
    const std::vector<float> narrow = normal(seed + 10, 0.1f);
    found.observe(narrow, min_max(narrow));
    found.observe(wide, min_max(wide));
    found.end_batch();
    wide.insert(wide.end(), narrow.begin(), narrow.end());
    whole.observe(std::span<const float>(wide));
  }
  found.choose();
  CHECK(found.chosen() == whole.ranges()[0]);
  CHECK(found.typical().hi > 8.0f);
}

TEST_CASE("training starts from the calibrated range exactly, and keeps cutting off the same part") {
  for (const int bits : {2, 4, 8}) {
    INFO(bits << " bits");
    const Grid grid = Grid::activation(bits);
    Quantizer q = calibrated(MedianObserver<MseObserver>{}, Int8Activation(bits));
    const Range chosen = q.calibration().chosen(), typical = q.calibration().typical();
    CHECK(q.params() == choose_qparams(chosen, grid));
    if (bits < 8) CHECK(chosen.hi < 0.9f * typical.hi);  // it cuts off
    q.start();
    step(q, typical);  // nothing moved: nothing moves, to the bit
    CHECK(q.params() == choose_qparams(chosen, grid));
    for (int i = 0; i < 40; ++i) step(q, {2 * typical.lo, 2 * typical.hi});
    CHECK(q.params().scale[0] == Approx(2 * choose_qparams(chosen, grid).scale[0]).epsilon(1e-5));
    CHECK(q.params().zero_point == choose_qparams(chosen, grid).zero_point);
  }
}

TEST_CASE("a range that reaches beyond a typical batch is left as batches come") {
  Quantizer q = calibrated(MinMaxObserver{}, Int8Activation());
  const Range chosen = q.calibration().chosen(), typical = q.calibration().typical();
  CHECK(chosen.hi > typical.hi);
  CHECK(q.params() == choose_qparams(chosen, Grid::int8()));
  q.start();
  for (int i = 0; i < 60; ++i) step(q, typical);
  CHECK(q.params().scale[0] == Approx(choose_qparams(typical, Grid::int8()).scale[0]).epsilon(1e-5));
}

TEST_CASE("an end that calibration did not see follows the batches") {
  Quantizer q("x", Int8Activation(4), LastBatchObserver{}, MedianObserver<MseObserver>{});
  CalibratedRange found = q.calibration().fresh();
  std::vector<float> x = normal(1, 1.0f);
  for (float& v : x) v = v < 0 ? -v : v;
  found.observe(x, min_max(x));
  found.end_batch();
  q.calibrate(std::move(found));
  CHECK(q.params().zero_point[0] == Grid::activation(4).lo);
  q.start();
  const Range typical = q.calibration().typical();
  step(q, {-2 * typical.hi, typical.hi});
  CHECK(q.params() == choose_qparams(Range{-2 * typical.hi, q.calibration().chosen().hi}, Grid::activation(4)));
}

TEST_CASE("a new calibration takes the place of the old one, until a learned scale has moved") {
  const Quantizer wide = calibrated(MedianObserver<MseObserver>{}, Int8Activation(4), 8.0f);
  for (const bool learned : {false, true}) {
    Quantizer q = calibrated(MedianObserver<MseObserver>{}, Int8Activation(4));
    if (learned) q.learn(lsq());
    CHECK(q.freshly_calibrated());
    q.calibrate(wide.calibration());
    CHECK(q.params() == wide.params());
    q.start();
    q.calibrate(wide.calibration());  // quantizing does not end it, training does
    const QParams before = q.params();
    CHECK(before.scale[0] == Approx(wide.params().scale[0]).epsilon(1e-6));
    step(q, {-1, 1});
    CHECK_FALSE(q.freshly_calibrated());
    CHECK(q.calibrates() == !learned);
    q.calibrate(calibrated(MedianObserver<MseObserver>{}, Int8Activation(4)).calibration());
    CHECK((q.params() == before) == learned);
    q.freeze();
    CHECK_FALSE(q.calibrates());
  }
}

TEST_CASE("disagreement is how far one batch reaches beyond a typical one") {
  CalibratedRange found(MinMaxObserver{});
  CHECK(found.disagreement() == 1.0);
  for (const float hi : {1.0f, 1.0f, 30.0f}) {
    found.observe({}, Range{0.0f, hi});
    found.end_batch();
  }
  CHECK(found.disagreement() == 30.0);
  CalibratedRange dead(MinMaxObserver{});
  dead.observe({}, Range{0.0f, 0.0f});
  dead.end_batch();
  CHECK(dead.disagreement() == 1.0);
}

TEST_CASE("a value that is zero in most batches has the range of the others") {
  Quantizer q("x", Int8Activation(), MovingAverageObserver{}, MedianObserver<MseObserver>{});
  CalibratedRange found = q.calibration().fresh();
  for (const float hi : {0.0f, 0.0f, 0.5f, 0.0f}) {
    found.observe(std::vector<float>{0.0f, hi}, Range{0.0f, hi});
    found.end_batch();
  }
  q.calibrate(std::move(found));
  CHECK(q.params() == choose_qparams(Range{0.0f, 0.5f}, Grid::int8()));
  CHECK(q.calibration().disagreement() == 1.0);
}

TEST_CASE("an observer of values is refused where a step has ranges only") {
  CHECK_THROWS_WITH(Quantizer("x", Int8Activation(), MseObserver{}),
                    ContainsSubstring("quantizer of x: its training observer needs values"));
}

}  // namespace calibrated_range_test
