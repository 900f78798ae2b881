// Locks: one holder, released by its end and by its death.
#include <stet/io/file_lock.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/forked.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include <signal.h>
#include <sys/stat.h>

namespace file_lock_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::in_child;
using stet_test::TemporaryDirectory;

TEST_CASE("a lock has one holder, in the same process and in others", "[io]") {
  const TemporaryDirectory dir;
  const std::string path = dir.path("run.lock");
  const auto refused = [&] {
    try {
      const FileLock second(path, "test: the folder");
    } catch (const Error& e) {
      return e.code() == Errc::state ? 0 : 1;
    }
    return 2;
  };
  {
    const FileLock first(path, "test: the folder");
    CHECK_THROWS_WITH(
        FileLock(path, "test: the folder"),
        ContainsSubstring("test: the folder is in use by another run (process " + std::to_string(::getpid()) + ")"));
    CHECK(in_child(refused) == 0);
  }
  CHECK(dir.files() == 0);  // released, and no trace
  CHECK(refused() == 2);
}

TEST_CASE("a killed holder keeps nobody out", "[io]") {
  const TemporaryDirectory dir;
  const std::string path = dir.path("run.lock");
  CHECK(in_child([&]() -> int {
          const FileLock held(path, "test");
          ::raise(SIGKILL);
          return 0;
        }) == -SIGKILL);
  CHECK(dir.files() == 1);
  { const FileLock next(path, "test"); }
  CHECK(dir.files() == 0);
}

TEST_CASE("a lock that a forked process inherited is released by its owner", "[io]") {
  const TemporaryDirectory dir;
  int ends[2] = {-1, -1};
  REQUIRE(::pipe(ends) == 0);
  std::optional<FileLock> lock(std::in_place, dir.path("run.lock"), "test");
  const pid_t child = ::fork();
  if (child == 0) {
    char end = 0;
    ::close(ends[1]);
    ::_exit(static_cast<int>(::read(ends[0], &end, 1)));  // lives until the test is over
  }
  lock.reset();
  CHECK_NOTHROW(FileLock(dir.path("run.lock"), "test"));
  ::close(ends[1]);
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
}

TEST_CASE("holders that come and go never hold a lock at once", "[io]") {
  const TemporaryDirectory dir;
  std::atomic<int> holding{0}, most{0}, held{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 300; ++i) {
        try {
          const FileLock lock(dir.path("run.lock"), "test");
          most = std::max(most.load(), ++holding);
          ++held;
          --holding;
        } catch (const Error&) {
        }
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(most == 1);
  CHECK(held > 0);
}

TEST_CASE("a lock that cannot be made is an error of the file system", "[io]") {
  const TemporaryDirectory dir;
  CHECK_THROWS_WITH(FileLock(dir.path("no/run.lock"), "test"), ContainsSubstring("check that its folder exists"));
  REQUIRE(::mkfifo(dir.path("fifo").c_str(), 0666) == 0);
  CHECK_THROWS_WITH(FileLock(dir.path("fifo"), "test"), ContainsSubstring("a FIFO, not a regular file"));
}

}  // namespace file_lock_test
