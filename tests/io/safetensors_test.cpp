// safetensors: round trips, the reference layout, and hostile files.
#include <stet/io/safetensors.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"

#include <stet/core/random.hpp>

#include <limits>

namespace safetensors_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::as_bytes;
using stet_test::TemporaryDirectory;

namespace {

// A file with this header text and this much data, byte i of which is i.
std::string file_of(const std::string& header, std::size_t data = 0) {
  const std::uint64_t n = header.size();
  std::string file(reinterpret_cast<const char*>(&n), 8);
  file += header;
  for (std::size_t i = 0; i < data; ++i) file += static_cast<char>(i);
  return file;
}
std::string tensor(const std::string& name, const std::string& type, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}
SafetensorsFile decode(const std::string& bytes) { return SafetensorsFile::decode(as_bytes(bytes)); }
Errc code_of(const std::string& bytes) {
  try {
    (void)decode(bytes);
  } catch (const Error& e) {
    return e.code();
  }
  FAIL("read without error: " << bytes);
  return Errc::io;
}

SafetensorsFile example() {
  SafetensorsFile file;
  file.add("b", Tensor<float>({2, 2}, {1, -0.0f, std::numeric_limits<float>::quiet_NaN(), 4}));
  file.add("a", Tensor<std::int8_t>({3}, {-128, 0, 127}));
  file.add("c", Tensor<std::int64_t>(Shape{}, {std::int64_t{1} << 62}));
  file.add("empty", Tensor<double>(Shape{0, 3}));
  file.set_metadata("format", "stet \"1\"");
  return file;
}

void check_same(const SafetensorsFile& a, const SafetensorsFile& b) {
  REQUIRE(a.entries().size() == b.entries().size());
  CHECK(a.metadata() == b.metadata());
  for (const auto& e : a.entries()) {
    const auto* f = b.find(e.name);
    REQUIRE(f != nullptr);
    CHECK(f->dtype == e.dtype);
    CHECK(f->shape == e.shape);
    CHECK(std::ranges::equal(f->bytes.span(), e.bytes.span()));
  }
}

template <class T>
void round_trip() {
  SafetensorsFile file;
  const Tensor<T> t({2, 2}, {std::numeric_limits<T>::lowest(), T{0}, T{1}, std::numeric_limits<T>::max()});
  file.add("t", t);
  const auto back = SafetensorsFile::decode(file.encode()).get<T>("t");
  CHECK(back.shape() == t.shape());
  CHECK(std::ranges::equal(back.span(), t.span()));
}

}  // namespace

TEST_CASE("tensors of every type read back with the same bits", "[io]") {
  round_trip<float>();
  round_trip<double>();
  round_trip<std::int8_t>();
  round_trip<std::int16_t>();
  round_trip<std::int32_t>();
  round_trip<std::int64_t>();
  round_trip<std::uint8_t>();
  round_trip<std::uint16_t>();
  round_trip<std::uint32_t>();
  round_trip<std::uint64_t>();
  const SafetensorsFile file = example();
  const auto bytes = file.encode();
  check_same(file, SafetensorsFile::decode(bytes));
  CHECK(SafetensorsFile::decode(bytes).encode() == bytes);
  const TemporaryDirectory dir;
  file.save(dir.path("a.safetensors"));
  check_same(file, SafetensorsFile::load(dir.path("a.safetensors")));
  CHECK(dir.files() == 1);
}

TEST_CASE("the layout is the reference writer's", "[io]") {
  SafetensorsFile file;
  CHECK(file.encode() == std::vector<std::uint8_t>{8, 0, 0, 0, 0, 0, 0, 0, '{', '}', ' ', ' ', ' ', ' ', ' ', ' '});
  file.add("z", Tensor<std::uint8_t>({1}, {7}));
  file.add("b", Tensor<float>({1}, {0}));
  file.add("a", Tensor<float>({1, 1}, {0}));
  file.add("y", Tensor<std::int64_t>({1}, {0}));
  file.set_metadata("k", "v");
  const auto bytes = file.encode();
  const std::string text(bytes.begin() + 8, bytes.end());
  CHECK_THAT(text, Catch::Matchers::StartsWith(
                       R"({"__metadata__":{"k":"v"},"y":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
                       R"("a":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]},)"
                       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},)"
                       R"("z":{"dtype":"U8","shape":[1],"data_offsets":[16,17]}})"));
  CHECK(bytes[0] % 8 == 0);
  CHECK(bytes.back() == 7);
}

TEST_CASE("a file may be laid out otherwise than we write it", "[io]") {
  // Any order, unaligned data, types we only carry, empty tensors, no padding.
  const auto file =
      decode(file_of(" {" + tensor("z", "F32", "[2]", "[3,11]") + " , \n" + tensor("h", "BF16", "[1]", "[1,3]") + "," +
                         tensor("e", "F64", "[0,5]", "[3,3]") + "," + tensor("f4", "F4", "[2]", "[0,1]") + "}",
                     11)
                 .replace(8, 2, "{ "));
  CHECK(file.entries()[0].name == "f4");
  CHECK(file.entries()[1].dtype == Dtype::bf16);
  CHECK(file.entries()[2].name == "e");
  CHECK(file.entries()[3].bytes[0] == 3);
  CHECK(file.get<float>("z").shape() == Shape{2});
  CHECK(decode(file_of("{\"__metadata__\":{}}")).entries().empty());
}

TEST_CASE("a file that is cut anywhere, or has more, is refused", "[io]") {
  const auto whole = example().encode();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK_THROWS_AS(SafetensorsFile::decode(std::span(whole).first(n)), Error);
  }
  auto longer = whole;
  longer.push_back(0);
  CHECK_THROWS_WITH(SafetensorsFile::decode(longer), ContainsSubstring("the tensors end at byte"));
}

TEST_CASE("flipped bits in the header give an error or a valid file, never more", "[io]") {
  const auto whole = example().encode();
  const std::size_t header = 8 + whole[0] + std::size_t{256} * whole[1];
  int valid = 0, refused = 0;
  const auto look = [&](const std::vector<std::uint8_t>& bytes) {
    try {
      const auto file = SafetensorsFile::decode(bytes);
      std::size_t total = 0;
      for (const auto& e : file.entries()) total += static_cast<std::size_t>(e.bytes.size());
      CHECK(total == whole.size() - header);
      ++valid;
    } catch (const Error&) {
      ++refused;
    }
  };
  for (std::size_t i = 0; i < header; ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      auto bytes = whole;
      bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ 1 << bit);
      look(bytes);
    }
  }
  CHECK(valid > 0);  // a letter of a name or of the metadata
  CHECK(refused > valid);
  Rng rng(1);
  for (int n = 0; n < 20000; ++n) {
    auto bytes = whole;
    for (int k = 0; k < 3; ++k) bytes[8 + rng.below(header - 8)] = static_cast<std::uint8_t>(rng.below(128));
    look(bytes);
  }
}

TEST_CASE("hostile headers are refused", "[io]") {
  const auto bad = [](const std::string& header, std::size_t data = 4) {
    CAPTURE(header);
    CHECK(code_of(file_of(header, data)) == Errc::format);
  };
  const auto one = [](const std::string& type, const std::string& shape, const std::string& offsets) {
    return "{" + tensor("t", type, shape, offsets) + "}";
  };
  CHECK_NOTHROW(decode(file_of(one("F32", "[1]", "[0,4]"), 4)));
  // Lengths.
  CHECK(code_of("") == Errc::format);
  CHECK(code_of(std::string(8, '\0')) == Errc::format);
  CHECK(code_of(std::string(8, '\xff') + "{}") == Errc::format);
  std::string huge = file_of(std::string(100, ' '));
  huge[0] = 101;
  CHECK(code_of(huge) == Errc::format);
  CHECK_THROWS_WITH(decode(std::string("\x01\xe1\xf5\x05\0\0\0\0", 8) + std::string(100'000'001, ' ')),
                    ContainsSubstring("100000001"));
  // Not the JSON that it must be.
  bad("", 0);
  bad("[]", 0);
  bad(" {}", 0);
  bad("{}{}", 0);
  bad("{\"a\":1}", 0);
  bad("{\"a\":" + std::string(100000, '[') + "}", 0);
  bad(one("F32", "[1]", "[0,4]") + std::string(3, '\0'));
  bad("{" + tensor("t\xff", "F32", "[1]", "[0,4]") + "}");
  // Members twice, missing, unknown, of the wrong kind.
  bad("{" + tensor("t", "F32", "[1]", "[0,4]") + "," + tensor("t", "F32", "[1]", "[0,4]") + "}");
  bad(R"({"t":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})");
  bad(R"({"t":{"dtype":"F32","shape":[1]}})");
  bad(R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":0}})");
  bad(R"({"t":{"dtype":4,"shape":[1],"data_offsets":[0,4]}})");
  bad(R"({"t":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})");
  bad(R"({"t":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})");
  bad(R"({"t":null})");
  // Metadata that is not text.
  bad(R"({"__metadata__":{"a":1}})", 0);
  bad(R"({"__metadata__":{"a":{"b":"c"}}})", 0);
  bad(R"({"__metadata__":"a"})", 0);
  bad(R"({"__metadata__":{"a":"1","a":"2"}})", 0);
  // Types, shapes and offsets.
  bad(one("F33", "[1]", "[0,4]"));
  bad(one("f32", "[1]", "[0,4]"));
  bad(one("F32", "[2]", "[0,4]"));
  bad(one("F32", "[1.0]", "[0,4]"));
  bad(one("F32", "[-1]", "[0,4]"));
  bad(one("F32", "[1]", "[0,4.0]"));
  bad(one("F32", "[1]", "[4,0]"));
  bad(one("F32", "[1]", "[0,4,8]"));
  bad(one("F32", "[1]", "[0]"));
  bad(one("F32", "[1]", "[18446744073709551614,2]"));
  bad(one("F32", "[1]", "[18446744073709551616,18446744073709551620]"));
  bad(one("F4", "[3]", "[0,2]"), 2);
  bad(one("F32", "[0]", "[0,4]"));
  // Holes, overlap, and data that no tensor claims.
  bad(one("F32", "[1]", "[1,5]"), 5);
  bad(one("F32", "[1]", "[0,4]"), 5);
  bad(one("F32", "[1]", "[0,4]"), 3);
  bad("{" + tensor("a", "U8", "[2]", "[0,2]") + "," + tensor("b", "U8", "[2]", "[1,3]") + "}", 3);
  bad("{" + tensor("a", "U8", "[2]", "[0,2]") + "," + tensor("b", "U8", "[2]", "[0,2]") + "}", 2);
  bad("{" + tensor("a", "U8", "[1]", "[0,1]") + "," + tensor("b", "U8", "[1]", "[2,3]") + "}", 3);
  bad("{}", 1);
  // Valid, but more than a Shape holds.
  CHECK(code_of(file_of(one("U8", "[1,1,1,1,1,1,1]", "[0,1]"), 1)) == Errc::unsupported);
  CHECK(code_of(file_of(one("F32", "[4294967296,4294967296,4]", "[0,0]"))) == Errc::unsupported);
  CHECK(code_of(file_of(one("F32", "[18446744073709551615,2]", "[0,8]"))) == Errc::unsupported);
  CHECK(code_of(file_of(one("F32", "[0,18446744073709551615]", "[0,0]"))) == Errc::unsupported);
}

TEST_CASE("a huge tensor without its data takes no memory", "[io]") {
  const auto before = MemoryPool::instance().statistics();
  CHECK(code_of(file_of("{" + tensor("t", "U8", "[281474976710656]", "[0,281474976710656]") + "}", 16)) ==
        Errc::format);
  CHECK(MemoryPool::instance().statistics().system_allocations == before.system_allocations);
}

TEST_CASE("access and addition are checked", "[io]") {
  SafetensorsFile file = example();
  CHECK_THROWS_WITH(file.get<float>("x"), ContainsSubstring("no tensor 'x'"));
  CHECK_THROWS_WITH(file.get<float>("a"), ContainsSubstring("'a' has type I8, wanted F32"));
  CHECK_THROWS_WITH(file.add("a", Tensor<float>({1}, {0})), ContainsSubstring("'a' is taken"));
  CHECK_THROWS_AS(file.add("__metadata__", Tensor<float>({1}, {0})), Error);
  CHECK_THROWS_AS(file.add("f", Dtype::f4, {3}, as_bytes("ab")), Error);
  CHECK_THROWS_WITH(file.add("f", Dtype::f16, {3}, as_bytes("abcd")), ContainsSubstring("4 bytes, shape [3] of F16"));
  file.add("f", Dtype::f4, {4}, as_bytes("ab"));
  CHECK(*file.find_metadata("format") == "stet \"1\"");
  CHECK(file.find_metadata("x") == nullptr);
  file.set_metadata("format", "2");
  CHECK(file.metadata().size() == 1);
  file.set_metadata("bad", "\xff");
  CHECK_THROWS_WITH(file.encode(), ContainsSubstring("not UTF-8"));
  CHECK_THROWS_WITH(SafetensorsFile::load("/nowhere/x.safetensors"), ContainsSubstring("cannot open /nowhere"));
  const TemporaryDirectory dir;
  CHECK_THROWS_WITH(SafetensorsFile::load(dir.write("t", "short")), ContainsSubstring(dir.path("t")));
}

TEST_CASE("a sealed file reads back, and says so", "[io]") {
  SafetensorsFile file = example();
  CHECK_FALSE(SafetensorsFile::decode(file.encode()).sealed());
  file.seal();
  const std::vector<std::uint8_t> bytes = file.encode();
  const SafetensorsFile back = SafetensorsFile::decode(bytes);
  CHECK(back.sealed());
  check_same(file, back);
  CHECK(back.encode() == bytes);
  CHECK_THROWS_WITH(file.set_metadata("stet_checksum", "x"), ContainsSubstring("reserved"));
  // Other readers see a text of 22 characters; where the layout is not stet's, the checksum cannot be that of the file.
  const std::string spaced = file_of(R"({"__metadata__": {"stet_checksum": "xxh64 0000000000000000"}})");
  CHECK_THROWS_WITH(decode(spaced), ContainsSubstring("is not as stet writes it"));
  // A text that looks like the place of the checksum is not taken for it.
  SafetensorsFile quoted;
  quoted.set_metadata("k", "\"stet_checksum\":\"xxh64 0123456789abcdef\"");
  quoted.seal();
  CHECK(SafetensorsFile::decode(quoted.encode()).find_metadata("k")->size() == 40);
}

TEST_CASE("of a sealed file every flipped bit, every changed byte and every cut is refused", "[io]") {
  SafetensorsFile file = example();
  file.seal();
  const std::vector<std::uint8_t> whole = file.encode();
  const auto refused = [](const std::vector<std::uint8_t>& bytes) {
    try {
      // With a key that is no longer that of the checksum there is none; readers of files that must have one notice.
      return !SafetensorsFile::decode(bytes).sealed();
    } catch (const Error&) {
      return true;
    }
  };
  REQUIRE_FALSE(refused(whole));
  std::vector<std::uint8_t> damaged = whole;
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ (1 << (bit % 8)));
    INFO("bit " << bit);
    REQUIRE(refused(damaged));
    damaged[bit / 8] = whole[bit / 8];
  }
  Rng rng(7);
  for (int i = 0; i < 2000; ++i) {
    const std::size_t at = rng.below(whole.size());
    damaged[at] = static_cast<std::uint8_t>(damaged[at] + 1 + rng.below(255));
    REQUIRE(refused(damaged));
    damaged[at] = whole[at];
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    REQUIRE(refused(std::vector<std::uint8_t>(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))));
  }
}

}  // namespace safetensors_test
