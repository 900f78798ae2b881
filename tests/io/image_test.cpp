// Pictures as Pillow reads them (tests/io/pictures/make.py), in other sizes, damaged, and without the libraries.
#include <stet/io/image.hpp>

#include <stet/core/random.hpp>
#include <stet/data/resize_image.hpp>
#include <stet/io/class_folders.hpp>
#include <stet/io/npy.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

#include <cstdlib>
#include <filesystem>

namespace image_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

#ifndef STET_TEST_DIR
#define STET_TEST_DIR "tests"
#endif

namespace {
const std::string dir = STET_TEST_DIR "/io/pictures/";

bool can_read(const std::string& name) { return name.ends_with(".png") ? STET_HAS_PNG == 1 : STET_HAS_JPEG == 1; }
}  // namespace

TEST_CASE("pictures are read as Pillow reads them", "[io]") {
  for (const std::string name : {"colours.png", "gray.png", "alpha.png", "palette.png", "bits.png", "gray_alpha.png", "colours.jpg", "gray.jpg", "progressive.jpg"}) {
    INFO(name);
    if (!can_read(name)) {
      CHECK_THROWS_WITH(load_image(dir + name), ContainsSubstring("stet::images"));
      continue;
    }
    const Tensor<std::uint8_t> wanted = load_npy<std::uint8_t>(dir + name + ".rgb.npy"), got = load_image(dir + name);
    REQUIRE(got.shape() == wanted.shape());
    // Decoders of .jpg may differ in the last code where they compute cosines and colours otherwise.
    int most = 0;
    for (std::int64_t i = 0; i < got.size(); ++i) most = std::max(most, std::abs(got[i] - wanted[i]));
    CHECK(most <= (name.ends_with(".png") ? 0 : 2));
    const Tensor<std::uint8_t> one = load_image(dir + name, 1);
    CHECK(one.shape() == Shape{got.shape()[0], got.shape()[1], 1});
  }
  if (can_read(".png")) {
    const Tensor<std::uint8_t> gray = load_image(dir + "colours.png", 1), wanted = load_npy<std::uint8_t>(dir + "colours.png.gray.npy");
    for (std::int64_t i = 0; i < gray.size(); ++i) REQUIRE(gray[i] == wanted[i]);
  }
}

TEST_CASE("a picture in another size is that of Pillow, but for a code", "[data]") {
  const Tensor<std::uint8_t> picture = load_npy<std::uint8_t>(dir + "colours.png.rgb.npy");
  for (const auto& [h, w] : {std::pair{8, 8}, {17, 40}, {46, 62}, {5, 31}}) {
    const Tensor<std::uint8_t> wanted = load_npy<std::uint8_t>(dir + "resized_" + std::to_string(h) + "x" + std::to_string(w) + ".npy");
    const Tensor<std::uint8_t> got = resize_image(picture, h, w);
    REQUIRE(got.shape() == wanted.shape());
    for (std::int64_t i = 0; i < got.size(); ++i) REQUIRE(std::abs(got[i] - wanted[i]) <= 1);
  }
  CHECK(equal(resize_image(picture, 23, 31), picture));
  const Tensor<std::uint8_t> even = Tensor<std::uint8_t>::filled({7, 3, 2}, 200);
  CHECK(equal(resize_image(even, 100, 1), Tensor<std::uint8_t>::filled({100, 1, 2}, 200)));
  CHECK_THROWS_WITH(resize_image(picture, 0, 8), ContainsSubstring("1 to 65536"));
  CHECK_THROWS_WITH(resize_image(picture, 8, 70000), ContainsSubstring("1 to 65536"));
  CHECK_THROWS_WITH(resize_image(Tensor<std::uint8_t>::zeros({4, 4}), 8, 8), ContainsSubstring("must be [H,W,C]"));
}

TEST_CASE("pictures that are damaged, cut or of another kind are refused", "[io]") {
  const TemporaryDirectory temporary;
  CHECK_THROWS_WITH(load_image(temporary.write("a.png", "GIF89a and more")), ContainsSubstring("neither a .png nor a .jpg"));
  CHECK_THROWS_WITH(load_image(temporary.write("b.png", "")), ContainsSubstring("neither a .png nor a .jpg"));
  CHECK_THROWS_WITH(load_image(dir + "colours.png", 2), ContainsSubstring("2 channels are wanted"));
  CHECK_THROWS_AS(load_image(dir + "none.png"), Error);
  if (can_read(".jpg")) CHECK_THROWS_WITH(load_image(dir + "cmyk.jpg"), ContainsSubstring("colours for printing"));
  for (const std::string name : {"colours.png", "palette.png", "colours.jpg", "progressive.jpg"}) {
    if (!can_read(name)) continue;
    INFO(name);
    const std::vector<std::uint8_t> whole = read_file(dir + name);
    const auto answered = [&](std::span<const std::uint8_t> bytes) {
      try {
        return decode_image(bytes, "p").size() > 0;
      } catch (const Error& e) {
        REQUIRE(e.what()[0] != '\0');
        return false;
      }
    };
    REQUIRE(answered(whole));
    // Of a .png the last part holds nothing, and of a .jpg the mark of its end.
    for (std::size_t n = 0; n + 12 < whole.size(); n += 1 + n / 40) {
      CAPTURE(n);
      CHECK_FALSE(answered(std::span(whole).first(n)));
    }
    Rng rng(1);
    for (int i = 0; i < 1500; ++i) {
      std::vector<std::uint8_t> changed = whole;
      for (int k = 0; k <= i % 4; ++k) changed[rng.below(i % 2 == 0 ? std::min<std::size_t>(changed.size(), 64) : changed.size())] = static_cast<std::uint8_t>(rng.below(256));
      (void)answered(changed);
    }
    // A size that the file has nothing for.
    std::vector<std::uint8_t> large = whole;
    if (name.ends_with(".png")) {
      large[17] = large[21] = 0x7f;
      CHECK_FALSE(answered(large));
      // 2048 x 4096 pixels, with the checksum of a whole header.
      const std::uint8_t header[] = {0, 0, 16, 0, 0, 0, 8, 0, 8, 2, 0, 0, 0};
      std::copy(std::begin(header), std::end(header), large.begin() + 16);
      std::uint32_t crc = 0xffffffffu;
      for (std::size_t i = 12; i < 29; ++i) {
        crc ^= large[i];
        for (int k = 0; k < 8; ++k) crc = crc >> 1 ^ ((crc & 1u) != 0 ? 0xedb88320u : 0u);
      }
      for (std::size_t i = 0; i < 4; ++i) large[29 + i] = static_cast<std::uint8_t>(~crc >> (24 - 8 * i));
      CHECK_THROWS_WITH(decode_image(large, "p"), ContainsSubstring("which no picture needs"));
    }
  }
}

TEST_CASE("folders of classes are listed in one order", "[io]") {
  const TemporaryDirectory temporary;
  namespace fs = std::filesystem;
  for (const char* folder : {"b", "a", "empty", ".hidden", "a/deeper"}) fs::create_directories(temporary.path(folder));
  for (const char* file : {"b/2.png", "b/10.PNG", "b/1.jpeg", "b/text.txt", "b/.x.png", "a/z.jpg", "a/deeper/y.png", ".hidden/x.png", "loose.png"}) temporary.write(file, "x");
  const ClassFiles files = list_class_folders(temporary.str(), {".png", ".jpg", ".jpeg"});
  CHECK(files.classes == std::vector<std::string>{"a", "b"});
  CHECK(files.labels == std::vector<std::int32_t>{0, 1, 1, 1});
  REQUIRE(files.paths.size() == 4);
  CHECK(files.paths[0] == temporary.path("a/z.jpg"));
  CHECK(files.paths[1] == temporary.path("b/1.jpeg"));
  CHECK(files.paths[2] == temporary.path("b/10.PNG"));
  CHECK_THROWS_WITH(list_class_folders(temporary.path("none"), {".png"}), ContainsSubstring("cannot read"));
  CHECK_THROWS_WITH(list_class_folders(temporary.path("empty"), {".png", ".wav"}), ContainsSubstring("no folder in") && ContainsSubstring(".png, .wav"));
}

}  // namespace image_test
