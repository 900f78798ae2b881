#pragma once
// Element-wise arithmetic on codes: add, subtract, multiply and clamp, as the target does them.

#include <stet/core/bits.hpp>
#include <stet/core/broadcast.hpp>
#include <stet/core/parallel.hpp>
#include <stet/integer/codes.hpp>
#include <stet/integer/elementwise_parameters.hpp>
#include <stet/integer/kernel/block_set.hpp>
#include <stet/integer/kernel/blocks.hpp>
#include <stet/integer/kernel/elements.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

namespace stet::integer {

namespace detail {

// Codes of an operand from element `first` of the broadcast shape on, repeated into memory for `count` of them.
inline const std::int8_t* repeated(const stet::detail::BroadcastRuns& runs, std::size_t operand, const std::int8_t* codes,
                                   std::int64_t first, std::int64_t count, std::int8_t* to) {
  const bool stands = (operand == 0 ? runs.a_step : runs.b_step) == 0;
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t run = (first + done) / runs.inner, within = (first + done) % runs.inner;
    const std::int64_t n = std::min(runs.inner - within, count - done);
    const std::int8_t* from = codes + runs.offsets(run)[operand];
    if (stands) {
      std::fill_n(to + done, n, *from);
    } else {
      std::copy_n(from + within, n, to + done);
    }
    done += n;
  }
  return to;
}

}  // namespace detail

namespace loops {

using kernel::Block32;
using kernel::block_elements;

// Multiplier and shift of one factor, repeated for a block.
struct RepeatedMultiplier {
  Block32 multiplier, shift;
  explicit RepeatedMultiplier(QuantizedMultiplier m) {
    std::fill_n(multiplier.value, block_elements, m.multiplier);
    std::fill_n(shift.value, block_elements, m.shift);
  }
  template <class Set>
  void operator()(Set set, const Block32& x, Block32& y) const { kernel::double_rounding(set, x, multiplier.value, shift.value, y); }
};

// Rules on blocks of codes: the code minus the zero point, and the sum before its last rounding.

struct ThreeRoundings {
  AddParameters p;
  RepeatedMultiplier m1{p.m1}, m2{p.m2}, m_out{p.m_out};
  template <class Set>
  void operator()(Set set, const std::int8_t* q1, const std::int8_t* q2, Block32& value, Block32& sum) const {
    constexpr std::int32_t one = 1 << 20;
    Block32 a, b;
    kernel::affine(set, q1, one, -p.z1 * one, value);
    m1(set, value, a);
    kernel::affine(set, q2, one, -p.z2 * one, value);
    m2(set, value, b);
    if (p.subtract) {
      kernel::minus(set, a, b, sum);
    } else {
      kernel::plus(set, a, b, sum);
    }
    m_out(set, sum, value);
  }
};

struct XnnpackAdd {
  AddParameters p;
  template <class Set>
  void operator()(Set set, const std::int8_t* q1, const std::int8_t* q2, Block32& value, Block32& sum) const {
    Block32 a, b;
    kernel::affine(set, q1, p.f1, p.constant, a);
    kernel::affine(set, q2, p.f2, 0, b);
    kernel::plus(set, a, b, sum);
    kernel::shift_half_up(set, sum, p.shift, value);
  }
};

struct DoubleRoundingMultiply {
  MultiplyParameters p;
  RepeatedMultiplier m{p.m};
  template <class Set>
  void operator()(Set set, const std::int8_t* q1, const std::int8_t* q2, Block32& value, Block32& sum) const {
    Block32 a, b;
    kernel::affine(set, q1, 1, -p.z1, a);
    kernel::affine(set, q2, 1, -p.z2, b);
    kernel::times(set, a, b, sum);
    m(set, sum, value);
  }
};

struct XnnpackMultiply {
  MultiplyParameters p;
  float scale[block_elements];
  explicit XnnpackMultiply(const MultiplyParameters& parameters) : p(parameters) {
    std::fill_n(scale, block_elements, p.scale);
  }
  template <class Set>
  void operator()(Set set, const std::int8_t* q1, const std::int8_t* q2, Block32& value, Block32& sum) const {
    Block32 a, b;
    kernel::affine(set, q1, 1, -p.z1, a);
    kernel::affine(set, q2, 1, -p.z2, b);
    kernel::times(set, a, b, sum);
    kernel::float_half_even(set, sum, scale, -1024.0f, 1024.0f, value);
  }
};

// The code + 128 is round(fma(q1+128, k1, fma(q2+128, k2, offset))); positive sums are those above the zero point.
struct FusedAdd {
  AddParameters p;
  template <class Set>
  void operator()(Set set, const std::int8_t* q1, const std::int8_t* q2, Block32& value, Block32& sum) const {
    kernel::fused_sum(set, q1, p.k1, q2, p.k2, p.offset, static_cast<float>(p.z_out + 128), value, sum);
  }
};

struct DequantizedAdd {
  AddParameters p;
  template <class Set>
  void operator()(Set set, const std::int8_t* q1, const std::int8_t* q2, Block32& value, Block32& sum) const {
    Block32 a, b;
    kernel::affine(set, q1, 1, -p.z1, a);
    kernel::affine(set, q2, 1, -p.z2, b);
    kernel::dequantized_sum(a, p.k1, b, p.k2, p.step, value, sum);
  }
};

struct MultiplyWithZeroPoint {
  MultiplyParameters p;
  template <class Set>
  void operator()(Set set, const std::int8_t* q1, const std::int8_t* q2, Block32& value, Block32& sum) const {
    Block32 a, b;
    kernel::affine(set, q1, 1, -p.z1, a);
    kernel::affine(set, q2, 1, -p.z2, b);
    kernel::times(set, a, b, sum);
    kernel::scaled_with_offset(sum, p.scale, p.z_out + 128, value);
  }
};

// Standalone activation: the second operand is not looked at.
struct ClampRuleOfCodes {
  struct {
    bool relu;
    Bounds bounds;
    std::int32_t z_out;
  } p;
  template <class Set>
  void operator()(Set set, const std::int8_t* q, const std::int8_t*, Block32& value, Block32& sum) const {
    kernel::affine(set, q, 1, -p.z_out, value);
    sum = value;
  }
};

// Whole blocks. A rule of a few numbers is copied, so that codes that are written may not change it.
template <class Set, class Rule>
void binary(Set set, const std::int8_t* a, const std::int8_t* b, std::int64_t n, const Rule& given, std::int8_t* out,
            std::uint32_t* pass) {
  const std::conditional_t<sizeof(Rule) <= sizeof(AddParameters), Rule, const Rule&> rule = given;
  const std::int32_t z = rule.p.z_out;
  const std::int32_t lo = rule.p.bounds.lo - z;
  const std::int32_t hi = rule.p.bounds.hi - z;
  const std::int32_t least = rule.p.relu ? 1 : std::numeric_limits<std::int32_t>::min();
  Block32 value, sum;
  for (std::int64_t i = 0; i < n; i += block_elements) {
    rule(set, a + i, b + i, value, sum);
    if (pass != nullptr) *pass++ = kernel::within(set, value, sum, lo, hi, least);
    kernel::store_codes(set, value, lo, hi, z, out + i);
  }
}

// What a rule does with whole blocks of codes of each operand.
using Binary = FunctionRef<void(const std::int8_t*, const std::int8_t*, std::int64_t, std::int8_t*, std::uint32_t*)>;

// Broadcasts, checks the result's memory and runs the rule in parallel. An operand that is repeated is so piece by piece.
inline void run_binary(const char* op, const Codes& a, const Codes& b, std::span<std::int8_t> out, std::uint32_t* pass,
                       Binary rule) {
  const Shape shape = broadcast_shape(op, a.shape(), b.shape());
  integer::detail::require_size(op, shape, out.size());
  const stet::detail::BroadcastRuns runs(shape, a.shape(), b.shape());
  const bool whole_a = a.size() == shape.elements(), whole_b = b.size() == shape.elements();
  const auto piece = [&](const std::int8_t* pa, const std::int8_t* pb, std::int64_t first, std::int64_t last) {
    const std::int64_t rest = (last - first) % block_elements;
    const std::int64_t end = last - first - rest;
    rule(pa, pb, end, out.data() + first, pass != nullptr ? pass + first / 32 : nullptr);
    if (rest == 0) return;
    std::int8_t rest_a[block_elements]{}, rest_b[block_elements]{}, codes[block_elements];
    std::copy_n(pa + end, rest, rest_a);
    std::copy_n(pb + end, rest, rest_b);
    std::uint32_t* bits = pass != nullptr ? pass + (first + end) / 32 : nullptr;
    rule(rest_a, rest_b, block_elements, codes, bits);
    std::copy_n(codes, rest, out.data() + first + end);
    if (bits != nullptr) *bits &= (1u << rest) - 1u;
  };
  integer::detail::parallel_words(shape.elements(), [&](std::int64_t first, std::int64_t last) {
    if (whole_a && whole_b) return piece(a.data() + first, b.data() + first, first, last);
    constexpr std::int64_t most = 64 * block_elements;
    std::int8_t wide_a[most], wide_b[most];
    for (; first < last; first += most) {
      const std::int64_t n = std::min(most, last - first);
      piece(whole_a ? a.data() + first : integer::detail::repeated(runs, 0, a.data(), first, n, wide_a),
            whole_b ? b.data() + first : integer::detail::repeated(runs, 1, b.data(), first, n, wide_b), first, first + n);
    }
  });
}

template <class Rule>
void run_binary(const char* op, const Codes& a, const Codes& b, const Rule& rule, std::span<std::int8_t> out,
                std::uint32_t* pass) {
  run_binary(op, a, b, out, pass,
             [&](const std::int8_t* x, const std::int8_t* y, std::int64_t n, std::int8_t* codes, std::uint32_t* bits) {
               kernel::with_block_set([&](auto set) { binary(set, x, y, n, rule, codes, bits); });
             });
}

}  // namespace loops

/// Adds or subtracts codes.
/// Formula:   three_roundings: clamp(D(D((q1-z1)*2^20, m1) + D((q2-z2)*2^20, m2), m_out) + z), D = double_rounding;
///            xnnpack: clamp(((f1*q1 + f2*q2 + constant + 2^(shift-1)) >> shift) + z);
///            float_fused: clamp(round(fma(q1+128, k1, fma(q2+128, k2, offset))) - 128);
///            dequantized: clamp(round((k1*(q1-z1) + k2*(q2-z2)) / step) + z), each operation rounded to float;
///            pass = (not relu or the sum before the last rounding > 0) and lo <= unclamped code <= hi
/// Shapes:    a and b of one shape, or broadcasting -> out of the joint shape, pass [ceil(n/32)] words if wanted
/// Errors:    Errc::shape if the shapes do not broadcast or out has another size
inline void add(const Codes& a, const Codes& b, const AddParameters& p, std::span<std::int8_t> out,
                std::uint32_t* pass = nullptr) {
  const char* op = p.subtract ? "sub" : "add";
  switch (p.rule) {
    case AddRule::three_roundings:
      return loops::run_binary(op, a, b, loops::ThreeRoundings{p}, out, pass);
    case AddRule::xnnpack:
      return loops::run_binary(op, a, b, loops::XnnpackAdd{p}, out, pass);
    case AddRule::float_fused:
      return loops::run_binary(op, a, b, loops::FusedAdd{p}, out, pass);
    case AddRule::dequantized:
      return loops::run_binary(op, a, b, loops::DequantizedAdd{p}, out, pass);
  }
}

/// Multiplies codes.
/// Formula:   clamp(round((q1-z1)*(q2-z2) * m) + z); float_with_zero_point: clamp(round(product * m + (z+128)) - 128);
///            pass = (not relu or (q1-z1)*(q2-z2) > 0) and lo <= unclamped code <= hi
/// Shapes:    a and b of one shape, or broadcasting -> out of the joint shape, pass [ceil(n/32)] words if wanted
/// Rounding:  double_rounding: twice, half up then half away; xnnpack, float_with_zero_point: float, then half to even
/// Errors:    Errc::shape if the shapes do not broadcast or out has another size
inline void multiply(const Codes& a, const Codes& b, const MultiplyParameters& p, std::span<std::int8_t> out,
                     std::uint32_t* pass = nullptr) {
  switch (p.rule) {
    case MultiplyRule::xnnpack:
      return loops::run_binary("mul", a, b, loops::XnnpackMultiply(p), out, pass);
    case MultiplyRule::float_with_zero_point:
      return loops::run_binary("mul", a, b, loops::MultiplyWithZeroPoint{p}, out, pass);
    case MultiplyRule::double_rounding:
    case MultiplyRule::double_rounding_double:
      return loops::run_binary("mul", a, b, loops::DoubleRoundingMultiply{p}, out, pass);
  }
}

/// Clamps codes under a shared scale: an activation that is an operator of its own.
/// Formula:   y = clamp(q, lo, hi); pass = (not relu or q > z) and lo <= q <= hi
/// Errors:    Errc::shape if out has another size
inline void clamp(const Codes& x, const ClampParameters& p, std::span<std::int8_t> out, std::uint32_t* pass = nullptr) {
  loops::run_binary("clamp", x, x, loops::ClampRuleOfCodes{{p.relu, p.bounds, p.zero_point}}, out, pass);
}

}  // namespace stet::integer
