// Tensors: values with shared storage, copied when written.
#include <stet/core/tensor.hpp>

#include "support/catch.hpp"

#include <vector>

namespace tensor_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("a copy shares storage until one of the two is written") {
  Tensor<float> a({2, 2}, {1, 2, 3, 4});
  Tensor<float> b = a;
  CHECK(a.data() == b.data());
  CHECK(a.shared());
  b.edit()[0] = 9;
  CHECK(a.data() != b.data());
  CHECK(a[0] == 1);
  CHECK(b[0] == 9);
  CHECK(b[3] == 4);
  CHECK_FALSE(a.shared());
}

TEST_CASE("writing an unshared tensor moves nothing") {
  Tensor<int> a = Tensor<int>::zeros({5});
  const int* before = a.data();
  a.edit()[2] = 7;
  CHECK(a.data() == before);
  const Tensor<int> moved = std::move(a);
  CHECK(moved.data() == before);
  CHECK(moved[2] == 7);
}

TEST_CASE("reshaped shares the elements") {
  const Tensor<float> a({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor<float> b = a.reshaped({3, 2});
  CHECK(b.shape() == Shape{3, 2});
  CHECK(b.data() == a.data());
  CHECK_THROWS_WITH(a.reshaped({4, 2}), Catch::Matchers::ContainsSubstring("[2,3] has 6 elements, [4,2] has 8"));
}

TEST_CASE("construction from values checks their number") {
  const std::vector<float> values{1, 2, 3};
  CHECK(Tensor<float>({3}, values)[2] == 3);
  CHECK_THROWS_AS((Tensor<float>({2, 2}, values)), Error);
  CHECK_THROWS_AS((Tensor<float>({2}, {1.0f, 2.0f, 3.0f})), Error);
}

TEST_CASE("empty tensors and scalars") {
  CHECK(Tensor<float>().empty());
  CHECK(Tensor<float>().shape() == Shape{0});
  CHECK(Tensor<float>({0, 5}).edit().empty());
  CHECK(Tensor<double>::filled({}, 2.5)[0] == 2.5);
  CHECK(Tensor<double>::filled({}, 2.5).size() == 1);
}

TEST_CASE("a tensor that was moved from is empty and can be used again") {
  Tensor<float> a({2, 2}, {1, 2, 3, 4});
  const Tensor<float> b = std::move(a);
  CHECK(a.shape() == Shape{0});  // NOLINT: that is the question
  CHECK(a.span().empty());
  CHECK(a.edit().empty());
  a = Tensor<float>({1}, {5});
  Tensor<float> c;
  c = std::move(a);
  CHECK(a.empty());
  CHECK(c[0] == 5);
  CHECK(b[3] == 4);
}

TEST_CASE("elements are read by their indices") {
  const Tensor<int> t({2, 3}, {0, 1, 2, 10, 11, 12});
  CHECK(t(0, 0) == 0);
  CHECK(t(1, 2) == 12);
  CHECK(t.shape().offset({1, 2}) == 5);
  CHECK(Tensor<int>({}, {7})() == 7);
  CHECK_THROWS_WITH(t(1), ContainsSubstring("Shape: [2,3] has 2 dimensions, got 1 indices"));
  CHECK_THROWS_WITH(t(1, 3), ContainsSubstring("Shape: index 3 of axis 1 lies outside of [2,3]"));
  CHECK_THROWS_WITH(t(-1, 0), ContainsSubstring("index -1 of axis 0"));
}

TEST_CASE("a view reads memory of somebody else, and an edit leaves it as it is") {
  const std::vector<float> memory{1, 2, 3, 4};
  Tensor<float> view = Tensor<float>::view(memory, {2, 2});
  CHECK(view.data() == memory.data());
  CHECK(view.shared());
  {
    Tensor<float> copy = view;
    CHECK(copy.data() == memory.data());
    copy.edit()[0] = 9;
    CHECK(copy[0] == 9);
  }
  CHECK(view[0] == 1);
  view.edit()[1] = 8;
  CHECK(memory[1] == 2);
  CHECK(view[1] == 8);
  CHECK_FALSE(view.shared());
  CHECK_THROWS_WITH(Tensor<float>::view(memory, {3}), ContainsSubstring("the borrowed memory has 4"));
}

}  // namespace tensor_test
