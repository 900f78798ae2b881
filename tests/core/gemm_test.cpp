// Matrix products: every layout against the definition, and independence of how rows are cut.
#include <stet/core/gemm.hpp>
#include <stet/core/random.hpp>

#include "support/catch.hpp"

#include <cstring>

namespace gemm_test {

using namespace stet;

namespace {

template <class T>
Tensor<T> whole(std::int64_t size, std::uint64_t seed) {
  Rng rng(seed);
  Tensor<T> t(Shape{size});
  for (T& v : t.edit()) v = static_cast<T>(static_cast<int>(rng.below(19)) - 9);
  return t;
}

}  // namespace

TEMPLATE_TEST_CASE("gemm is its definition in every layout", "[core]", float, double) {
  using T = TestType;
  struct Sizes {
    std::int64_t rows, columns, depth;
  };
  for (const Sizes& s : {Sizes{1, 1, 1}, Sizes{7, 5, 3}, Sizes{8, 16, 4}, Sizes{13, 37, 9}, Sizes{3, 64, 1030},
                         Sizes{33, 15, 512}, Sizes{2, 3, 0}, Sizes{0, 3, 4}, Sizes{19, 48, 513}}) {
    for (const Layout la : {Layout::plain, Layout::transposed}) {
      for (const Layout lb : {Layout::plain, Layout::transposed}) {
        for (const bool accumulate : {false, true}) {
          CAPTURE(s.rows, s.columns, s.depth, la == Layout::plain, lb == Layout::plain, accumulate);
          const std::int64_t a_stride = (la == Layout::plain ? s.depth : s.rows) + 2;
          const std::int64_t b_stride = (lb == Layout::plain ? s.columns : s.depth) + 1;
          const std::int64_t c_stride = s.columns + 3;
          const auto a = whole<T>((la == Layout::plain ? s.rows : s.depth) * a_stride, 1);
          const auto b = whole<T>((lb == Layout::plain ? s.depth : s.columns) * b_stride, 2);
          auto c = whole<T>(s.rows * c_stride, 3);
          const auto before = c;
          gemm(la, lb, s.rows, s.columns, s.depth, a.data(), a_stride, b.data(), b_stride, c.edit().data(), c_stride,
               accumulate);
          bool same = true;
          for (std::int64_t i = 0; i < s.rows; ++i) {
            for (std::int64_t j = 0; j < c_stride; ++j) {
              T want = accumulate || j >= s.columns ? before[i * c_stride + j] : T{0};
              for (std::int64_t k = 0; k < s.depth && j < s.columns; ++k) {
                want += a[la == Layout::plain ? i * a_stride + k : k * a_stride + i] *
                        b[lb == Layout::plain ? k * b_stride + j : j * b_stride + k];
              }
              same = same && want == c[i * c_stride + j];
            }
          }
          CHECK(same);
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("a row of a product does not depend on the rows beside it", "[core]", float, double) {
  using T = TestType;
  const std::int64_t rows = 29, columns = 41, depth = 700;
  Rng rng(1);
  Tensor<T> a(Shape{rows, depth}), b(Shape{depth, columns}), bias(Shape{columns});
  for (T& v : a.edit()) v = static_cast<T>(rng.normal());
  for (T& v : b.edit()) v = static_cast<T>(rng.normal());
  for (T& v : bias.edit()) v = static_cast<T>(rng.normal());
  const GemmRight<T> right(Layout::plain, depth, columns, b.data(), columns);
  Tensor<T> together(Shape{rows, columns});
  right.product(rows, a.data(), depth, together.edit().data(), columns, bias.data());
  for (const std::int64_t block : {1, 2, 3, 8, 11}) {
    CAPTURE(block);
    Tensor<T> apart(Shape{rows, columns});
    T* to = apart.edit().data();
    for (std::int64_t first = 0; first < rows; first += block) {
      right.product(std::min(block, rows - first), a.data() + first * depth, depth, to + first * columns, columns,
                    bias.data());
    }
    CHECK(std::memcmp(apart.data(), together.data(), apart.span().size_bytes()) == 0);
  }
}

}  // namespace gemm_test
