// JSON: what is written reads back, and nothing else than JSON is read.
#include <stet/io/json_reader.hpp>

#include "support/catch.hpp"

#include <limits>

namespace json_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("JSON is written in the given order", "[io]") {
  Json j = Json::object({{"network", "plain"}, {"seed", 3}});
  j.set("rows", Json::array({Json::object({{"accuracy", 91.93}, {"exact", true}}), Json()}));
  j.set("none", Json::array());
  CHECK(j.str() == R"({"network":"plain","seed":3,"rows":[{"accuracy":91.93,"exact":true},null],"none":[]})");
  CHECK(j.str(2) ==
        "{\n  \"network\": \"plain\",\n  \"seed\": 3,\n  \"rows\": [\n    {\n      \"accuracy\": 91.93,\n"
        "      \"exact\": true\n    },\n    null\n  ],\n  \"none\": []\n}\n");
  CHECK(parse_json(j.str(2)).str() == j.str());
}

TEST_CASE("numbers keep their value", "[io]") {
  for (const double d : {0.1, -1.5e-300, 1e300, 5e-324, -0.0, 123456789.125, 1e21}) {
    CHECK(parse_json(Json(d).str()).as_double() == d);
  }
  CHECK(parse_json("18446744073709551615").as_uint64() == std::numeric_limits<std::uint64_t>::max());
  CHECK(Json(std::numeric_limits<std::int64_t>::min()).str() == "-9223372036854775808");
  for (const char* bad : {"18446744073709551616", "-1", "1.0", "1e3", "99999999999999999999999999"}) {
    CHECK_THROWS_AS(parse_json(bad).as_uint64(), Error);
  }
  CHECK_THROWS_WITH(Json(std::numeric_limits<double>::infinity()), ContainsSubstring("inf is not a JSON number"));
  CHECK_THROWS_AS(Json(std::numeric_limits<double>::quiet_NaN()), Error);
  CHECK_THROWS_WITH(parse_json("1e999").as_double(), ContainsSubstring("does not fit a double"));
  CHECK_THROWS_WITH(parse_json("1e-999").as_double(), ContainsSubstring("does not fit a double"));
  CHECK(parse_json("0e999").as_double() == 0.0);
}

TEST_CASE("strings survive escapes and UTF-8", "[io]") {
  const std::string all = "quote \" backslash \\ tab \t newline \n bell \x07 \xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82";
  CHECK(parse_json(Json(all).str()).as_string() == all);
  CHECK(parse_json(R"("\u00e9\u20ac\ud83d\ude42\/\b\f")").as_string() == "\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82/\b\f");
  CHECK(parse_json("\"\\u0000\"").as_string() == std::string(1, '\0'));
  CHECK_THROWS_AS(Json("\xff").str(), Error);
}

TEST_CASE("what is not JSON is refused", "[io]") {
  for (const char* bad : {"",
                          " ",
                          "{",
                          "}",
                          "[",
                          "[1,]",
                          "[,1]",
                          "[1 2]",
                          "{\"a\":1,}",
                          "{\"a\"}",
                          "{a:1}",
                          "{'a':1}",
                          "{\"a\":1 \"b\":2}",
                          "{1:2}",
                          "nul",
                          "True",
                          "NaN",
                          "Infinity",
                          "+1",
                          "01",
                          "-",
                          "-a",
                          "1.",
                          ".5",
                          "1e",
                          "1e+",
                          "0x10",
                          "1 2",
                          "[] []",
                          "\"abc",
                          "\"a\nb\"",
                          "\"\\x\"",
                          "\"\\u12\"",
                          "\"\\u12g4\"",
                          "\"\\",
                          "\"\\ud800\"",
                          "\"\\ud800\\u0041\"",
                          "\"\\udc00\"",
                          "// c\n1",
                          "/**/1",
                          "\xef\xbb\xbf{}",
                          "\"\xff\"",
                          "\"\xc0\xaf\"",
                          "\"\xe0\x80\x80\"",
                          "\"\xed\xa0\x80\"",
                          "\"\xf4\x90\x80\x80\"",
                          "\"\xc3\"",
                          "\"\xe2\x82\""}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(parse_json(bad), Error);
  }
  CHECK_THROWS_AS(parse_json(std::string_view("1\0", 2)), Error);
  CHECK_THROWS_AS(parse_json(std::string_view("\"\\\0\"", 4)), Error);
}

TEST_CASE("a name that is there twice is refused, escaped or not", "[io]") {
  CHECK_THROWS_WITH(parse_json(R"({"a":1,"b":2,"a":3})"), ContainsSubstring("'a' is there twice"));
  CHECK_THROWS_AS(parse_json(R"({"a":1,"\u0061":3})"), Error);
  CHECK_NOTHROW(parse_json(R"({"a":{"a":1},"b":{"a":1}})"));
}

TEST_CASE("nesting and the number of values are limited", "[io]") {
  CHECK_NOTHROW(parse_json(std::string(32, '[') + std::string(32, ']')));
  CHECK_THROWS_WITH(parse_json(std::string(33, '[') + std::string(33, ']')), ContainsSubstring("too deeply nested"));
  CHECK_THROWS_AS(parse_json(std::string(10'000'000, '[')), Error);
  CHECK_NOTHROW(parse_json("[[],[],[]]", {.depth = 2}));
  CHECK_THROWS_WITH(parse_json("[1,2,3]", {.values = 3}), ContainsSubstring("too many values"));
}

TEST_CASE("access to the wrong kind is an error", "[io]") {
  const Json j = parse_json(R"({"a":[1,true,"x"]})");
  CHECK(j.at("a").items()[1].as_bool());
  CHECK(j.find("b") == nullptr);
  CHECK_THROWS_WITH(j.at("b"), ContainsSubstring("no member 'b'"));
  CHECK_THROWS_AS(j.items(), Error);
  CHECK_THROWS_AS(j.at("a").members(), Error);
  CHECK_THROWS_AS(j.at("a").items()[2].as_double(), Error);
  CHECK_THROWS_AS(j.at("a").items()[0].as_string(), Error);
  CHECK_THROWS_AS(j.at("a").items()[0].as_bool(), Error);
  Json object = Json::object({{"a", 1}});
  CHECK_THROWS_AS(object.set("a", 2), Error);
  CHECK_THROWS_AS(object.push(2), Error);
  CHECK_THROWS_AS(Json::array().set("a", 1), Error);
}

}  // namespace json_test
