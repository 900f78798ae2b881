// .npy files and atomic writing.
#include <stet/io/npy.hpp>
#include <stet/io/npy_as.hpp>

#include "io/temporary_directory.hpp"
#include "support/golden.hpp"

namespace npy_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::read_text;
using stet_test::TemporaryDirectory;

namespace {

template <class T>
void round_trip(const TemporaryDirectory& dir) {
  for (const Shape& shape : {Shape{}, Shape{0}, Shape{5}, Shape{2, 3}, Shape{1, 2, 1, 2, 1, 2}, Shape{3, 0, 2}}) {
    Tensor<T> t(shape);
    for (std::int64_t i = 0; i < t.size(); ++i) t.edit()[static_cast<std::size_t>(i)] = static_cast<T>(i * 37 - 3);
    const std::string path = dir.path("t.npy");
    save_npy(path, t);
    CHECK(read_text(path).find('\n') % 64 == 63);
    const Tensor<T> back = load_npy<T>(path);
    CHECK(back.shape() == shape);
    CHECK(std::ranges::equal(back.span(), t.span()));
  }
}

// A file with this header text and this much data.
std::string npy(const std::string& header, std::size_t data, char major = 1) {
  std::string file = "\x93NUMPY";
  file += major;
  file += '\0';
  file += static_cast<char>(header.size() & 255);
  file += static_cast<char>(header.size() >> 8);
  return file + header + std::string(data, '\1');
}

Errc code_of(const std::string& path) {
  try {
    (void)load_npy<float>(path);
  } catch (const Error& e) {
    return e.code();
  }
  FAIL("read without error: " << read_text(path));
  return Errc::io;
}

}  // namespace

TEST_CASE("a tensor written as .npy reads back equal", "[io]") {
  const TemporaryDirectory dir;
  round_trip<float>(dir);
  round_trip<double>(dir);
  round_trip<std::int8_t>(dir);
  round_trip<std::uint8_t>(dir);
  round_trip<std::int16_t>(dir);
  round_trip<std::int32_t>(dir);
  round_trip<std::int64_t>(dir);
}

TEST_CASE("files that NumPy wrote are read and written with the same bytes", "[io]") {
  const TemporaryDirectory dir;
  const std::string values = std::string(STET_TEST_DIR) + "/golden/ops/optimizer_adam.values.npy";
  const auto t = load_npy<double>(values);
  CHECK(t.shape() == Shape{12, 10});
  save_npy(dir.path("again.npy"), t);
  CHECK(read_text(dir.path("again.npy")) == read_text(values));
  const std::string row = std::string(STET_TEST_DIR) + "/golden/ops/optimizer_adam.initial.npy";
  save_npy(dir.path("row.npy"), load_npy<float>(row));
  CHECK(read_text(dir.path("row.npy")) == read_text(row));
}

TEST_CASE("odd but valid headers are read", "[io]") {
  const TemporaryDirectory dir;
  for (const char* header : {"{'shape': (2,), 'descr': '<f4', 'fortran_order': False}",
                             "{\"descr\":\"<f4\",\"fortran_order\":False,\"shape\":(1,2)}\n",
                             "  {'descr': '<f4' ,\n 'fortran_order' : False, 'shape': ( 2 , 1 , ) , }   \n"}) {
    CHECK(load_npy<float>(dir.write("t.npy", npy(header, 8))).size() == 2);
  }
  CHECK(
      load_npy<std::int8_t>(dir.write("t.npy", npy("{'descr':'<i1','fortran_order':False,'shape':(2,)}", 2))).size() ==
      2);
}

TEST_CASE("bad headers are refused", "[io]") {
  const TemporaryDirectory dir;
  const auto code = [&](const std::string& header, std::size_t data = 8) {
    CAPTURE(header);
    return code_of(dir.write("t.npy", npy(header, data)));
  };
  const auto with_shape = [](const std::string& s) {
    return "{'descr': '<f4', 'fortran_order': False, 'shape': " + s + "}";
  };
  for (const char* shape : {"2", "(2)", "(2", "(,)", "(2,,1)", "(-1,)", "(2.0,)", "(2 1)", "()x", "(1,2))", "[2]",
                            "(0x2,)", "(99999999999999999999999,)", "(4294967296,4294967296)", "(281474976710656,2)"}) {
    CHECK(code(with_shape(shape)) == Errc::format);
  }
  CHECK(code(with_shape("(1,1,1,1,1,1,2)")) == Errc::unsupported);
  CHECK(code(with_shape("(3,)")) == Errc::format);
  CHECK(code(with_shape("(1,)")) == Errc::format);
  for (const char* header :
       {"", "{", "{}", "[]", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4, 'fortran_order': False, 'shape': (2,)}", "{'descr: <f4",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} 7"}) {
    CHECK(code(header) == Errc::format);
  }
  CHECK(code("{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}") == Errc::unsupported);
  for (const char* type : {"<f8", ">f4", "|O", "<i4", "f4", "<f2", "|f4", ""}) {
    CHECK(code(std::string("{'descr': '") + type + "', 'fortran_order': False, 'shape': (2,)}") == Errc::unsupported);
  }
  CHECK(code_of(dir.write("t.npy", npy(with_shape("(2,)"), 8, 4))) == Errc::unsupported);
  CHECK(code_of(dir.write("t.npy", "PK\3\4 this is a .npz")) == Errc::format);
  CHECK(code_of(dir.path("nothing.npy")) == Errc::io);
  CHECK_THROWS_WITH(load_npy<float>(dir.write("t.npy", npy("{'descr':'<i4','fortran_order':False,'shape':(2,)}", 8))),
                    ContainsSubstring("elements are '<i4', wanted '<f4'"));
}

TEST_CASE("a .npy file that is cut anywhere is refused", "[io]") {
  const TemporaryDirectory dir;
  save_npy(dir.path("t.npy"), Tensor<float>::filled({2, 3}, 1.5f));
  const std::string whole = read_text(dir.path("t.npy"));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK(code_of(dir.write("cut.npy", whole.substr(0, n))) == Errc::format);
  }
  CHECK(code_of(dir.write("long.npy", whole + "x")) == Errc::format);
}

TEST_CASE("elements of any type are read as another where each has a number there", "[io]") {
  const TemporaryDirectory dir;
  const std::string path = dir.path("a.npy");
  save_npy(path, Tensor<double>({2, 2}, {1, -2, 0.1, 300}));
  CHECK(load_npy_as<float>(path).span()[2] == 0.1f);
  CHECK(load_npy_as<float>(path).shape() == Shape{2, 2});
  CHECK_FALSE(npy_holds_integers(path));
  CHECK_THROWS_WITH(load_npy_as<std::int32_t>(path), ContainsSubstring("element 2 is 0.1, which is no integer of 32 bits"));
  save_npy(path, Tensor<std::int64_t>({3}, {-128, 0, 127}));
  CHECK(npy_holds_integers(path));
  CHECK(load_npy_as<std::int32_t>(path).span()[0] == -128);
  CHECK(load_npy_as<std::int8_t>(path).span()[2] == 127);
  CHECK(load_npy_as<std::int64_t>(path).span()[1] == 0);
  save_npy(path, Tensor<std::int64_t>({2}, {0, 128}));
  CHECK_THROWS_WITH(load_npy_as<std::int8_t>(path), ContainsSubstring("element 1 is 128, which is no integer of 8 bits"));
  save_npy(path, Tensor<std::int64_t>({1}, {std::int64_t{1} << 31}));
  CHECK_THROWS_AS(load_npy_as<std::int32_t>(path), Error);
  save_npy(path, Tensor<std::uint8_t>({2}, {7, 255}));
  CHECK(load_npy_as<float>(path).span()[1] == 255.0f);
  save_npy(path, Tensor<double>({1}, {1e300}));
  CHECK_THROWS_WITH(load_npy_as<float>(path), ContainsSubstring("too large for float"));
  save_npy(path, Tensor<float>({1}, {std::nanf("")}));
  CHECK_THROWS_AS(load_npy_as<std::int32_t>(path), Error);
}

TEST_CASE("types, byte orders and orders of NumPy that stet does not write are read too", "[io]") {
  const TemporaryDirectory dir;
  const auto file = [&](const std::string& type, const std::string& data, const std::string& shape = "(2,)", bool fortran = false, int version = 1) {
    std::string header = "{'descr':'" + type + "','fortran_order':" + (fortran ? "True" : "False") + ",'shape':" + shape + "}\n";
    const std::size_t length = header.size();
    std::string all = "\x93NUMPY";
    all += static_cast<char>(version);
    all += '\0';
    for (int i = 0; i < (version == 1 ? 2 : 4); ++i) all += static_cast<char>(length >> 8 * i & 255);
    return dir.write("t.npy", all + header + data);
  };
  const auto values = [&](const std::string& path) {
    const Tensor<float> x = load_npy_as<float>(path);
    return std::vector<float>(x.span().begin(), x.span().end());
  };
  using Bytes = std::string;
  CHECK(values(file("|b1", Bytes("\x01\x00", 2))) == std::vector<float>{1, 0});
  CHECK(values(file("<u2", Bytes("\xff\xff\x01\x00", 4))) == std::vector<float>{65535, 1});
  CHECK(values(file(">i2", Bytes("\xff\xfe\x01\x00", 4))) == std::vector<float>{-2, 256});
  CHECK(values(file("<u4", Bytes("\xff\xff\xff\xff\x01\x00\x00\x00", 8))) == std::vector<float>{4294967296.0f, 1});
  CHECK(values(file("<u8", Bytes("\x00\x00\x00\x00\x00\x00\x00\x80\x03\x00\x00\x00\x00\x00\x00\x00", 16))) == std::vector<float>{0x1p63f, 3});
  CHECK(values(file("<f2", Bytes("\x00\x3c\x00\xc1", 4))) == std::vector<float>{1, -2.5f});
  CHECK(values(file(">f4", Bytes("\x3f\x80\x00\x00\xc0\x00\x00\x00", 8))) == std::vector<float>{1, -2});
  CHECK(values(file(">f8", Bytes("\x3f\xf0\x00\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x00", 16))) == std::vector<float>{1, -2});
  CHECK(values(file("|i1", Bytes("\xff\x02", 2), "(2,)", false, 2)) == std::vector<float>{-1, 2});
  CHECK(values(file("|i1", Bytes("\xff\x02", 2), "(2,)", false, 3)) == std::vector<float>{-1, 2});
  // [[1,2,3],[4,5,6]], the first dimension fastest.
  const std::string columns("\x01\x04\x02\x05\x03\x06", 6);
  CHECK(values(file("|i1", columns, "(2,3)", true)) == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(values(file("|u1", std::string("\x00\x04\x02\x06\x01\x05\x03\x07", 8), "(2,2,2)", true)) == std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK_THROWS_WITH(load_npy<std::int8_t>(file("|i1", columns, "(2,3)", true)), ContainsSubstring("load_npy_as"));
  CHECK(npy_holds_integers(file("|b1", Bytes("\x01\x00", 2))));
  CHECK(load_npy_as<std::int32_t>(file("<u4", Bytes("\xff\xff\xff\x7f\x01\x00\x00\x00", 8)))[0] == 2147483647);
  CHECK_THROWS_AS(load_npy_as<std::int32_t>(file("<u4", Bytes("\xff\xff\xff\xff\x01\x00\x00\x00", 8))), Error);
  for (const char* type : {"<c8", "|S2", "<U1", "|O8", "<M8", "f4", "?", ""}) {
    CAPTURE(type);
    CHECK_THROWS_AS(load_npy_as<float>(file(type, Bytes(16, '\0'))), Error);
  }
  CHECK_THROWS_WITH(load_npy_as<float>(file("<u2", Bytes(3, '\0'))), ContainsSubstring("needs 4"));
  CHECK_THROWS_WITH(load_npy_as<float>(file("|i1", Bytes(2, '\0'), "(2,)", false, 4)), ContainsSubstring("version 4.0"));
  CHECK_THROWS_AS(load_npy_as<float>(dir.write("cut.npy", Bytes("\x93NUMPY\x02\x00\x01\x00", 10))), Error);
}

TEST_CASE("a file is replaced as a whole and no temporary file stays", "[io]") {
  const TemporaryDirectory dir;
  const std::string path = dir.path("a");
  write_file_atomically(path, std::string_view("first"));
  const std::string one = "sec", two = "ond";
  write_file_atomically(path, {stet_test::as_bytes(one), stet_test::as_bytes(two)});
  CHECK(read_text(path) == "second");
  write_file_atomically(dir.path("empty"), std::string_view());
  CHECK(read_file(dir.path("empty")).empty());
  CHECK(dir.files() == 2);
  const auto bytes = read_file(path);
  CHECK(std::string(bytes.begin(), bytes.end()) == "second");
}

TEST_CASE("a write that fails leaves everything as it was", "[io]") {
  const TemporaryDirectory dir;
  CHECK_THROWS_WITH(write_file_atomically(dir.path("no/such/file"), std::string_view("x")),
                    ContainsSubstring("check that the directory") && ContainsSubstring("no/such"));
  std::filesystem::create_directory(dir.path("full"));
  dir.write("full/old", "old");
  CHECK_THROWS_WITH(write_file_atomically(dir.path("full"), std::string_view("x")),
                    ContainsSubstring("cannot replace"));
  CHECK(dir.files() == 1);
  CHECK(read_text(dir.path("full/old")) == "old");
}

TEST_CASE("reading refuses what is missing, no file, or too large", "[io]") {
  const TemporaryDirectory dir;
  CHECK_THROWS_WITH(read_file(dir.path("none")), ContainsSubstring("cannot open"));
  CHECK_THROWS_WITH(read_file(dir.str()), ContainsSubstring("not a regular file"));
  CHECK_THROWS_WITH(read_file(dir.write("five", "12345"), 4), ContainsSubstring("5 bytes, at most 4"));
  CHECK(read_file(dir.path("five"), 5).size() == 5);
}

}  // namespace npy_test
