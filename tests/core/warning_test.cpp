#include <stet/core/warning.hpp>

#include <support/catch.hpp>
#include <support/warnings.hpp>

#include <cstdio>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace warning_test {

using namespace stet;

TEST_CASE("a warning reaches the handler that is set, and the one before it afterwards") {
  const stet_test::CaughtWarnings outer;
  {
    const stet_test::CaughtWarnings inner;
    warn("calibrate: {} images are few", 3);
    CHECK(inner.all() == std::vector<std::string>{"calibrate: 3 images are few"});
  }
  warn("again");
  CHECK(outer.all() == std::vector<std::string>{"again"});
}

TEST_CASE("a handler may make warnings errors") {
  const WarningHandler before =
      set_warning_handler([](const std::string& message) { throw Error(Errc::state, message); });
  CHECK_THROWS_AS(warn("no"), Error);
  set_warning_handler(before);
}

TEST_CASE("a warning that cannot be written ends nothing") {
  std::fflush(stderr);
  const int kept = dup(STDERR_FILENO);
  const int full = open("/dev/full", O_WRONLY);
  REQUIRE(full >= 0);
  dup2(full, STDERR_FILENO);
  const WarningHandler before = set_warning_handler({});
  CHECK_NOTHROW(warn("nobody reads {}", "this"));
  std::fflush(stderr);
  set_warning_handler(before);
  dup2(kept, STDERR_FILENO);
  close(kept);
  close(full);
}

}  // namespace warning_test
