// Files as wholes: what a crash, a container, a link, a FIFO or a closed standard stream must not spoil.
#include <stet/data/idx.hpp>
#include <stet/io/file.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/forked.hpp"

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

namespace file_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::in_child;
using stet_test::read_text;
using stet_test::TemporaryDirectory;

namespace {

void write_text(const std::string& path, std::string_view text) { write_file_atomically(path, text); }

mode_t mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status.st_mode;
}

}  // namespace

TEST_CASE("names made of a process number, left by a killed run, do not stop a later one", "[io]") {
  const TemporaryDirectory dir;
  for (int i = 0; i < 64; ++i) dir.write("a." + std::to_string(::getpid()) + "-" + std::to_string(i) + ".tmp", "left");
  CHECK_NOTHROW(write_text(dir.path("a"), "new"));
  CHECK(read_text(dir.path("a")) == "new");
}

TEST_CASE("what a killed write left is removed by the next write to that name, what lives is not", "[io]") {
  const TemporaryDirectory dir;
  const detail::Destination a(dir.path("a")), b(dir.path("b"));
  CHECK(in_child([&]() -> int {
          detail::TemporaryFile left(a);
          left.write(stet_test::as_bytes("half"));
          ::_exit(0);
        }) == 0);
  CHECK(dir.files() == 1);
  dir.write("a.0123456789abcdef.stet-tmp.mine", "not a temporary file");
  dir.write("a.0123456789ABCDEF.stet-tmp", "neither");
  write_text(dir.path("b"), "other name");
  CHECK(dir.files() == 4);  // only leftovers of the name that is written go
  const detail::TemporaryFile living(a);
  write_text(dir.path("a"), "whole");
  CHECK(read_text(dir.path("a")) == "whole");
  CHECK(::access(living.path().c_str(), F_OK) == 0);
  CHECK(dir.files() == 5);
}

TEST_CASE("threads that write one file leave one whole content and nothing else", "[io]") {
  const TemporaryDirectory dir;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) write_text(dir.path("a"), std::string(1000, static_cast<char>('0' + t)));
    });
  }
  for (std::thread& t : threads) t.join();
  const std::string text = read_text(dir.path("a"));
  CHECK(text == std::string(1000, text.at(0)));
  CHECK(dir.files() == 1);
}

TEST_CASE("a replaced file keeps its permissions, a new one has those that the process gives", "[io]") {
  const TemporaryDirectory dir;
  const std::string path = dir.write("a", "old");
  for (const mode_t mode : {0600u, 0640u, 0664u, 0755u}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    write_text(path, "new");
    CHECK((mode_of(path) & 07777) == mode);
  }
  const mode_t before = ::umask(027);
  write_text(dir.path("b"), "new");
  ::umask(before);
  CHECK((mode_of(dir.path("b")) & 07777) == 0640);
}

TEST_CASE("a file without write permission is not replaced", "[io]") {
  const TemporaryDirectory dir;
  const std::string path = dir.write("a", "kept");
  REQUIRE(::chmod(path.c_str(), 0444) == 0);
  REQUIRE(::chmod(dir.str().c_str(), 0777) == 0);
  const int refused = in_child([&] {
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 98;  // root may write everything
    try {
      write_text(path, "new");
    } catch (const Error& e) {
      return e.code() == Errc::io ? 0 : 1;
    }
    return 2;
  });
  CHECK(refused == 0);
  CHECK(read_text(path) == "kept");
}

TEST_CASE("a link stays, and what it leads to is replaced", "[io]") {
  const TemporaryDirectory dir;
  REQUIRE(::mkdir(dir.path("disk").c_str(), 0777) == 0);
  dir.write("disk/a", "old");
  REQUIRE(::symlink("disk/a", dir.path("relative").c_str()) == 0);
  REQUIRE(::symlink(dir.path("relative").c_str(), dir.path("absolute").c_str()) == 0);
  write_text(dir.path("absolute"), "new");
  CHECK(S_ISLNK(mode_of(dir.path("absolute"))));
  CHECK(S_ISLNK(mode_of(dir.path("relative"))));
  CHECK(read_text(dir.path("disk/a")) == "new");
  REQUIRE(::symlink("disk/none", dir.path("dangling").c_str()) == 0);
  write_text(dir.path("dangling"), "made");
  CHECK(read_text(dir.path("disk/none")) == "made");
  REQUIRE(::symlink("circle", dir.path("circle").c_str()) == 0);
  CHECK_THROWS_WITH(write_text(dir.path("circle"), "x"), ContainsSubstring("a circle of links"));
  CHECK(dir.files() == 5);  // nothing temporary beside the links
}

TEST_CASE("FIFOs, devices and directories are neither read nor replaced, and nobody waits", "[io]") {
  const TemporaryDirectory dir;
  REQUIRE(::mkfifo(dir.path("fifo").c_str(), 0666) == 0);
  REQUIRE(::mkdir(dir.path("folder").c_str(), 0777) == 0);
  REQUIRE(::symlink("/dev/null", dir.path("device").c_str()) == 0);
  const auto kind_refused = [](const std::function<void()>& body, const std::string& kind) {
    return in_child([&] {
             try {
               body();
             } catch (const Error& e) {
               return e.code() == Errc::io && std::string(e.what()).find(kind) != std::string::npos ? 0 : 1;
             }
             return 2;
           }) == 0;
  };
  for (const auto& [name, kind] :
       {std::pair{"fifo", "a FIFO"}, {"folder", "a directory"}, {"device", "a character device"}}) {
    CAPTURE(name);
    const std::string path = dir.path(name);
    CHECK(kind_refused([&] { read_file(path); }, kind));
    CHECK(kind_refused([&] { load_idx(path); }, kind));
    CHECK(kind_refused([&] { write_text(path, "x"); }, kind));
    CHECK(kind_refused([&] { require_writable(path); }, kind));
  }
  CHECK(S_ISFIFO(mode_of(dir.path("fifo"))));
  CHECK(S_ISCHR(mode_of("/dev/null")));
  CHECK(dir.files() == 3);
}

TEST_CASE("a name as long as a file system takes can be written", "[io]") {
  const TemporaryDirectory dir;
  const std::string path = dir.path(std::string(255, 'n'));
  write_text(path, "one");
  write_text(path, "two");
  CHECK(read_text(path) == "two");
  CHECK(dir.files() == 1);
}

TEST_CASE("whether a file can be written is known beforehand, and asking leaves no trace", "[io]") {
  const TemporaryDirectory dir;
  CHECK_NOTHROW(require_writable(dir.path("a")));
  CHECK(dir.files() == 0);
  dir.write("b", "old");
  CHECK_NOTHROW(require_writable(dir.path("b")));
  CHECK(read_text(dir.path("b")) == "old");
  CHECK_THROWS_WITH(require_writable(dir.path("no/file")), ContainsSubstring("check that the directory"));
  CHECK_THROWS_WITH(require_writable(dir.path("b/file")), ContainsSubstring("check that the directory"));
}

TEST_CASE("a file never takes the number of a standard stream that is closed", "[io]") {
  const TemporaryDirectory dir;
  const int status = in_child([&] {
    ::close(STDERR_FILENO);
    detail::TemporaryFile file{detail::Destination(dir.path("a"))};
    static_cast<void>(::write(STDERR_FILENO, "progress", 8));  // fails: nobody has the number
    file.write(stet_test::as_bytes("content"));
    file.replace_destination();
    return read_text(dir.path("a")) == "content" ? 0 : 1;
  });
  CHECK(status == 0);
}

}  // namespace file_test
