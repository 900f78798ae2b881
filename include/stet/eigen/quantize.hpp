#pragma once
// Ranges, parameters, codes and fake quantization of Eigen's matrices.

#include <stet/eigen/elements.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/fake_quantize.hpp>
#include <stet/quant/quantize.hpp>

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>

namespace stet {

/// Codes of a matrix and the parameters that make them real numbers: QTensor for Eigen.
/// Shapes:    codes a matrix or array of integers; params for [codes.rows(), codes.cols()]
template <class Codes>
struct QMatrix {
  static_assert(std::is_integral_v<typename Codes::Scalar> && sizeof(typename Codes::Scalar) <= 4,
                "stet: codes are integers of up to 32 bits");

  Codes codes{};
  QParams params{};

  [[nodiscard]] Eigen::Index rows() const { return codes.rows(); }
  [[nodiscard]] Eigen::Index cols() const { return codes.cols(); }
};

/// Smallest and largest value of a matrix, or of each row, column or group of it. Doubles are rounded to float.
/// Errors:    as min_max on spans; indices in the message count as the matrix lies in memory
template <class D>
auto min_max(const Eigen::EigenBase<D>& m, const Granularity& granularity) {
  if constexpr (detail::eigen::check_real<D>()) {
    const Shape shape = detail::eigen::shape(m.derived());
    static_cast<void>(scale_map(granularity, shape));
    return detail::eigen::in_order<D>(shape, granularity, [&](auto order, const Shape& lying, const Granularity& g) {
      const auto x = detail::eigen::elements<order()>(m.derived().template cast<float>());
      return stet::min_max(x.span(), lying, g);
    });
  }
}
template <class D>
auto min_max(const Eigen::EigenBase<D>& m) {
  if constexpr (detail::eigen::check_real<D>()) return min_max(m, Granularity::per_tensor())[0];
}

/// Shows a matrix to an observer of any type. Doubles are rounded to float.
/// Errors:    as the observer's
template <class O, class D>
  requires requires(O& o, std::span<const float> x, const Shape& shape) { o.observe(x, shape); }
void observe(O& observer, const Eigen::EigenBase<D>& m) {
  if constexpr (detail::eigen::check_real<D>()) {
    const auto show = [&](const auto& x) { observer.observe(x.span(), detail::eigen::shape(m.derived())); };
    const auto& x = m.derived().template cast<float>();
    // Its granularity counts axes of [rows, columns]; per tensor no order matters.
    constexpr int own = D::IsRowMajor ? Eigen::RowMajor : Eigen::ColMajor;
    if (observer.granularity().kind == Granularity::Kind::per_tensor) return show(detail::eigen::elements<own>(x));
    show(detail::eigen::elements<Eigen::RowMajor>(x));
  }
}

/// Parameters for a matrix, from its own range; options.granularity says of what: per_tensor, per_row or per_column.
/// Errors:    as min_max and choose_qparams on spans
template <class D>
auto choose_qparams(const Eigen::EigenBase<D>& m, const Grid& grid, const QParamsOptions& options = {}) {
  if constexpr (detail::eigen::check_real<D>()) return choose_qparams(min_max(m, options.granularity), grid, options);
}
/// The weight rule of stet for a matrix: symmetric, narrow.
/// Errors:    as min_max and weight_qparams on spans
template <class D>
auto weight_qparams(const Eigen::EigenBase<D>& m, const Granularity& granularity,
                    const Grid& grid = Grid::int8_narrow()) {
  if constexpr (detail::eigen::check_real<D>()) return weight_qparams(min_max(m, granularity), granularity, grid);
}

/// Makes codes from a matrix: quantize(m, p), quantize<std::uint8_t>(m, p).
/// Formula:   code = clamp(z + rne(x * (1/s)), n, p)
/// Shapes:    p for [rows, columns] -> codes with sizes and order of m
/// Rounding:  half to even, where CodeRounding says (of double: round_then_shift only)
/// Errors:    as quantize on spans; Errc::unsupported for another rounding of double
template <class Code = std::int8_t, class D>
auto quantize(const Eigen::EigenBase<D>& m, const QParams& p, CodeRounding rounding = CodeRounding::round_then_shift) {
  if constexpr (detail::eigen::check_real<D>()) {
    using Codes = detail::eigen::Like<D, Code>;
    const auto make = [&](auto x, const Shape& shape, const QParams& q, std::span<Code> codes) {
      if constexpr (std::same_as<typename D::Scalar, float>) {
        detail::make_codes(x, shape, q, codes, rounding);
      } else {
        require(rounding == CodeRounding::round_then_shift, Errc::unsupported,
                "quantize: a matrix of double is rounded by round_then_shift only; say m.cast<float>()");
        detail::make_codes(x, shape, q, codes);
      }
    };
    return QMatrix<Codes>{detail::eigen::elementwise<Codes>("quantize", p, make, m.derived()), p};
  }
}

/// Makes real numbers from the codes of a matrix: dequantize(q), dequantize<double>(q).
/// Formula:   y = s * (code - z)
/// Errors:    as dequantize on spans
template <class T = float, class Codes>
auto dequantize(const QMatrix<Codes>& q) {
  const auto read = [](auto codes, const Shape& shape, const QParams& p, std::span<T> y) {
    detail::read_codes(codes, shape, p, y);
  };
  return detail::eigen::elementwise<detail::eigen::Like<Codes, T>>("dequantize", q.params, read, q.codes);
}

/// Rounds a matrix to the values that its codes stand for.
/// Formula:   y = s * (clamp(z + rne(x * (1/s)), n, p) - z)
/// Shapes:    p for [rows, columns] -> y with sizes and order of m
/// Rounding:  half to even
/// Errors:    as fake_quantize on spans
template <class D>
auto fake_quantize(const Eigen::EigenBase<D>& m, const QParams& p) {
  if constexpr (detail::eigen::check_real<D>()) {
    const auto round = [](auto x, const Shape& shape, const QParams& q, auto y) { fake_quantize(x, shape, q, y); };
    return detail::eigen::elementwise<typename D::PlainObject>("fake_quantize", p, round, m.derived());
  }
}

/// Gradient of fake_quantize at x by the clipped straight-through estimator.
/// Gradient:  dx = dy where the mask passes, else 0; not the derivative (STE)
/// Shapes:    x, dy of the same sizes in any order -> dx with sizes and order of dy
/// Errors:    Errc::shape if the sizes differ; otherwise as fake_quantize_backward on spans
template <class X, class D>
auto fake_quantize_backward(const Eigen::EigenBase<X>& x, const Eigen::EigenBase<D>& dy, const QParams& p,
                            ClipMask mask = ClipMask::rounded_inclusive) {
  if constexpr (detail::eigen::check_real<X, D>()) {
    const Shape shape = detail::eigen::shape(x.derived()), other = detail::eigen::shape(dy.derived());
    require(shape == other, Errc::shape, "fake_quantize_backward: x is a matrix {}, dy {}", shape, other);
    const auto pull = [&](auto v, auto g, const Shape& lying, const QParams& q, auto dx) {
      fake_quantize_backward(v, g, lying, q, dx, mask);
    };
    using Dx = typename D::PlainObject;
    return detail::eigen::elementwise<Dx>("fake_quantize_backward", p, pull, x.derived(), dy.derived());
  }
}

}  // namespace stet
