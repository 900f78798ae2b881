// Shapes: dimensions, products, text, and what they refuse.
#include <stet/core/shape.hpp>

#include "support/catch.hpp"

namespace shape_test {

using namespace stet;

TEST_CASE("a shape knows its rank, dimensions and products") {
  const Shape s{8, 28, 27, 3};
  CHECK(s.rank() == 4);
  CHECK(s[1] == 28);
  CHECK(s.back() == 3);
  CHECK(s.elements() == 8 * 28 * 27 * 3);
  CHECK(s.product(1, 3) == 28 * 27);
  CHECK(s.product(2, 2) == 1);
}

TEST_CASE("a scalar has rank 0 and one element; a zero dimension has none") {
  CHECK(Shape().rank() == 0);
  CHECK(Shape().elements() == 1);
  CHECK(Shape().back() == 1);
  CHECK(Shape{3, 0}.elements() == 0);
}

TEST_CASE("shapes compare by rank and dimensions") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK(Shape{2, 3} != Shape{3, 2});
  CHECK(Shape{2} != Shape{2, 1});
  CHECK(Shape{2, 3}.with(1, 5) == Shape{2, 5});
}

TEST_CASE("batched puts a dimension in front, unbatched takes it away") {
  CHECK(Shape{28, 28, 1}.batched(8) == Shape{8, 28, 28, 1});
  CHECK(Shape{8, 28, 28, 1}.unbatched() == Shape{28, 28, 1});
  CHECK(Shape().batched(4) == Shape{4});
  CHECK_THROWS_AS(Shape().unbatched(), Error);
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1}.batched(1)), Error);
}

TEST_CASE("a shape prints as a list") {
  CHECK(Shape{8, 28, 28, 1}.str() == "[8,28,28,1]");
  CHECK(Shape().str() == "[]");
  CHECK(fmt::format("{}", Shape{2, 3}) == "[2,3]");
}

TEST_CASE("impossible shapes are refused") {
  CHECK_THROWS_AS((Shape{2, -1}), Error);
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1, 1}), Error);
  CHECK_THROWS_AS((Shape{1 << 30, 1 << 30}), Error);
  CHECK_THROWS_AS((Shape{std::int64_t{1} << 62, 4}), Error);
  CHECK_THROWS_AS((Shape{1 << 30, 2}.with(1, 1 << 30)), Error);
}

}  // namespace shape_test
