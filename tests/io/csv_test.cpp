// CSV: what RFC 4180 says, and what is refused.
#include <stet/io/csv.hpp>

#include <stet/core/random.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"

#include <clocale>
#include <vector>

namespace csv_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::TemporaryDirectory;

namespace {
CsvTable table(const std::string& text, const CsvOptions& options = {}) { return {text, "t.csv", options}; }
}  // namespace

TEST_CASE("a table of numbers and classes is read", "[io]") {
  const TemporaryDirectory dir;
  const CsvTable t = load_csv(dir.write("t.csv", "a,b,kind\n1, 2.5 ,cat\n-3e-2,+.5,\"a \"\"dog\"\"\"\r\n\n7.,1E3,cat"));
  CHECK(t.rows() == 3);
  CHECK(t.names() == std::vector<std::string>{"a", "b", "kind"});
  CHECK(t.column("kind") == 2);
  CHECK(t.is_numeric(0));
  CHECK_FALSE(t.is_numeric(2));
  CHECK(t.cell(1, 2) == "a \"dog\"");
  const std::size_t which[] = {1, 0};
  const Tensor<float> x = t.numbers(which);
  CHECK(x.shape() == Shape{3, 2});
  CHECK(std::vector<float>(x.span().begin(), x.span().end()) == std::vector<float>{2.5f, 1, 0.5f, -0.03f, 1000, 7});
  const CsvClasses c = t.classes(2);
  CHECK(c.names == std::vector<std::string>{"a \"dog\"", "cat"});
  CHECK(std::vector<std::int32_t>(c.labels.span().begin(), c.labels.span().end()) == std::vector<std::int32_t>{1, 0, 1});
}

TEST_CASE("cells in quotes hold separators and line ends, numbers are sorted as such", "[io]") {
  const CsvTable t = table("\xef\xbb\xbf\"x;y\";\"z\"\r\n\"1\n2\";\"10\"\r\n;9\r\n\"\";-1\r\n", {.separator = ';'});
  CHECK(t.names()[0] == "x;y");
  CHECK(t.cell(0, 0) == "1\n2");
  CHECK(t.cell(1, 0).empty());
  CHECK(t.cell(2, 0).empty());
  CHECK(t.classes(1).names == std::vector<std::string>{"-1", "9", "10"});
  const CsvTable bare = table("1,2\n3,4\n", {.header = false});
  CHECK(bare.rows() == 2);
  CHECK(bare.names() == std::vector<std::string>{"0", "1"});
  // A copy outlives the table that it was made of.
  const CsvTable copy = CsvTable(t);
  CHECK(copy.cell(0, 0) == "1\n2");
  // One column with empty lines between.
  CHECK(table("a\n\n1\n\n\n2").rows() == 2);
}

TEST_CASE("what is no table is refused", "[io]") {
  const auto refused = [](const std::string& text, const char* why, const CsvOptions& options = {}) {
    CAPTURE(text);
    CHECK_THROWS_WITH(table(text, options), ContainsSubstring(why));
  };
  refused("", "is empty");
  refused("\n\r\n\n", "is empty");
  refused("a,b\n", "no rows");
  refused("a,b\n1,2\n3\n", "line 3 has 1 cells, the first one 2");
  refused("a,b\n1,2,3\n", "line 2 has 3 cells");
  refused("a\n\"1", "do not close");
  refused("a,b\n\"1\n2\",\"3", "line 2 do not close");
  refused("a\n\"1\"2\n", "follows the quotes");
  refused("a\n1\"2\"\n", "a quote within a cell in line 2");
  refused("a\n1", "separator is a quote", {.separator = '"'});
  const CsvTable t = table("a,b,c\n1,,x\n1e39,0x10,y\n");
  const auto no_number = [&](std::size_t column, const char* why) {
    const std::size_t which[] = {column};
    CHECK_THROWS_WITH(t.numbers(which), ContainsSubstring(why));
  };
  no_number(0, "'1e39' in row 2 of column a");
  no_number(1, "'' in row 1 of column b");
  no_number(2, "'x' in row 1 of column c");
  CHECK_THROWS_WITH(t.classes(1), ContainsSubstring("row 1 of column b is empty"));
  CHECK_THROWS_WITH(t.column("d"), ContainsSubstring("no column 'd'; it has a, b, c"));
  CHECK_THROWS_WITH(t.cell(2, 0), ContainsSubstring("row 2, column 0 of 2 rows and 3 columns"));
  CHECK_THROWS_AS(load_csv("/none/t.csv"), Error);
  for (const char* text : {"nan", "inf", "1e", "e1", ".", "-", "1 2", "--1", "0x1p3", "1e+"}) {
    double value = 0;
    CAPTURE(text);
    CHECK_FALSE(detail::parse_number(text, value));
  }
}

TEST_CASE("any text is a table or an Error", "[io]") {
  Rng rng(4);
  const std::string letters = "ab1,;\"\n\r \xef.";
  int tables = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (std::uint64_t n = rng.below(24); n > 0; --n) text += letters[rng.below(letters.size())];
    try {
      const CsvTable t = table(text, {.header = i % 2 == 0});
      ++tables;
      for (std::int64_t r = 0; r < t.rows(); ++r) {
        for (std::size_t c = 0; c < t.columns(); ++c) REQUIRE(t.cell(r, c).size() <= text.size());
      }
    } catch (const Error& e) {
      REQUIRE(e.code() == Errc::format);
    }
  }
  CHECK(tables > 1000);
}

}  // namespace csv_test
