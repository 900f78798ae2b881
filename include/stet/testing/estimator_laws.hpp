#pragma once
// Laws of Estimator.

#include <stet/qat/estimator.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/fake_quantize.hpp>
#include <stet/testing/law_report.hpp>

#include <cmath>
#include <vector>

namespace stet::testing {

namespace detail {

// What a quantizer keeps for the estimator.
template <class E>
Kept keep(const E& estimator, const Tensor<float>& x, const QParams& p) {
  Kept kept;
  if (needs_mask(estimator)) {
    Tensor<std::int32_t> codes(x.shape());
    kept.pass = Tensor<std::uint32_t>(Shape{bit_words(x.size())});
    encode(x.span(), x.shape(), p, estimator.mask(), codes.edit(), kept.pass.edit());
  }
  if (needs_input(estimator)) kept.x = x;
  return kept;
}

}  // namespace detail

/// Checks an estimator.
/// Laws:  the gradient has the input's shape; a zero gradient gives zero; with a surrogate(x, p, scale index), pull of
///        ones equals its central difference wherever it is smooth
template <class E>
LawReport check_estimator_laws(const E& estimator, const LawOptions& options = {}) {
  static_cast<void>(check_estimator<E>());
  LawReport report;
  Rng rng(options.seed);
  for (int round = 0; round < options.rounds; ++round) {
    const Shape shape{1 + static_cast<std::int64_t>(rng.below(5)), 1 + static_cast<std::int64_t>(rng.below(40))};
    const auto lo = static_cast<float>(-rng.uniform(0, 2));
    const auto hi = static_cast<float>(rng.uniform(0.1, 2));
    const Grid grid = rng.below(2) == 0 ? Grid::int8() : Grid::signed_bits(2 + static_cast<int>(rng.below(3)));
    const QParams p = choose_qparams(Range{lo, hi}, grid);
    const Tensor<float> x(shape, testing::detail::random_values(rng, shape.elements(), round));
    const Kept kept = detail::keep(estimator, x, p);
    const std::string input = fmt::format("x of shape {}, scale {:.9g}, zero point {}, grid {}..{}", shape, p.scale[0],
                                          p.zero_point[0], grid.lo, grid.hi);

    const Tensor<float> none = estimator.pull(Tensor<float>::zeros(shape), kept, p).dx;
    report.check(none.shape() == shape, "the shape is kept", input, shape.str(), none.shape().str());
    bool zero = true;
    for (const float v : none.span()) zero = zero && v == 0.0f;
    report.check(zero, "a zero gradient gives zero", input, "0", "something else");

    if constexpr (requires { estimator.surrogate(0.0, p, std::size_t{0}); }) {
      const Tensor<float> dx = estimator.pull(Tensor<float>::filled(shape, 1.0f), kept, p).dx;
      const double h = 1e-4 * static_cast<double>(p.scale[0]);
      for (std::int64_t i = 0; i < x.size(); ++i) {
        const double at = x[i];
        const double below = estimator.surrogate(at - h, p, 0);
        const double middle = estimator.surrogate(at, p, 0);
        const double above = estimator.surrogate(at + h, p, 0);
        if (std::abs(above - 2 * middle + below) > 1e-3 * h) continue;  // a kink
        const double slope = (above - below) / (2 * h);
        report.check(std::abs(slope - static_cast<double>(dx[i])) < 1e-3,
                     "the surrogate's finite difference equals pull", fmt::format("x[{}] = {:.9g}, {}", i, x[i], input),
                     fmt::format("{:.6g}", slope), fmt::format("{:.6g}", dx[i]));
      }
    }
  }
  return report;
}

}  // namespace stet::testing
