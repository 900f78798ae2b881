// Window geometry against counting positions one by one.
#include <stet/core/window.hpp>

#include "support/catch.hpp"

namespace window_test {

using namespace stet;

namespace {

// How often a window fits when moved by stride over a padded line.
std::int64_t positions(std::int64_t padded, std::int64_t reach, std::int64_t stride) {
  std::int64_t count = 0;
  for (std::int64_t at = 0; at + reach <= padded; at += stride) ++count;
  return count;
}

}  // namespace

TEST_CASE("VALID and explicit padding count the positions that fit") {
  for (std::int64_t in = 1; in < 12; ++in) {
    for (int kernel = 1; kernel < 6; ++kernel) {
      for (int stride = 1; stride < 4; ++stride) {
        for (int dilation = 1; dilation < 4; ++dilation) {
          const std::int64_t reach = (kernel - 1) * dilation + 1;
          for (const int pad : {0, 1, 3}) {
            const auto axis = [&] {
              return window_axis("test", in, kernel, stride, dilation,
                                 pad == 0 ? Padding::Kind::valid : Padding::Kind::explicit_, pad,
                                 pad == 0 ? 0 : pad - 1);
            };
            const std::int64_t padded = in + (pad == 0 ? 0 : 2 * pad - 1);
            if (positions(padded, reach, stride) == 0) {
              CHECK_THROWS_AS(axis(), Error);
            } else {
              CHECK(axis().out == positions(padded, reach, stride));
              CHECK(axis().before == pad);
            }
          }
        }
      }
    }
  }
}

TEST_CASE("SAME has ceil(in/stride) outputs and the least padding, the smaller half in front") {
  for (std::int64_t in = 1; in < 14; ++in) {
    for (int kernel = 1; kernel < 6; ++kernel) {
      for (int stride = 1; stride < 5; ++stride) {
        for (int dilation = 1; dilation < 4; ++dilation) {
          const std::int64_t reach = (kernel - 1) * dilation + 1;
          const std::int64_t out = in % stride == 0 ? in / stride : in / stride + 1;
          std::int64_t padding = 0;
          while (positions(in + padding, reach, stride) < out) ++padding;
          const WindowAxis axis = window_axis("test", in, kernel, stride, dilation, Padding::Kind::same, 0, 0);
          CHECK((axis.out == out && axis.before == padding / 2));
        }
      }
    }
  }
}

TEST_CASE("height and width are resolved independently") {
  const Window w = make_window("test", 10, 7, {3, 2}, {2, 1}, {1, 2}, Padding::of(1, 0, 2, 3));
  CHECK(w.h.out == 5);   // (10+1-3)/2+1
  CHECK(w.w.out == 10);  // (7+5-3)/1+1
  CHECK(w.h.before == 1);
  CHECK(w.w.before == 2);
  CHECK(w.taps() == 6);
}

TEST_CASE("numbers that make no window are refused by name") {
  using Catch::Matchers::ContainsSubstring;
  CHECK_THROWS_WITH(make_window("conv2d", 8, 8, 0, 1, 1, {}), ContainsSubstring("conv2d: kernel 0"));
  CHECK_THROWS_AS(make_window("conv2d", 8, 8, 3, 0, 1, {}), Error);
  CHECK_THROWS_AS(make_window("conv2d", 8, 8, 3, 1, -1, {}), Error);
  CHECK_THROWS_AS(make_window("conv2d", 8, 8, 3, 1, 1, Padding::of(-1)), Error);
  CHECK_THROWS_WITH(make_window("max_pool", 2, 8, 3, 1, 1, Padding::valid()),
                    ContainsSubstring("max_pool: window of 3 does not fit into input of 2"));
}

TEST_CASE("a window or padding that reaches far beyond its input is refused, one of a small dilated kernel is not") {
  using Catch::Matchers::ContainsSubstring;
  CHECK(make_window("conv2d", 4, 33, 3, 1, 32, Padding::same()).w.out == 33);
  CHECK_THROWS_WITH(make_window("conv2d", 8, 8, 3, 1, 1 << 30, Padding::same()),
                    ContainsSubstring("conv2d: a window of 2147483649 with padding 0 and 0 over an input of 8; at most 80"));
  CHECK_THROWS_WITH(make_window("pool", 8, 8, 3, 1 << 20, 1, Padding::of(1 << 20)), ContainsSubstring("rest is padding"));
}

}  // namespace window_test
