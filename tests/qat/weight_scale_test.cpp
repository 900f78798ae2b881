// Learned scales of weights: where they start, what codes they give, and their gradients.
#include <stet/core/random.hpp>
#include <stet/qat/fold.hpp>
#include <stet/qat/lsq_range.hpp>
#include <stet/qat/tqt_range.hpp>
#include <stet/qat/weight_scale.hpp>

#include "support/catch.hpp"
#include "support/tensors.hpp"

#include <cmath>
#include <limits>
#include <vector>

namespace weight_scale_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::normal;

namespace {

double squared_error(const Tensor<float>& w, const WeightCodes& q, int axis) {
  const ScaleMap channel = channel_of(w.shape(), axis);
  double sum = 0;
  for (std::int64_t i = 0; i < w.size(); ++i) {
    const double s = static_cast<double>(q.scale[q.scale.size() == 1 ? 0 : static_cast<std::size_t>(channel.index(i))]);
    sum += std::pow(static_cast<double>(w[i]) - s * q.codes[i], 2);
  }
  return sum;
}

// The loss that the closed form belongs to: sum of D times the rounded weights, D and the rounding error held still.
double rounded(float w, double log_scale, double top) {
  const double s = std::exp(log_scale);
  const double v = static_cast<double>(w) / s;
  return v < -top ? -top * s : v > top ? top * s : s * std::nearbyint(v);
}

}  // namespace

TEST_CASE("scales start at the least squared error, not far from a search over the values") {
  const Tensor<float> w = normal({3, 4, 4, 8}, 1);
  for (const int bits : {2, 3, 4, 8}) {
    for (const bool per_channel : {true, false}) {
      const AnyScheme scheme = symmetric(bits, per_channel, WeightRange::mse);
      const std::vector<float> scale = initial_weight_scale(w, 0, scheme);
      REQUIRE(scale.size() == (per_channel ? 3u : 1u));
      const double found = squared_error(w, quantize_weights(w, 0, scheme, {}, scale), 0);
      for (const double factor : {0.8, 0.9, 0.95, 1.05, 1.1, 1.25}) {
        std::vector<float> other = scale;
        for (float& s : other) s *= static_cast<float>(factor);
        CHECK(found <= 1.01 * squared_error(w, quantize_weights(w, 0, scheme, {}, other), 0));
      }
      CHECK(found <= squared_error(w, quantize_weights(w, 0, symmetric(bits, per_channel)), 0) * 1.0001);
    }
  }
}

TEST_CASE("one bit is the sign times the mean magnitude, of which nothing is better") {
  const Tensor<float> w({2, 4}, {1, -2, 3, -4, 0, 0, 0, 0});
  const WeightCodes q = quantize_weights(w, 0, symmetric(1));
  const std::vector<std::int8_t> codes(q.codes.span().begin(), q.codes.span().end());
  CHECK(codes == std::vector<std::int8_t>{64, -64, 64, -64, 64, 64, 64, 64});
  CHECK(q.scale[0] == 2.5f / 64);
  CHECK(q.scale[1] == 0x1p-23f / 64);
  for (const float s : {2.0f, 2.4f, 2.6f, 3.0f}) {
    CHECK(squared_error(w, q, 0) < squared_error(w, quantize_weights(w, 0, symmetric(1), {}, std::vector<float>{s, 1.0f}), 0));
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(quantize_weights(Tensor<float>({1, 2}, {1, nan}), 0, symmetric(1)), ContainsSubstring("NaN or infinite"));
}

TEST_CASE("the gradient of the scale is the closed form of LSQ, and the derivative where values are clipped") {
  for (const int bits : {1, 2, 3, 4, 8}) {
    for (const bool per_channel : {true, false}) {
      const Tensor<float> w = normal({3, 2, 2, 5}, static_cast<std::uint64_t>(bits));
      const AnyScheme scheme = symmetric(bits, per_channel);
      const double top = bits == 1 ? 1 : Grid::narrow(bits).hi;
      std::vector<float> logs, scales;
      for (std::size_t c = 0; c < (per_channel ? 3u : 1u); ++c) logs.push_back(static_cast<float>(std::log(0.9 / top) + 0.1 * static_cast<double>(c)));
      for (const float log : logs) scales.push_back(std::exp(log));
      Parameter weights{w};
      AnyLearnedRange range = lsq();
      range.begin({*scheme.traits().grid, weight_granularity(scheme, 0), scales, std::vector<std::int32_t>(scales.size())});
      range.set_elements(w.size());
      Tape tape;
      const auto y = through_weight_codes(tape.parameter(weights), scales, 0, scheme, {}, {&range, "layer"});
      const Tensor<float> d = normal(w.shape(), 9);
      tape.backward(y, d);
      std::vector<double> expected(logs.size(), 0.0), clipped(logs.size(), 0.0);
      const double count = static_cast<double>(w.size()) / static_cast<double>(logs.size());
      for (std::int64_t i = 0; i < w.size(); ++i) {
        const std::size_t k = per_channel ? static_cast<std::size_t>(i / 20) : 0;
        const double s = std::exp(static_cast<double>(logs[k]));
        const double v = static_cast<double>(w[i]) / s;
        const bool inside = bits == 1 || std::fabs(v) <= top;
        CHECK(weights.gradient[i] == (inside ? d[i] : 0.0f));
        const double code = bits == 1 ? (v < 0 ? -1.0 : 1.0) : std::clamp(std::nearbyint(v), -top, top);
        expected[k] += static_cast<double>(d[i]) * s * (code - (inside && bits > 1 ? v : 0.0));
        if (bits > 1 && !inside) {
          // Beyond the ends the quantized weight is smooth in the scale.
          const double h = 1e-5;
          clipped[k] += static_cast<double>(d[i]) * (rounded(w[i], static_cast<double>(logs[k]) + h, top) - rounded(w[i], static_cast<double>(logs[k]) - h, top)) / (2 * h);
          clipped[k] -= static_cast<double>(d[i]) * s * code;
        }
      }
      for (std::size_t k = 0; k < logs.size(); ++k) {
        CHECK(static_cast<double>(range.parameters()[0]->gradient[static_cast<std::int64_t>(k)]) ==
              Approx(expected[k] / std::sqrt(count * top)).epsilon(1e-4).margin(1e-5));
        CHECK(clipped[k] == Approx(0).margin(1e-4));
      }
    }
  }
}

TEST_CASE("every learned range of weights is pulled by its own rule, and NaN is an error that names the layer") {
  const Tensor<float> w = normal({3, 4, 4, 8}, 1), d = normal(w.shape(), 2);
  const AnyScheme scheme = symmetric(4);
  const QParams start{Grid::narrow(4), Granularity::per_channel(0), {0.25f, 0.5f, 0.125f}, {0, 0, 0}};
  AnyLearnedRange tqt = TqtRange();
  REQUIRE(tqt.begin(start));
  CHECK(tqt.qparams() == start);  // powers of two
  AnyLearnedRange other = tqt;
  const ScaleGradients wanted = fake_quantize_scale_backward(w.span(), d.span(), w.shape(), start, TqtRange().rule());
  other.pull(wanted.scale, wanted.zero_point);
  Tape tape;
  tape.backward(through_weight_codes(tape.constant(w), start.scale, 0, scheme, {}, {&tqt, "conv"}), d);
  for (std::int64_t k = 0; k < 3; ++k) CHECK(tqt.parameters()[0]->gradient[k] == other.parameters()[0]->gradient[k]);

  Tensor<float> bad = d;
  bad.edit()[7] = std::numeric_limits<float>::quiet_NaN();
  AnyLearnedRange range = lsq();
  range.begin(start);
  Tape spoilt;
  const auto y = through_weight_codes(spoilt.constant(w), start.scale, 0, scheme, {}, {&range, "conv"});
  CHECK_THROWS_WITH(spoilt.backward(y, bad), ContainsSubstring("conv: LsqRange: the gradient of scale 0 is nan"));
  CHECK_THROWS_WITH(through_weight_codes(tape.constant(normal({3, 4}, 1)), std::vector<float>{1, 1}, 0, scheme),
                    ContainsSubstring("need 3 scales, got 2"));
}

}  // namespace weight_scale_test
