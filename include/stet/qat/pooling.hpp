#pragma once
// Pools and the mean over height and width on codes, with their gradients.

#include <stet/autograd/tape.hpp>
#include <stet/integer/pooling.hpp>
#include <stet/integer/reduction.hpp>
#include <stet/ops/pooling.hpp>
#include <stet/qat/output_estimator.hpp>
#include <stet/qat/qvar.hpp>
#include <stet/quant/range.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace stet {

/// Maximum codes of windows.
/// Shapes:    x [N,H,W,C] -> codes [N,h,w,C]
/// Gradient:  dy goes to the first maximal code of its window, or with `order` (any codes that rise with the values
///            before rounding, of x's shape) to the first tap that is maximal there: few codes tie often
inline Var<QTensor> max_pool(const Var<QTensor>& x, const Window& window, integer::Bounds bounds,
                             const Tensor<std::int8_t>* order = nullptr) {
  QTensor y{Tensor<std::int8_t>(Shape{x.shape()[0], window.h.out, window.w.out, x.shape()[3]}), x.value().params};
  Tensor<std::uint8_t> tap(x.wanted() ? y.shape() : Shape{0});
  if (order == nullptr || !x.wanted()) {
    integer::max_pool(x.value().codes, window, bounds, y.codes.edit(), tap.edit());
  } else {
    integer::max_pool(*order, window, {-128, 127}, y.codes.edit(), tap.edit());
    integer::max_pool(x.value().codes, window, bounds, y.codes.edit());
  }
  return record(std::move(y), std::tie(x), [tap, window, input = x.shape()](const Tensor<float>& dy, const auto& dx) {
    dx.add(max_pool_backward(dy, tap, window, input));
  });
}

/// Average codes of windows, padding not counted.
/// Shapes:    x [N,H,W,C] -> codes [N,h,w,C]
/// Rounding:  as the target, see integer::average_pool
/// Gradient:  dy/count to every tap inside the image; straight-through the rounding
inline Var<QTensor> average_pool(const Var<QTensor>& x, const Window& window, const integer::AveragePoolParameters& p) {
  QTensor y{Tensor<std::int8_t>(Shape{x.shape()[0], window.h.out, window.w.out, x.shape()[3]}), x.value().params};
  integer::average_pool(x.value().codes, window, p, y.codes.edit());
  return record(std::move(y), std::tie(x), [window, input = x.shape()](const Tensor<float>& dy, const auto& dx) {
    dx.add(avg_pool_backward(dy, window, false, input));
  });
}

namespace detail {

// Calls f(channel of all samples, real mean of its codes), in order.
template <class F>
void for_means(const QTensor& x, F f) {
  const Shape& s = x.shape();
  const std::int64_t pixels = s[1] * s[2];
  std::vector<std::int32_t> sums(static_cast<std::size_t>(s[3]));
  for (std::int64_t n = 0; n < s[0]; ++n) {
    std::fill(sums.begin(), sums.end(), 0);
    const std::int8_t* from = x.codes.data() + n * pixels * s[3];
    std::int32_t* to = sums.data();
    for (std::int64_t p = 0; p < pixels; ++p, from += s[3]) {
      lanes(s[3], [=](std::int64_t c) { to[c] += from[c]; });
    }
    for (std::int64_t c = 0; c < s[3]; ++c) {
      f(n * s[3] + c, x.params.scale[0] * (static_cast<float>(to[c]) / static_cast<float>(pixels) -
                                           static_cast<float>(x.params.zero_point[0])));
    }
  }
}

}  // namespace detail

/// Real range of the means over height and width.
inline Range mean_range(const QTensor& x) {
  Range range{3.4e38f, -3.4e38f};
  detail::for_means(x, [&](std::int64_t, float mean) { range = {std::min(range.lo, mean), std::max(range.hi, mean)}; });
  return range;
}

/// Mean codes over height and width, as the target takes them.
/// Shapes:    x [N,H,W,C] -> codes [N,C]
/// Gradient:  dy/(H*W) to every pixel; straight-through the rounding and, unlike a layer's, the clipping: a mean leaves
///            its range only while that still follows the data. An estimator decides instead, where there is one
inline Var<QTensor> mean(const Var<QTensor>& x, const integer::MeanParameters& p, const QParams& out,
                         const OutputEstimator& estimator = {}) {
  QTensor y{Tensor<std::int8_t>(Shape{x.shape()[0], x.shape()[3]}), out};
  integer::mean(x.value().codes, p, y.codes.edit());
  struct Codes {  // what the estimator asks for
    QTensor x, y;
  };
  std::optional<Codes> kept;
  if (estimator.estimator != nullptr) kept = Codes{x.value(), y};
  return record(std::move(y), std::tie(x),
                [input = x.shape(), estimator, kept = std::move(kept)](const Tensor<float>& dy, const auto& dx) {
                  if (!kept) return dx.add(global_average_pool_backward(dy, input));
                  Tensor<std::uint32_t> pass = Tensor<std::uint32_t>::zeros(Shape{bit_words(dy.size())});
                  std::uint32_t* bits = pass.edit().data();
                  const QParams& codes = kept->y.params;
                  detail::for_means(kept->x, [&](std::int64_t i, float mean) {
                    const float code = mean / codes.scale[0] + static_cast<float>(codes.zero_point[0]);
                    const bool inside = static_cast<float>(codes.grid.lo) - 0.5f <= code &&
                                        code <= static_cast<float>(codes.grid.hi) + 0.5f;
                    bits[i / 32] |= static_cast<std::uint32_t>(inside) << (i % 32);
                  });
                  const detail::PassedGradient passed = detail::estimated(estimator, dy, pass, &kept->y);
                  dx.add(global_average_pool_backward(detail::kept(passed.dy, passed.pass), input));
                });
}

}  // namespace stet
