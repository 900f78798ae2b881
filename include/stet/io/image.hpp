#pragma once
// Pictures: .png and .jpg files, by libpng and libjpeg.

#include <stet/core/tensor.hpp>
#include <stet/io/file.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

// Each library is used where the program says STET_HAS_PNG=1 or STET_HAS_JPEG=1 and links it (-lpng, -ljpeg), as the CMake target
// stet::images does for those that it finds. Without it such a picture is an error that says so.
#if !defined(STET_HAS_PNG)
#define STET_HAS_PNG 0
#endif
#if !defined(STET_HAS_JPEG)
#define STET_HAS_JPEG 0
#endif

#if STET_HAS_PNG
#include <png.h>
#endif
#if STET_HAS_JPEG
#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>
#include <jerror.h>
#endif

namespace stet {

/// Most pixels that a picture may have. A small file can ask for far more than it holds: beyond 4 million there must be a byte for
/// each 256 of them.
inline constexpr std::int64_t most_pixels = std::int64_t{1} << 26;

namespace detail {

// What a decoder makes of a picture, as it lies there.
struct RawPicture {
  std::int64_t height = 0, width = 0;
  int channels = 0;  // 1: gray, 2: gray and alpha, 3: colours, 4: colours and alpha
  std::vector<std::uint8_t> pixels{};
};

inline void require_size(const std::string& from, std::uint64_t height, std::uint64_t width, std::size_t bytes) {
  require(height >= 1 && width >= 1 && height <= 65535 && width <= 65535 && height * width <= static_cast<std::uint64_t>(most_pixels), Errc::range,
          "picture {}: has {} x {} pixels, at most {} are read", from, height, width, most_pixels);
  require(height * width <= (std::uint64_t{1} << 22) || height * width / 256 <= bytes, Errc::range,
          "picture {}: has {} x {} pixels in {} bytes, which no picture needs; it is damaged, or empty: save it smaller", from, height, width, bytes);
}

#if STET_HAS_PNG
inline RawPicture decode_png(std::span<const std::uint8_t> bytes, const std::string& from) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  struct Free {
    png_image* image;
    ~Free() { png_image_free(image); }
  } const freed{&image};
  const auto good = [&](int done) {
    require(done != 0 && PNG_IMAGE_FAILED(image) == 0, Errc::format, "picture {}: is damaged: {}", from, std::string_view(image.message));
  };
  good(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()));
  require_size(from, image.height, image.width, bytes.size());
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // 16 bits mean what 8 bits do
  RawPicture picture{image.height, image.width, (image.format & PNG_FORMAT_FLAG_COLOR) != 0 ? 4 : 2, {}};
  image.format = picture.channels == 4 ? PNG_FORMAT_RGBA : PNG_FORMAT_GA;
  picture.pixels.resize(static_cast<std::size_t>(picture.height * picture.width * picture.channels));
  good(png_image_finish_read(&image, nullptr, picture.pixels.data(), 0, nullptr));
  return picture;
}
#endif

#if STET_HAS_JPEG
// libjpeg reports errors by a call that must not return. Nothing between it and setjmp has a destructor.
struct JpegErrors {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
  bool damaged;
};
inline void jpeg_fails(j_common_ptr info) {
  auto* const errors = reinterpret_cast<JpegErrors*>(info->err);
  info->err->format_message(info, errors->text);
  std::longjmp(errors->jump, 1);
}
// Of damage that libjpeg fills in with something, the first is kept.
inline void jpeg_says(j_common_ptr info, int level) {
  auto* const errors = reinterpret_cast<JpegErrors*>(info->err);
  if (level >= 0 || errors->damaged || info->err->msg_code == JWRN_EXTRANEOUS_DATA || info->err->msg_code == JWRN_JFIF_MAJOR ||
      info->err->msg_code == JWRN_ADOBE_XFORM) {
    return;
  }
  errors->damaged = true;
  info->err->format_message(info, errors->text);
}

// Step by step, so that memory is taken outside: 0 on an error.
inline int begin_jpeg(jpeg_decompress_struct& jpeg, JpegErrors& errors, std::span<const std::uint8_t> bytes) {
  if (setjmp(errors.jump) != 0) return 0;
  jpeg_create_decompress(&jpeg);
  jpeg.mem->max_memory_to_use = 256L << 20;
  jpeg_mem_src(&jpeg, bytes.data(), static_cast<unsigned long>(bytes.size()));
  return jpeg_read_header(&jpeg, TRUE) == JPEG_HEADER_OK ? 1 : 0;
}
inline int finish_jpeg(jpeg_decompress_struct& jpeg, JpegErrors& errors, std::uint8_t* to) {
  if (setjmp(errors.jump) != 0) return 0;
  jpeg_start_decompress(&jpeg);
  const std::size_t row = static_cast<std::size_t>(jpeg.output_width) * static_cast<std::size_t>(jpeg.output_components);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW line = to + jpeg.output_scanline * row;
    jpeg_read_scanlines(&jpeg, &line, 1);
  }
  jpeg_finish_decompress(&jpeg);
  return 1;
}

inline RawPicture decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& from) {
  JpegErrors errors{};
  jpeg_decompress_struct jpeg{};
  jpeg.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = jpeg_fails;
  errors.manager.emit_message = jpeg_says;
  struct Free {
    jpeg_decompress_struct* jpeg;
    ~Free() { jpeg_destroy_decompress(jpeg); }
  } const freed{&jpeg};
  const auto good = [&](bool done) { require(done && !errors.damaged, Errc::format, "picture {}: is damaged: {}", from, std::string_view(errors.text)); };
  good(begin_jpeg(jpeg, errors, bytes) == 1);
  require_size(from, jpeg.image_height, jpeg.image_width, bytes.size());
  require(jpeg.num_components == 1 || jpeg.num_components == 3, Errc::unsupported, "picture {}: has {} colours for printing; save it as RGB or gray", from,
          jpeg.num_components);
  jpeg.out_color_space = jpeg.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  RawPicture picture{jpeg.image_height, jpeg.image_width, jpeg.num_components, {}};
  picture.pixels.resize(static_cast<std::size_t>(picture.height * picture.width * picture.channels));
  good(finish_jpeg(jpeg, errors, picture.pixels.data()) == 1);
  return picture;
}
#endif

}  // namespace detail

/// Takes a picture in memory apart, by its first bytes a .png or a .jpg; `from` stands for it in messages.
/// Errors:    as load_image
inline Tensor<std::uint8_t> decode_image(std::span<const std::uint8_t> bytes, const std::string& from, int channels = 3) {
  require(channels == 1 || channels == 3, Errc::range, "picture {}: {} channels are wanted; gray has 1, colours have 3", from, channels);
  const bool png = bytes.size() >= 4 && std::memcmp(bytes.data(), "\x89PNG", 4) == 0;
  const bool jpeg = bytes.size() >= 3 && std::memcmp(bytes.data(), "\xff\xd8\xff", 3) == 0;
  require(png || jpeg, Errc::unsupported, "picture {}: is neither a .png nor a .jpg file", from);
  detail::RawPicture picture;
#if STET_HAS_PNG
  if (png) picture = detail::decode_png(bytes, from);
#endif
#if STET_HAS_JPEG
  if (jpeg) picture = detail::decode_jpeg(bytes, from);
#endif
  require(picture.channels > 0, Errc::unsupported, "picture {}: this program was built without {}; link the CMake target stet::images where it is installed",
          from, png ? "libpng (Debian: libpng-dev), or without STET_HAS_PNG=1" : "libjpeg (Debian: libjpeg-dev), or without STET_HAS_JPEG=1");
  Tensor<std::uint8_t> result({picture.height, picture.width, channels});
  std::uint8_t* to = result.edit().data();
  const std::uint8_t* pixel = picture.pixels.data();
  for (std::int64_t i = 0; i < picture.height * picture.width; ++i, pixel += picture.channels, to += channels) {
    const bool colours = picture.channels >= 3;
    if (channels == 3) {
      for (int c = 0; c < 3; ++c) to[c] = pixel[colours ? c : 0];
    } else {
      to[0] = colours ? static_cast<std::uint8_t>((19595u * pixel[0] + 38470u * pixel[1] + 7471u * pixel[2] + 0x8000u) >> 16) : pixel[0];
    }
  }
  return result;
}

/// Reads a picture, .png or .jpg (its first bytes say which), in colours or in gray. Transparency is left out, and so is what a
/// camera notes about how it was held.
/// Formula:   gray of colours: (19595*R + 38470*G + 7471*B + 2^15) / 2^16, rounded down, which is luma of ITU-R BT.601
/// Shapes:    [H,W,channels]
/// Errors:    Errc::io if it cannot be read; Errc::format if it is damaged or cut; Errc::range if it has more pixels than most_pixels allows;
///            Errc::unsupported if it is of another format, has colours for printing, or the library for it was left out of this build
/// Source:    libpng 1.6, libjpeg(-turbo); gray as Pillow's convert("L")
inline Tensor<std::uint8_t> load_image(const std::string& path, int channels = 3) { return decode_image(read_file(path, std::uint64_t{1} << 28), path, channels); }

}  // namespace stet
