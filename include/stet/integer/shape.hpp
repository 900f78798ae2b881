#pragma once
// Operators that move codes without changing them: concat, pad, transpose, upsample, slice. Reshape needs no code: the elements stay.

#include <stet/core/progression.hpp>
#include <stet/core/window.hpp>
#include <stet/integer/codes.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>

namespace stet::integer {

/// Puts tensors of one scale and zero point side by side.
/// Shapes:    inputs equal but for dimension `axis` -> out with the sum of these dimensions
/// Errors:    Errc::shape if there is no input, the axis does not exist, the shapes do not match or out has another
///            size
inline void concat(std::span<const Codes> inputs, int axis, std::span<std::int8_t> out) {
  require(!inputs.empty(), Errc::shape, "concat: there are no inputs");
  const Shape& first = inputs[0].shape();
  require(axis >= 0 && axis < first.rank(), Errc::shape, "concat: axis {} does not exist in {}", axis, first);
  std::int64_t joint = 0;
  for (const Codes& x : inputs) {
    require(x.shape().rank() == first.rank() && x.shape().with(axis, 0) == first.with(axis, 0), Errc::shape,
            "concat: input {} does not match {} outside axis {}", x.shape(), first, axis);
    joint += x.shape()[axis];
  }
  detail::require_size("concat", first.with(axis, joint), out.size());
  const std::int64_t inner = first.product(axis + 1, first.rank());
  std::int8_t* to = out.data();
  for (std::int64_t o = 0; o < first.product(0, axis); ++o) {
    for (const Codes& x : inputs) {
      const std::int64_t run = x.shape()[axis] * inner;
      to = std::copy_n(x.data() + o * run, run, to);
    }
  }
}

/// Surrounds codes with a value, usually the zero point.
/// Shapes:    x [d0, ...]; before and after one number per dimension -> out [before0 + d0 + after0, ...]
/// Errors:    Errc::shape if the numbers do not match the rank, one is negative or out has another size
inline void pad(const Codes& x, std::span<const std::int64_t> before, std::span<const std::int64_t> after,
                std::int8_t value, std::span<std::int8_t> out) {
  const Shape& s = x.shape();
  const auto rank = static_cast<std::size_t>(s.rank());
  require(before.size() == rank && after.size() == rank, Errc::shape,
          "pad: {} needs {} numbers before and after, got {} and {}", s, rank, before.size(), after.size());
  Shape padded = s;
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < rank; ++d) {
    require(before[d] >= 0 && after[d] >= 0, Errc::shape, "pad: padding {} and {} of dimension {} must not be negative",
            before[d], after[d], d);
    const int axis = static_cast<int>(d);
    padded = padded.with(axis, before[d] + s[axis] + after[d]);
  }
  detail::require_size("pad", padded, out.size());
  for (int d = 0; d < s.rank(); ++d) offset = offset * padded[d] + before[static_cast<std::size_t>(d)];
  std::fill(out.begin(), out.end(), value);
  const std::int64_t run = s.back();
  if (x.size() == 0) return;
  for (std::int64_t line = 0; line < x.size() / run; ++line) {
    std::int64_t rest = line;
    std::int64_t at = 0;
    std::int64_t step = s.rank() > 0 ? padded.back() : 1;
    for (int d = s.rank() - 2; d >= 0; --d) {
      at += rest % s[d] * step;
      rest /= s[d];
      step *= padded[d];
    }
    std::copy_n(x.data() + line * run, run, out.data() + offset + at);
  }
}

/// Reorders dimensions: dimension d of the result is dimension order[d] of x.
/// Shapes:    x [d0, ...] -> out [d_order[0], d_order[1], ...]
/// Errors:    Errc::shape if the order is not a permutation of the dimensions or out has another size
inline void transpose(const Codes& x, std::span<const int> order, std::span<std::int8_t> out) {
  const Shape& s = x.shape();
  const int rank = s.rank();
  require(static_cast<int>(order.size()) == rank, Errc::shape, "transpose: {} needs an order of {} dimensions, got {}",
          s, rank, order.size());
  std::array<bool, Shape::max_rank> seen{};
  std::array<std::int64_t, Shape::max_rank> steps{};
  for (int d = 0; d < rank; ++d) {
    const int from = order[static_cast<std::size_t>(d)];
    require(from >= 0 && from < rank && !seen[static_cast<std::size_t>(from)], Errc::shape,
            "transpose: the order names dimension {} of {} twice or it does not exist", from, s);
    seen[static_cast<std::size_t>(from)] = true;
    steps[static_cast<std::size_t>(d)] = s.product(from + 1, rank);
  }
  detail::require_size("transpose", s, out.size());
  std::array<std::int64_t, Shape::max_rank> index{};
  std::int64_t from = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    out[static_cast<std::size_t>(i)] = x.data()[from];
    for (int d = rank - 1; d >= 0; --d) {
      const auto k = static_cast<std::size_t>(d);
      from += steps[k];
      if (++index[k] < s[order[k]]) break;
      from -= steps[k] * s[order[k]];
      index[k] = 0;
    }
  }
}

/// Repeats rows and columns of images.
/// Shapes:    x [N,H,W,C] -> out [N,H*factor.height,W*factor.width,C]
/// Errors:    Errc::shape if x is no image, a factor is below 1 or out has another size
inline void upsample(const Codes& x, Pair factor, std::span<std::int8_t> out) {
  const Shape& s = x.shape();
  require(s.rank() == 4 && factor.height >= 1 && factor.width >= 1, Errc::shape, "upsample: expected [N,H,W,C] and factors, got {}, {} and {}",
          s, factor.height, factor.width);
  detail::require_size("upsample", {s[0], s[1] * factor.height, s[2] * factor.width, s[3]}, out.size());
  std::int8_t* to = out.data();
  for (std::int64_t r = 0; r < s[0] * s[1]; ++r) {
    const std::int8_t* line = to;
    for (std::int64_t w = 0; w < s[2]; ++w) {
      for (int k = 0; k < factor.width; ++k) to = std::copy_n(x.data() + (r * s[2] + w) * s[3], s[3], to);
    }
    for (int k = 1; k < factor.height; ++k) to = std::copy_n(line, s[2] * factor.width * s[3], to);
  }
}

/// Cuts out some codes of a dimension.
/// Errors:    Errc::range if there are no such codes; Errc::shape if out has another size
inline void slice(const Codes& x, int axis, const Progression& part, std::span<std::int8_t> out) {
  require_part(part, axis, x.shape());
  detail::require_size("slice", x.shape().with(axis, part.count), out.size());
  take_part(x.data(), x.shape(), axis, part, out.data());
}

}  // namespace stet::integer
