#include "support/catch.hpp"

#include <stet/core/one_of.hpp>

#include <memory>
#include <string>
#include <vector>

namespace one_of_test {

using stet::OneOf;

namespace {
struct Plain {
  int a = 1, b = 2;
};
using Any = OneOf<Plain, std::vector<int>, double, std::shared_ptr<int>>;
}  // namespace

TEST_CASE("OneOf holds the value it was given and knows its type") {
  const Any plain = Plain{3, 4};
  CHECK(plain.index() == 0);
  CHECK(plain.is<Plain>());
  CHECK(plain.get_if<Plain>()->b == 4);
  CHECK(plain.get_if<double>() == nullptr);
  Any real = 2.5;
  *real.get_if<double>() = 3.5;
  CHECK(*real.get_if<double>() == 3.5);
  CHECK(Any::count == 4);
}

TEST_CASE("copies of OneOf are independent, moves take over, and every owner is released") {
  const auto owned = std::make_shared<int>(7);
  {
    Any a = owned;
    CHECK(owned.use_count() == 2);
    Any b = a;
    CHECK(owned.use_count() == 3);
    Any c = std::move(a);
    CHECK(owned.use_count() == 3);
    b = Plain{};
    CHECK(owned.use_count() == 2);
    b = c;
    CHECK(owned.use_count() == 3);
    Any& same = b;
    b = same;
    CHECK(owned.use_count() == 3);
  }
  CHECK(owned.use_count() == 1);

  Any list = std::vector<int>{1, 2, 3};
  Any copy = list;
  (*copy.get_if<std::vector<int>>())[0] = 9;
  CHECK((*list.get_if<std::vector<int>>())[0] == 1);
}

}  // namespace one_of_test
