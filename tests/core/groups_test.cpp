// Groups: numbers that are joined two by two.
#include <stet/core/groups.hpp>

#include "support/catch.hpp"

#include <cstddef>

namespace groups_test {

TEST_CASE("groups are joined, and one number stands for all of a group") {
  stet::Groups groups(6);
  for (std::size_t i = 0; i < 6; ++i) CHECK(groups.of(i) == i);
  groups.join(0, 1);
  groups.join(2, 3);
  groups.join(0, 3);
  groups.join(1, 2);  // they are one already
  for (const std::size_t i : {0u, 1u, 2u, 3u}) CHECK(groups.of(i) == 3);
  CHECK(groups.of(4) == 4);
  CHECK(groups.of(5) == 5);
}

}  // namespace groups_test
