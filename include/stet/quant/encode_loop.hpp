#pragma once
// The loops that make one code and one pass bit per element, whatever the scheme's rule for one element is.

#include <stet/core/bits.hpp>
#include <stet/core/tensor.hpp>
#include <stet/quant/code_loop.hpp>

#include <array>
#include <cstdint>
#include <span>

namespace stet::detail {

/// Boundary check of encode: sizes and the number of scales; what the scales must be is the scheme's affair.
inline void check_encode(const char* op, const Shape& shape, const QParams& p, std::size_t in, std::size_t out,
                         std::size_t pass) {
  require(static_cast<std::int64_t>(in) == shape.elements() && in == out, Errc::shape,
          "{}: shape {} has {} elements, input has {}, output {}", op, shape, shape.elements(), in, out);
  require(static_cast<std::int64_t>(pass) == bit_words(shape.elements()), Errc::shape,
          "{}: {} elements need {} words of pass bits, got {}", op, in, bit_words(shape.elements()), pass);
  const ScaleMap map = scale_map(p.granularity, shape);
  require(static_cast<std::int64_t>(p.scale.size()) == map.count && p.zero_point.size() == p.scale.size(), Errc::shape,
          "{}: tensor {} needs {} scales and zero points, got {} and {}", op, shape, map.count, p.scale.size(),
          p.zero_point.size());
}

/// Boundary check of decode.
inline void check_decode(const char* op, const Shape& shape, const QParams& p, std::size_t in, std::size_t out) {
  check_encode(op, shape, p, in, out, static_cast<std::size_t>(bit_words(shape.elements())));
}

/// Whether an element's rule is arithmetic that vectorizes, or a search in a table.
enum class ElementRule { arithmetic, table };

/// Calls f(i) for i in [0, n).
template <ElementRule rule, class F>
[[gnu::always_inline]] inline void element_loop(std::int64_t n, F&& f) {
  if constexpr (rule == ElementRule::arithmetic) {
    lanes(n, f);
  } else {
    for (std::int64_t i = 0; i < n; ++i) f(i);
  }
}

/// Calls element(x[i], rule, code) for every element: it writes the code and returns whether the gradient passes, as 0
/// or 1. In parallel.
template <class Code, ElementRule rule = ElementRule::arithmetic, class Element>
void encode_loop(std::span<const float> x, const Shape& shape, const QParams& p, std::span<Code> codes,
                 std::span<std::uint32_t> pass, Element element) {
  const float* from = x.data();
  Code* to = codes.data();
  const auto block = [element]<class Rules>(const float* __restrict in, std::int64_t n, const Rules& rules,
                                            Code* __restrict out, std::uint8_t* __restrict flags) {
    element_loop<rule>(n, [=](std::int64_t i) { flags[i] = element(in[i], rules(i), out[i]); });
  };
  if (p.scale.size() == 1) {
    std::uint32_t* words = pass.data();
    code_loop<float>(shape, p, [=](std::int64_t first, std::int64_t count, auto rules) {
      std::array<std::uint8_t, 32> flags{};
      for (std::int64_t i = 0; i < count; i += 32) {
        const std::int64_t n = count - i < 32 ? count - i : 32;
        if (n < 32) flags.fill(0);
        block(from + first + i, n, rules, to + first + i, flags.data());
        words[(first + i) / 32] = pack_bits(flags.data());
      }
    });
    return;
  }
  Tensor<std::uint8_t> flags(shape);
  std::uint8_t* flag = flags.edit().data();
  code_loop<float>(shape, p, [=](std::int64_t first, std::int64_t count, auto rules) {
    block(from + first, count, rules, to + first, flag + first);
  });
  pack_bits(flag, shape.elements(), pass.data());
}

/// Calls y[i] = value(code[i], rule) for every element. In parallel.
template <class Code, ElementRule rule = ElementRule::arithmetic, class Value>
void decode_loop(std::span<const Code> codes, const Shape& shape, const QParams& p, std::span<float> y, Value value) {
  const Code* from = codes.data();
  float* to = y.data();
  code_loop<float>(shape, p, [=](std::int64_t first, std::int64_t count, auto rules) {
    const Code* __restrict in = from + first;
    float* __restrict out = to + first;
    element_loop<rule>(count, [=](std::int64_t i) { out[i] = value(in[i], rules(i)); });
  });
}

}  // namespace stet::detail
