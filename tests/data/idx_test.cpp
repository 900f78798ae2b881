// IDX files: what is read, what is refused, and how a missing data set is reported.
#include <stet/data/idx.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"

namespace idx_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::TemporaryDirectory;

namespace {

// The bytes of an IDX file of unsigned bytes 0, 1, 2, ...
std::string idx(const std::vector<std::uint32_t>& dims, std::size_t data, char type = 0x08) {
  std::string bytes{0, 0, type, static_cast<char>(dims.size())};
  for (const std::uint32_t d : dims) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(d >> shift & 255);
  }
  for (std::size_t i = 0; i < data; ++i) bytes += static_cast<char>(i % 10);
  return bytes;
}

Errc code_of(const std::string& path) {
  try {
    (void)load_idx(path);
  } catch (const Error& e) {
    return e.code();
  }
  FAIL("read without error: " << path);
  return Errc::io;
}

void write_mnist_like(const TemporaryDirectory& dir) {
  for (const std::string part : {"train", "t10k"}) {
    dir.write(part + "-images-idx3-ubyte", idx({20, 4, 4}, 320));
    dir.write(part + "-labels-idx1-ubyte", idx({20}, 20));
  }
}

}  // namespace

TEST_CASE("an IDX file is read with its dimensions", "[data]") {
  const TemporaryDirectory dir;
  const auto values = load_idx(dir.write("a", idx({2, 3, 2, 1, 1}, 12)));
  CHECK(values.shape() == Shape{2, 3, 2, 1, 1});
  CHECK(values[11] == 1);
  CHECK(load_idx_images(dir.write("grey", idx({2, 3, 2}, 12))).shape() == Shape{2, 3, 2, 1});
  CHECK(load_idx_images(dir.write("colour", idx({2, 2, 1, 3}, 12))).shape() == Shape{2, 2, 1, 3});
  const auto labels = load_idx_labels(dir.write("labels", idx({12}, 12)));
  CHECK(labels.shape() == Shape{12});
  CHECK(labels[9] == 9);
}

TEST_CASE("a file that is cut anywhere, or has more, is refused", "[data]") {
  const TemporaryDirectory dir;
  const std::string whole = idx({2, 3, 2}, 12);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK(code_of(dir.write("cut", whole.substr(0, n))) == Errc::format);
  }
  CHECK_THROWS_WITH(load_idx(dir.write("long", whole + "x")), ContainsSubstring("continues behind the 12 bytes"));
}

TEST_CASE("wrong magic numbers, types and dimensions are refused", "[data]") {
  const TemporaryDirectory dir;
  CHECK(code_of(dir.write("png", "\x89PNG....................")) == Errc::format);
  CHECK(code_of(dir.write("float", idx({2}, 8, 0x0d))) == Errc::unsupported);
  CHECK(code_of(dir.write("rank0", idx({}, 1))) == Errc::format);
  CHECK(code_of(dir.write("rank7", idx({1, 1, 1, 1, 1, 1, 1}, 1))) == Errc::unsupported);
  CHECK(code_of(dir.write("zero", idx({0, 28, 28}, 0))) == Errc::format);
  CHECK_THROWS_WITH(load_idx_labels(dir.write("l", idx({2, 2}, 4))), ContainsSubstring("labels need 1 dimension"));
  CHECK_THROWS_WITH(load_idx_images(dir.write("i", idx({4}, 4))), ContainsSubstring("images need 3 or 4 dimensions"));
  CHECK(code_of(dir.path("nothing")) == Errc::io);
  CHECK(code_of(dir.str()) == Errc::io);
}

TEST_CASE("huge dimensions are refused before memory is taken", "[data]") {
  const TemporaryDirectory dir;
  const auto before = MemoryPool::instance().statistics();
  CHECK(code_of(dir.write("a", idx({0xffffffff, 0xffffffff, 0xffffffff}, 10))) == Errc::format);
  CHECK(code_of(dir.write("b", idx({0x80000000, 2, 2, 2, 2, 2}, 10))) == Errc::format);
  CHECK(code_of(dir.write("c", idx({0x7fffffff}, 10))) == Errc::format);
  CHECK(MemoryPool::instance().statistics().system_allocations == before.system_allocations);
}

TEST_CASE("a directory with the four files becomes training and test images", "[data]") {
  const TemporaryDirectory dir;
  write_mnist_like(dir);
  const DatasetSplit data = load_mnist(dir.str(), "tiny");
  CHECK(data.train.size() == 20);
  CHECK(data.test.shape() == Shape{4, 4, 1});
  CHECK(data.test.labels()[7] == 7);
  CHECK(data.train.name() == "tiny");
}

TEST_CASE("a missing data set says how to get it", "[data]") {
  const TemporaryDirectory dir;
  CHECK_THROWS_WITH(load_fashion_mnist(dir.str()), ContainsSubstring("dataset-fashion-mnist"));
  CHECK_THROWS_WITH(load_fashion_mnist(dir.str()), ContainsSubstring("t10k-labels-idx1-ubyte"));
  write_mnist_like(dir);
  CHECK_NOTHROW(load_fashion_mnist(dir.str()));
  dir.write("t10k-labels-idx1-ubyte", idx({19}, 19));
  CHECK_THROWS_WITH(load_fashion_mnist(dir.str()), ContainsSubstring("20 images need labels [20], got [19]"));
}

#if STET_HAS_ZLIB

namespace {
std::string gzip(const TemporaryDirectory& dir, const std::string& name, const std::string& bytes) {
  gzFile file = gzopen(dir.path(name).c_str(), "wb");
  REQUIRE(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())) == static_cast<int>(bytes.size()));
  gzclose(file);
  return dir.path(name);
}
}  // namespace

TEST_CASE("a gzipped IDX file gives the same values, whatever its name", "[data]") {
  const TemporaryDirectory dir;
  const std::string bytes = idx({50, 8, 8}, 3200);
  const auto plain = load_idx(dir.write("a", bytes));
  for (const char* name : {"a.gz", "b"}) {
    const auto packed = load_idx(gzip(dir, name, bytes));
    CHECK(packed.shape() == plain.shape());
    CHECK(std::memcmp(packed.data(), plain.data(), 3200) == 0);
  }
  write_mnist_like(dir);
  CHECK(std::remove(dir.path("train-images-idx3-ubyte").c_str()) == 0);
  gzip(dir, "train-images-idx3-ubyte.gz", idx({20, 4, 4}, 320));
  CHECK(load_fashion_mnist(dir.str()).train.size() == 20);
}

TEST_CASE("gzip data that is cut or damaged anywhere is refused", "[data]") {
  const TemporaryDirectory dir;
  const std::string whole = stet_test::read_text(gzip(dir, "a.gz", idx({4, 8, 8}, 256)));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK(code_of(dir.write("cut.gz", whole.substr(0, n))) == Errc::format);
  }
  for (std::size_t n = 10; n < whole.size(); ++n) {  // behind gzip's own header, most of which means nothing
    CAPTURE(n);
    std::string damaged = whole;
    damaged[n] = static_cast<char>(damaged[n] ^ 0x11);
    CHECK_THROWS_AS(load_idx(dir.write("damaged.gz", damaged)), Error);
  }
}

TEST_CASE("gzipped huge dimensions are refused before memory is taken", "[data]") {
  const TemporaryDirectory dir;
  const auto before = MemoryPool::instance().statistics();
  CHECK(code_of(gzip(dir, "a.gz", idx({60000, 0xffff, 0xffff}, 10))) == Errc::format);
  CHECK(MemoryPool::instance().statistics().system_allocations == before.system_allocations);
}

TEST_CASE("Fashion-MNIST as Debian packages it", "[data]") {
  struct stat status {};
  if (stat(fashion_mnist_directory, &status) != 0) {
    WARN("not installed: dataset-fashion-mnist");
    return;
  }
  const DatasetSplit data = load_fashion_mnist();
  CHECK(data.train.size() == 60000);
  CHECK(data.test.size() == 10000);
  CHECK(data.train.shape() == Shape{28, 28, 1});
  CHECK(data.train.labels()[0] == 9);
  std::array<int, 10> counts{};
  for (const std::int32_t label : data.test.labels()) ++counts[static_cast<std::size_t>(label)];
  for (const int count : counts) CHECK(count == 1000);
}

#else

TEST_CASE("without zlib a gzipped file is refused with a remedy", "[data]") {
  const TemporaryDirectory dir;
  CHECK_THROWS_WITH(load_idx(dir.write("a.gz", "\x1f\x8b\x08")), ContainsSubstring("without zlib"));
}

#endif

}  // namespace idx_test
