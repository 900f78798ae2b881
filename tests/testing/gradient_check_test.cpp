// The gradient check accepts true gradients and names the element where a gradient is wrong.
#include <stet/testing/gradient_check.hpp>

#include "support/catch.hpp"

namespace gradient_check_test {

using namespace stet;

namespace {

using D = Tensor<double>;

D times(const D& a, const D& b, double factor) {
  D y(a.shape());
  auto out = y.edit();
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = factor * a[static_cast<std::int64_t>(i)] * b[static_cast<std::int64_t>(i)];
  }
  return y;
}

// Elementwise product whose gradient for the second input is multiplied by `fault`.
Var<D> product(const Var<D>& a, const Var<D>& b, double fault) {
  return record(times(a.value(), b.value(), 1), std::tie(a, b),
                [a = a.value(), b = b.value(), fault](const D& dy, auto da, auto db) {
                  if (da.wanted()) da.add(times(dy, b, 1));
                  if (db.wanted()) db.add(times(dy, a, fault));
                });
}

const D x({2, 2}, {0.5, -1.5, 2.0, 3.0});
const D w({2, 2}, {1.0, -0.25, 0.75, -2.0});

}  // namespace

TEST_CASE("a true gradient passes") {
  const auto report = stet::testing::check_gradient([](auto a, auto b) { return product(a, b, 1); }, {x, w});
  INFO(report.str());
  CHECK(report.ok());
  CHECK(report.elements == 16);
  CHECK(report.largest_error < 1e-9);
}

TEST_CASE("a wrong gradient is reported by input and element") {
  const auto report = stet::testing::check_gradient([](auto a, auto b) { return product(a, b, 1.001); }, {x, w});
  CHECK_FALSE(report.ok());
  CHECK(report.faults == 4);
  CHECK_THAT(report.str(), Catch::Matchers::ContainsSubstring("input 1 [2,2] element 0"));
}

TEST_CASE("a gradient that depends on which inputs want one is reported") {
  const auto broken = [](const Var<D>& a, const Var<D>& b) {
    return record(times(a.value(), b.value(), 1), std::tie(a, b),
                  [a = a.value(), b = b.value()](const D& dy, auto da, auto db) {
                    if (da.wanted()) da.add(times(dy, b, 1));
                    if (db.wanted()) db.add(times(dy, a, da.wanted() ? 1 : 2));
                  });
  };
  const auto report = stet::testing::check_gradient(broken, {x, w});
  CHECK(report.faults == 4);
  CHECK_THAT(report.str(), Catch::Matchers::ContainsSubstring("with all inputs wanted"));
}

TEST_CASE("one input used twice") {
  const auto report = stet::testing::check_gradient([](auto a) { return product(a, a, 1); }, {x});
  INFO(report.str());
  CHECK(report.ok());
}

}  // namespace gradient_check_test
