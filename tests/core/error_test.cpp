// Errors carry a code and a message; the message is made only when it is needed.
#include <stet/core/error.hpp>

#include "support/catch.hpp"

#include <set>

namespace error_test {

using namespace stet;

TEST_CASE("require throws Error with code and message when the condition does not hold") {
  try {
    require(false, Errc::shape, "conv2d: weight expects {} input channels, input has {}", 3, 4);
    FAIL();
  } catch (const Error& e) {
    CHECK(e.code() == Errc::shape);
    CHECK(std::string(e.what()) == "conv2d: weight expects 3 input channels, input has 4");
  }
  CHECK_NOTHROW(require(true, Errc::io, "never"));
}

TEST_CASE("an Error is a std::runtime_error") {
  CHECK_THROWS_AS(fail(Errc::state, "not calibrated"), std::runtime_error);
}

TEST_CASE("every error code has a name of its own") {
  std::set<std::string> names;
  for (const Errc code : {Errc::shape, Errc::range, Errc::state, Errc::unsupported, Errc::format, Errc::io}) {
    names.insert(name(code));
  }
  CHECK(names.size() == 6);
  CHECK(names.count("unknown") == 0);
}

}  // namespace error_test
