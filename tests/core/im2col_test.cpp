// im2col against indexing one tap at a time, and col2im as its transpose.
#include <stet/core/im2col.hpp>
#include <stet/core/random.hpp>

#include "support/catch.hpp"

#include <vector>

namespace im2col_test {

using namespace stet;

namespace {

std::vector<ColumnGeometry> geometries() {
  std::vector<ColumnGeometry> all;
  for (const Padding& padding : {Padding::same(), Padding::valid(), Padding::of(2, 0, 1, 3)}) {
    for (const Pair stride : {Pair(1), Pair(2), Pair(1, 3)}) {
      for (const Pair dilation : {Pair(1), Pair(2, 1), Pair(1, 2)}) {
        for (const Pair kernel : {Pair(1), Pair(3), Pair(2, 3)}) {
          const Window w = make_window("test", 7, 6, kernel, stride, dilation, padding);
          all.push_back({w, 2, 3, 0, 3});
          all.push_back({w, 2, 6, 2, 2});  // one group of three
        }
      }
    }
  }
  return all;
}

std::size_t image_size(const ColumnGeometry& g) {
  return static_cast<std::size_t>(g.batch * g.window.h.in * g.window.w.in * g.channels);
}

// Offset of the image element behind one tap, or -1 outside.
std::int64_t source(const ColumnGeometry& g, std::int64_t row, std::int64_t column) {
  const Window& w = g.window;
  const std::int64_t channel = column % g.group_channels;
  const std::int64_t kx = column / g.group_channels % w.w.kernel;
  const std::int64_t ky = column / g.group_channels / w.w.kernel;
  const std::int64_t x = row % w.w.out * w.w.stride - w.w.before + kx * w.w.dilation;
  const std::int64_t y = row / w.w.out % w.h.out * w.h.stride - w.h.before + ky * w.h.dilation;
  const std::int64_t n = row / w.w.out / w.h.out;
  if (x < 0 || x >= w.w.in || y < 0 || y >= w.h.in) return -1;
  return ((n * w.h.in + y) * w.w.in + x) * g.channels + g.first_channel + channel;
}

}  // namespace

TEST_CASE("columns hold the taps in order, padding outside, for any block of rows") {
  for (const ColumnGeometry& g : geometries()) {
    std::vector<std::int32_t> image(image_size(g));
    for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<std::int32_t>(i);
    const std::int64_t stride = g.depth() + 3;
    for (const auto& [first, count] :
         {std::pair<std::int64_t, std::int64_t>{0, g.rows()}, {g.rows() / 3, g.rows() / 2}}) {
      std::vector<std::int32_t> columns(static_cast<std::size_t>(count * stride), -7);
      im2col(g, image.data(), first, count, -1, columns.data(), stride);
      int faults = 0;
      for (std::int64_t r = 0; r < count; ++r) {
        for (std::int64_t c = 0; c < stride; ++c) {
          const std::int64_t want = c < g.depth() ? source(g, first + r, c) : -7;
          faults += columns[static_cast<std::size_t>(r * stride + c)] == want ? 0 : 1;
        }
      }
      CHECK(faults == 0);
    }
  }
}

TEST_CASE("col2im is the transpose of im2col: <im2col(x), c> = <x, col2im(c)>") {
  Rng rng(3);
  for (const ColumnGeometry& g : geometries()) {
    std::vector<std::int64_t> x(image_size(g)), back(x.size());
    std::vector<std::int64_t> c(static_cast<std::size_t>(g.rows() * g.depth())), columns(c.size());
    for (auto& v : x) v = static_cast<std::int64_t>(rng.below(201)) - 100;
    for (auto& v : c) v = static_cast<std::int64_t>(rng.below(201)) - 100;
    im2col<std::int64_t>(g, x.data(), 0, g.rows(), 0, columns.data(), g.depth());
    const std::int64_t half = g.rows() / 2;
    col2im_add(g, c.data(), g.depth(), 0, half, back.data());
    col2im_add(g, c.data() + half * g.depth(), g.depth(), half, g.rows() - half, back.data());
    std::int64_t left = 0, right = 0;
    for (std::size_t i = 0; i < c.size(); ++i) left += columns[i] * c[i];
    for (std::size_t i = 0; i < x.size(); ++i) right += x[i] * back[i];
    CHECK(left == right);
  }
}

TEST_CASE("blocks have at least 64 rows and stay near 128 KiB") {
  for (const std::int64_t channels : {1, 16, 512}) {
    const ColumnGeometry g{make_window("test", 28, 28, 3, 1, 1, {}), 8, channels, 0, channels};
    const std::int64_t rows = g.block_rows(4);
    CHECK((rows >= 64 && rows <= 2048));
    CHECK((rows == 64 || rows * g.depth() * 4 <= (128 << 10)));
  }
}

}  // namespace im2col_test
