#include <stet/diagnose/diagnose_input.hpp>

#include <stet/data/shapes.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/quantize.hpp>
#include <stet/train/fit.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

namespace diagnose_input_test {

using namespace stet;

namespace {

// Coloured figures, bright on dark, with a spot whose place tells the class: no exchange of axes or channels leaves them as
// they are.
Dataset coloured(const Dataset& grey) {
  const Batch b = grey.batch(0, grey.size());
  Tensor<float> x(Shape{grey.size(), 28, 28, 3});
  auto out = x.edit();
  constexpr std::array<std::array<float, 3>, 3> inks = {{{1.0f, 0.5f, 0.1f}, {0.6f, 0.9f, 0.1f}, {0.8f, 0.2f, 0.4f}}};
  for (std::int64_t i = 0; i < grey.size(); ++i) {
    std::vector<float> pixels(b.x.data() + i * 784, b.x.data() + (i + 1) * 784);
    std::nth_element(pixels.begin(), pixels.begin() + 392, pixels.end());
    const int label = b.labels[i];
    for (std::int64_t p = 0; p < 784; ++p) {
      const std::int64_t row = p / 28, column = p % 28;
      float v = std::fmin(1.0f, 0.7f * std::fabs(b.x[i * 784 + p] - pixels[392]));
      if (row >= 1 && row < 4 && column >= 1 + 2 * label && column < 4 + 2 * label) v = std::fmin(1.0f, v + 0.5f);
      for (std::size_t c = 0; c < 3; ++c) {
        out[static_cast<std::size_t>((i * 784 + p) * 3) + c] = std::round(255.0f * v * inks[static_cast<std::size_t>(label) % 3][c]) / 255.0f;
      }
    }
  }
  return {x, b.labels, 10, "coloured shapes"};
}

const DatasetSplit& images() {
  static const DatasetSplit data = [] {
    const DatasetSplit grey = make_shapes(3, 2000, 600);
    return DatasetSplit{coloured(grey.train), coloured(grey.test)};
  }();
  return data;
}

constexpr std::array<float, 3> imagenet_mean = {0.485f, 0.456f, 0.406f}, imagenet_sd = {0.229f, 0.224f, 0.225f};

using Change = std::function<float(float value, std::size_t channel)>;
Dataset changed(const Dataset& data, const Change& f) {
  Batch b = data.batch(0, data.size());
  auto x = b.x.edit();
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = f(x[i], i % 3);
  return {b.x, b.labels, 10, "changed"};
}
using From = std::function<std::int64_t(std::int64_t h, std::int64_t w, std::int64_t c)>;
Dataset moved(const Dataset& data, const From& from) {
  const Batch b = data.batch(0, data.size());
  Tensor<float> y(b.x.shape());
  auto to = y.edit();
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const std::int64_t in = i % 2352, h = in / 84, w = in / 3 % 28, c = in % 3;
    to[static_cast<std::size_t>(i)] = b.x[i / 2352 * 2352 + from(h, w, c)];
  }
  return {y, b.labels, 10, "moved"};
}
std::int64_t at(std::int64_t h, std::int64_t w, std::int64_t c) { return (h * 28 + w) * 3 + c; }

IntegerModel deployed(const Dataset& train) {
  Graph g;
  auto x = g.input({28, 28, 3});
  x = max_pool(relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2, .bias = false}))), {.size = 2});
  x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3, .bias = false})));
  g.output(linear(flatten(x), {.units = 10}).named("logits"));
  Model m(std::move(g), Rng(1));
  (void)fit(m, train, {.epochs = 3, .optimizer = Adam{.lr = 3e-3}, .progress = ProgressMode::quiet});
  QatModel qat = prepare(m, recipes::int8());
  calibrate(qat, train);
  return convert(qat);
}
const IntegerModel& model() {
  static const IntegerModel m = deployed(images().train);
  return m;
}

std::string named(const IntegerModel& m, const Dataset& data, std::int64_t sample = 300) {
  const InputDiagnosis d = diagnose_input(m, data, {.images = sample});
  UNSCOPED_INFO(d.str());
  for (const TriedInput& t : d.tried) UNSCOPED_INFO(formatted("{}: {:.4f} {:.4f} {:.4f}", t.id, t.accuracy, t.loss, t.distance));
  if (d.causes.empty()) return d.healthy() ? "healthy" : "unknown";
  CHECK(d.causes.back().accuracy >= d.accuracy);
  CHECK_FALSE(d.healthy());
  return d.causes.size() == 1 ? d.causes[0].id : d.causes[0].id + "+" + d.causes[1].id;
}

}  // namespace

TEST_CASE("each fault in how images are prepared is named first") {
  const Dataset few = images().test.first(80);  // all 27 corrections are tried on each of 21 faults
  const InputFingerprint f = model().input_fingerprints[0];
  const auto byte = [](float v) { return std::round(v * 255.0f); };
  const std::vector<std::pair<std::string, Change>> faults = {
      {"times_255", [](float v, std::size_t) { return v * 255; }},
      {"divided_by_255", [](float v, std::size_t) { return v / 255; }},
      {"standardised", [&](float v, std::size_t c) { return (v - f.channel_mean[c]) / f.channel_sd[c]; }},
      {"standardised_together", [&](float v, std::size_t) { return (v - f.mean) / f.sd; }},
      {"imagenet", [](float v, std::size_t c) { return (v - imagenet_mean[c]) / imagenet_sd[c]; }},
      {"minus_one_to_one", [](float v, std::size_t) { return 2 * v - 1; }},
      {"inverted", [&](float v, std::size_t) { return f.least() + f.most() - v; }},
      {"minus_128", [](float v, std::size_t) { return v - 128.0f / 255; }},
      {"plus_128", [](float v, std::size_t) { return v + 128.0f / 255; }},
      {"bytes_minus_128", [&](float v, std::size_t) { return byte(v) - 128; }},
      {"int8_wrap", [&](float v, std::size_t) { return (byte(v) > 127 ? byte(v) - 256 : byte(v)) / 255; }},
      {"int8_wrap_bytes", [&](float v, std::size_t) { return byte(v) > 127 ? byte(v) - 256 : byte(v); }},
      {"halves_swapped", [&](float v, std::size_t) { return std::fmod(byte(v) + 128, 256.0f) / 255; }},
      {"gamma", [](float v, std::size_t) { return std::pow(v, 2.2f); }},
      {"inverse_gamma", [](float v, std::size_t) { return std::pow(v, 1 / 2.2f); }},
  };
  for (const auto& [id, fault] : faults) {
    INFO(id);
    CHECK(named(model(), changed(few, fault), 0) == id);
  }
  const std::vector<std::pair<std::string, From>> places = {
      {"bgr", [](auto h, auto w, auto c) { return at(h, w, 2 - c); }},
      {"transposed", [](auto h, auto w, auto c) { return at(w, h, c); }},
      {"mirrored", [](auto h, auto w, auto c) { return at(h, 27 - w, c); }},
      {"upside_down", [](auto h, auto w, auto c) { return at(27 - h, w, c); }},
      {"turned", [](auto h, auto w, auto c) { return at(27 - h, 27 - w, c); }},
      // The j-th number of a planar image: channel by channel.
      {"planar", [](auto h, auto w, auto c) { const std::int64_t j = at(h, w, c); return j % 784 * 3 + j / 784; }},
  };
  for (const auto& [id, from] : places) {
    INFO(id);
    CHECK(named(model(), moved(few, from), 0) == id);
  }
}

TEST_CASE("two faults at once are both named") {
  const Dataset both = changed(moved(images().test, [](auto h, auto w, auto c) { return at(h, w, 2 - c); }),
                               [](float v, std::size_t) { return v * 255; });
  CHECK(named(model(), both) == "times_255+bgr");
}

TEST_CASE("images as in calibration, and changes without effect, are no fault") {
  CHECK(named(model(), images().test) == "healthy");
  CHECK(named(model(), images().train.first(500)) == "healthy");
  CHECK(named(model(), images().test.first(60)) == "healthy");
  CHECK(named(model(), changed(images().test, [](float v, std::size_t) { return v * 255 / 256; })) == "healthy");
  CHECK(named(model(), changed(images().test, [](float v, std::size_t) { return std::floor(v * 255 / 16) * 16 / 255; })) == "healthy");
  const std::string text = diagnose_input(model(), images().test).str();
  CHECK(text.find("as in calibration") != std::string::npos);
}

namespace {

// One dot on black, above or below the middle, which is the class. The network looks at the dot's column only: how sure it is
// of the answer, and whether it is right, depends on the column alone.
Dataset dots(const std::vector<int>& columns) {
  Rng rng(5);
  constexpr std::int64_t n = 400;
  Tensor<float> x = Tensor<float>::zeros(Shape{n, 8, 8, 1});
  Tensor<std::int32_t> labels(Shape{n});
  for (std::int64_t i = 0; i < n; ++i) {
    const auto label = static_cast<std::int32_t>(rng.below(2));
    const auto row = static_cast<std::int64_t>(rng.below(4)) + (label == 0 ? 0 : 4);
    const std::int64_t column = columns[rng.below(columns.size())];
    x.edit()[static_cast<std::size_t>(i * 64 + row * 8 + column)] = static_cast<float>(rng.uniform(0.8, 1.0));
    labels.edit()[static_cast<std::size_t>(i)] = label;
  }
  return {x, labels, 2, "dots"};
}
IntegerModel dot_reader(const std::array<float, 8>& column_weight) {
  Graph g;
  g.output(linear(flatten(g.input({8, 8, 1})), {.units = 2}).named("logits"));
  Model m(std::move(g), Rng(1));
  auto w = m.parameter("logits.weight").value.edit();
  for (std::size_t i = 0; i < 64; ++i) {
    w[i] = (i < 32 ? 1.0f : -1.0f) * column_weight[i % 8];
    w[64 + i] = -w[i];
  }
  return quantize(m, recipes::int8(), dots({0, 0, 0, 0, 1, 2, 5, 6, 7, 7, 7, 7}));
}

}  // namespace

TEST_CASE("a smaller loss alone names nothing where it is tiny, or where fewer images are right") {
  // Always right, a little surer on the right-hand side: mirrored, the loss is an eighth, and still means nothing.
  const IntegerModel sure = dot_reader({2.5f, 3, 3, 3, 3, 3, 3, 3.7f});
  const Dataset left = dots({0});
  const InputDiagnosis d = diagnose_input(sure, left);
  UNSCOPED_INFO(d.str());
  CHECK(d.accuracy == 1);
  CHECK(d.causes.empty());
  const auto mirrored = std::find_if(d.tried.begin(), d.tried.end(), [](const TriedInput& t) { return t.id == "mirrored"; });
  REQUIRE(mirrored != d.tried.end());
  CHECK(mirrored->loss < 0.5 * d.loss);
  // With a rule that has no floor it would have been named.
  CHECK_FALSE(diagnose_input(sure, left, {.least_loss = 0}).causes.empty());

  // Mirrored, what was wrong is less surely wrong, and some that were right are wrong: a smaller loss of worse answers.
  const IntegerModel wrong = dot_reader({3, -4, 1, 2, 2, -1, -1, 3});
  const InputDiagnosis w = diagnose_input(wrong, dots({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2}));
  UNSCOPED_INFO(w.str());
  const auto other = std::find_if(w.tried.begin(), w.tried.end(), [](const TriedInput& t) { return t.id == "mirrored"; });
  REQUIRE(other != w.tried.end());
  CHECK(other->loss < 0.8 * w.loss - 0.02);
  CHECK(other->accuracy < w.accuracy);
  CHECK(w.causes.empty());
}

TEST_CASE("a fault that no correction undoes is told as one without a name") {
  Rng rng(1);
  const Dataset noise = changed(images().test, [&](float, std::size_t) { return static_cast<float>(rng.uniform(0.0, 1.0)); });
  const InputDiagnosis d = diagnose_input(model(), noise);
  CHECK(d.causes.empty());
  CHECK_FALSE(d.healthy());
  CHECK(d.str().find("no fault that is known") != std::string::npos);
}

TEST_CASE("a model of standardised images names what was left out") {
  const auto standardised = [](const Dataset& data) {
    return changed(data, [](float v, std::size_t c) { return (v - imagenet_mean[c]) / imagenet_sd[c]; });
  };
  const IntegerModel m = deployed(standardised(images().train));
  CHECK(named(m, standardised(images().test)) == "healthy");
  CHECK(named(m, images().test) == "not_imagenet");
  CHECK(named(m, changed(images().test, [](float v, std::size_t) { return v * 255; })) == "bytes_not_imagenet");
}

TEST_CASE("diagnose_input refuses what it cannot compare") {
  IntegerModel without = model();
  without.input_fingerprints.clear();
  CHECK_THROWS_AS(diagnose_input(without, images().test), Error);
  IntegerModel broken = model();
  broken.input_fingerprints[0].quantiles.pop_back();
  CHECK_THROWS_AS(diagnose_input(broken, images().test), Error);
  CHECK_THROWS_AS(diagnose_input(model(), images().test, {.least_loss = -1}), Error);
  CHECK_THROWS_AS(diagnose_input(model(), images().test, {.images = -1}), Error);
  CHECK_THROWS_AS(diagnose_input(model(), make_shapes(1, 10, 10).test), Error);
}

TEST_CASE("a fingerprint holds what the images are, whatever the batches") {
  Tensor<float> x(Shape{2, 4, 4, 1});
  for (std::size_t i = 0; i < 32; ++i) x.edit()[i] = static_cast<float>(i);
  FingerprintCollector whole, parts;
  whole.observe(x);
  for (std::int64_t i = 0; i < 2; ++i) {
    parts.observe(Tensor<float>(Shape{1, 4, 4, 1}, std::vector<float>(x.data() + i * 16, x.data() + (i + 1) * 16)));
  }
  const InputFingerprint f = std::move(whole).finish();
  CHECK(f == std::move(parts).finish());
  CHECK(f.fault().empty());
  CHECK(f.images == 2);
  CHECK(f.levels == 32);
  CHECK(f.mean == 15.5f);
  CHECK(f.least() == 0);
  CHECK(f.most() == 31);
  CHECK(f.quantiles[5] == 16);
  CHECK(f.gradient_x == 1);
  CHECK(f.gradient_y == 4);
  CHECK(f.mean_image[5] == 13);
  CHECK_THROWS_AS(FingerprintCollector().finish(), Error);
}

}  // namespace diagnose_input_test
