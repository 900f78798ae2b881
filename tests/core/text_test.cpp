// Text is what fmt makes of the same format string and arguments, whatever their type.
#include <stet/core/shape.hpp>
#include <stet/core/text.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace text_test {

using namespace stet;

namespace {

struct WithText {
  [[nodiscard]] std::string str() const { return "its own text"; }
};
struct Printed {
  int value = 0;
};

}  // namespace

}  // namespace text_test

template <>
struct fmt::formatter<text_test::Printed> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  template <class Context>
  auto format(const text_test::Printed& p, Context& context) const {
    return fmt::format_to(context.out(), "<{}>", p.value);
  }
};

namespace text_test {

#define CHECK_AS_FMT(...) CHECK(formatted(__VA_ARGS__) == fmt::format(__VA_ARGS__))

TEST_CASE("formatted prints every kind of argument as fmt does") {
  CHECK_AS_FMT("nothing but {{braces}}");
  CHECK_AS_FMT("{} {} {} {}", true, 'c', std::int8_t{-7}, std::uint8_t{200});
  CHECK_AS_FMT("{} {}", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::uint64_t>::max());
  CHECK_AS_FMT("{} {} {} {}", 0.1f, 0.1, 1e30f, -std::numeric_limits<double>::infinity());
  CHECK_AS_FMT("{} {} {} {}", "literal", std::string("string"), std::string_view("view"),
               static_cast<const char*>("pointer"));
  CHECK(formatted("{} {} {}", Shape({2, 3}), WithText{}, Printed{4}) == "[2,3] its own text <4>");
}

TEST_CASE("formatted knows widths, precisions and places") {
  CHECK_AS_FMT("{:.6g}|{:.2f}|{:.9e}|{:3.0f}|{:>6.2f}", 0.1f, 2.0 / 3, 1e-3, 41.5, 3.14159);
  CHECK_AS_FMT("{:02}|{:016x}|{:04x}|{:03o}|{:5}", 7, std::uint64_t{255}, 48879u, 8, 'c');
  CHECK_AS_FMT("{:<{}}|{:>{}}|{:^9}|{:.{}}", "left", 8, "right", std::size_t{8}, "middle", 0.123456, 3);
  CHECK_AS_FMT("{0} {1} {0}", 1, "two");
}

}  // namespace text_test
