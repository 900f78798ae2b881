#pragma once
// IDX files (MNIST, Fashion-MNIST, ...), plain or gzipped.

#include <stet/core/descriptor.hpp>
#include <stet/data/dataset.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include <sys/stat.h>

// zlib unpacks gzipped files. It is used where its header is found; link it then (-lz), or say STET_NO_ZLIB. The CMake
// targets say STET_HAS_ZLIB, 1 or 0, by what they link.
#if !defined(STET_HAS_ZLIB)
#if !defined(STET_NO_ZLIB) && __has_include(<zlib.h>)
#define STET_HAS_ZLIB 1
#else
#define STET_HAS_ZLIB 0
#endif
#endif

#if STET_HAS_ZLIB
#include <zlib.h>
#endif

namespace stet {

namespace detail {

// Bytes of a file, unpacked if it is gzipped (which its first two bytes say, not its name).
class IdxSource {
 public:
  explicit IdxSource(const std::string& path) : path_(path) {
    RegularFile file = open_regular(path);
    require(file.error == 0, Errc::io, "IDX file {}: cannot open: {}", path, file.reason());
    require(file.kind == nullptr, Errc::io, "IDX file {}: is {}, not a regular file", path, file.kind);
    limit_ = file.size;
    file_.reset(fdopen(file.descriptor.get(), "rb"));
    require(file_ != nullptr, Errc::io, "IDX file {}: cannot open: {}", path, std::strerror(errno));
    static_cast<void>(file.descriptor.release());  // the stream closes it
    std::array<unsigned char, 2> magic{};
    const bool gzip = std::fread(magic.data(), 1, 2, file_.get()) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
    std::rewind(file_.get());
    if (gzip) open_gzip();
  }
  IdxSource(const IdxSource&) = delete;
  IdxSource& operator=(const IdxSource&) = delete;

  // No more bytes than this come out. Deflate packs up to 1032 to one, which no images need: a larger file is unpacked
  // only as far as 16 to one.
  [[nodiscard]] std::uint64_t limit() const { return limit_; }
  [[nodiscard]] bool packed() const { return file_ == nullptr; }

  // Reads up to n bytes; fewer mean the end of the data.
  std::size_t read(std::uint8_t* to, std::size_t n) {
#if STET_HAS_ZLIB
    if (gzip_ != nullptr) {
      std::size_t done = 0;
      while (done < n) {
        const std::size_t rest = n - done;
        const int got = gzread(gzip_.get(), to + done, static_cast<unsigned>(rest < (1u << 30) ? rest : (1u << 30)));
        if (got < 0) {
          int code = 0;
          fail(Errc::format, "IDX file {}: damaged gzip data ({})", path_, gzerror(gzip_.get(), &code));
        }
        if (got == 0) {
          int code = 0;
          const char* text = gzerror(gzip_.get(), &code);
          require(code == Z_OK || code == Z_STREAM_END, Errc::format, "IDX file {}: gzip data ends early ({})", path_,
                  text);
          break;
        }
        done += static_cast<std::size_t>(got);
      }
      return done;
    }
#endif
    const std::size_t got = std::fread(to, 1, n, file_.get());
    require(got == n || std::ferror(file_.get()) == 0, Errc::io, "IDX file {}: cannot read: {}", path_,
            std::strerror(errno));
    return got;
  }

 private:
  void open_gzip() {
#if STET_HAS_ZLIB
    Descriptor same(::dup(fileno(file_.get())));
    require(same.valid() && ::lseek(same.get(), 0, SEEK_SET) == 0, Errc::io, "IDX file {}: cannot open: {}", path_,
            std::strerror(errno));
    gzip_.reset(gzdopen(same.get(), "rb"));
    require(gzip_ != nullptr, Errc::io, "IDX file {}: cannot open: {}", path_, std::strerror(errno));
    static_cast<void>(same.release());  // gzclose closes it
    file_.reset();
    limit_ = std::min(1032 * limit_, 16 * limit_ + (std::uint64_t{48} << 20));
#else
    fail(Errc::unsupported,
         "IDX file {}: gzipped, but this program was built without zlib; unpack it with gunzip, or build with zlib's "
         "header on the include path, without STET_NO_ZLIB and STET_HAS_ZLIB=0, and with -lz",
         path_);
#endif
  }

  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, CloseFile> file_;
#if STET_HAS_ZLIB
  struct CloseGzip {
    void operator()(gzFile file) const { gzclose(file); }
  };
  std::unique_ptr<std::remove_pointer_t<gzFile>, CloseGzip> gzip_;
#endif
  std::uint64_t limit_ = 0;
};

}  // namespace detail

/// Reads an IDX file of unsigned bytes with any number of dimensions.
/// Errors:    Errc::io if the file cannot be read; Errc::unsupported for other element types, more dimensions than
///            Shape holds, and gzip without zlib; Errc::format if the magic number is wrong, or the data is damaged,
///            shorter or longer than the dimensions say (found before anything large is allocated)
/// Source:    Y. LeCun, the MNIST database, "The IDX file format"
STET_ENTRY Tensor<std::uint8_t> load_idx(const std::string& path);
#if STET_DEFINE_ENTRIES
STET_ENTRY Tensor<std::uint8_t> load_idx(const std::string& path) {
  detail::IdxSource source(path);
  std::array<std::uint8_t, 4> magic{};
  require(source.read(magic.data(), 4) == 4 && magic[0] == 0 && magic[1] == 0, Errc::format,
          "IDX file {}: does not begin with an IDX magic number", path);
  require(magic[2] == 0x08, Errc::unsupported,
          "IDX file {}: element type 0x{:02x}, only unsigned bytes (0x08) are read", path, magic[2]);
  const int rank = magic[3];
  require(rank >= 1, Errc::format, "IDX file {}: has no dimensions", path);
  require(rank <= Shape::max_rank, Errc::unsupported, "IDX file {}: {} dimensions, at most {} are read", path, rank,
          int{Shape::max_rank});
  std::array<std::int64_t, Shape::max_rank> dims{};
  std::uint64_t total = 1;
  for (int d = 0; d < rank; ++d) {
    std::array<std::uint8_t, 4> b{};
    require(source.read(b.data(), 4) == 4, Errc::format, "IDX file {}: ends within its header", path);
    const std::uint64_t dim = std::uint64_t{b[0]} << 24 | std::uint64_t{b[1]} << 16 | std::uint64_t{b[2]} << 8 | b[3];
    require(dim > 0, Errc::format, "IDX file {}: dimension {} is 0", path, d);
    // Labels become four bytes each.
    const std::uint64_t limit = rank == 1 && source.packed() ? source.limit() / 4 : source.limit();
    require(dim <= limit / total, Errc::format,
            "IDX file {}: the dimensions need more bytes than {}", path,
            source.packed() ? "are unpacked from one of this size; unpack it with gunzip if it is right" : "it can hold");
    total *= dim;
    dims[static_cast<std::size_t>(d)] = static_cast<std::int64_t>(dim);
  }
  Tensor<std::uint8_t> values(Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(rank))));
  const std::size_t got = source.read(values.edit().data(), total);
  require(got == total, Errc::format, "IDX file {}: {} bytes of data, the dimensions {} need {}", path, got,
          values.shape(), total);
  std::uint8_t extra = 0;
  require(source.read(&extra, 1) == 0, Errc::format, "IDX file {}: data continues behind the {} bytes of {}", path,
          total, values.shape());
  return values;
}
#endif

/// Images of an IDX file as [N,H,W,C]: [N,H,W] in the file (one channel) or [N,H,W,C].
/// Errors:    as load_idx; Errc::format if the file has another number of dimensions
inline Tensor<std::uint8_t> load_idx_images(const std::string& path) {
  const Tensor<std::uint8_t> images = load_idx(path);
  const Shape& s = images.shape();
  if (s.rank() == 4) return images;
  require(s.rank() == 3, Errc::format, "IDX file {}: images need 3 or 4 dimensions, it has {}", path, s);
  return images.reshaped({s[0], s[1], s[2], 1});
}

/// Labels of an IDX file, [N].
/// Errors:    as load_idx; Errc::format if the file has more than one dimension
inline Tensor<std::int32_t> load_idx_labels(const std::string& path) {
  const Tensor<std::uint8_t> bytes = load_idx(path);
  require(bytes.shape().rank() == 1, Errc::format, "IDX file {}: labels need 1 dimension, it has {}", path,
          bytes.shape());
  Tensor<std::int32_t> labels(bytes.shape());
  auto to = labels.edit();
  for (std::int64_t i = 0; i < bytes.size(); ++i) to[static_cast<std::size_t>(i)] = bytes[i];
  return labels;
}

/// Where Debian's package dataset-fashion-mnist puts its files.
inline constexpr const char* fashion_mnist_directory = "/usr/share/datasets/fashion-mnist";

/// Loads the four files of an MNIST-like data set (train and t10k; images-idx3-ubyte and labels-idx1-ubyte; each plain
/// or with .gz) of 10 classes from a directory.
/// Errors:    Errc::io if a file is missing; otherwise as load_idx and Dataset
STET_ENTRY DatasetSplit load_mnist(const std::string& directory, const std::string& name);
#if STET_DEFINE_ENTRIES
STET_ENTRY DatasetSplit load_mnist(const std::string& directory, const std::string& name) {
  const auto find = [&](const std::string& file) {
    const std::string plain = directory + "/" + file;
    struct stat status {};
    if (stat(plain.c_str(), &status) == 0) return plain;
    if (stat((plain + ".gz").c_str(), &status) == 0) return plain + ".gz";
    fail(Errc::io,
         "{}: {} is missing (with or without .gz). Put train-images-idx3-ubyte, train-labels-idx1-ubyte, "
         "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (plain or .gz) into one directory and name it; for "
         "Fashion-MNIST, Debian and Ubuntu have them in the package dataset-fashion-mnist, which installs {}",
         name, plain, fashion_mnist_directory);
  };
  const auto part = [&](const std::string& prefix) {
    const std::string images = find(prefix + "-images-idx3-ubyte"), labels = find(prefix + "-labels-idx1-ubyte");
    return Dataset(load_idx_images(images), load_idx_labels(labels), 10, name);
  };
  find("t10k-labels-idx1-ubyte");  // what is missing is said before anything is read
  find("t10k-images-idx3-ubyte");
  return {part("train"), part("t10k")};
}
#endif

/// Loads Fashion-MNIST: 60,000 training and 10,000 test images [28,28,1], 10 classes.
/// Errors:    Errc::io if a file is missing (the message says how to get it); otherwise as load_idx and Dataset
/// Source:    Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747
inline DatasetSplit load_fashion_mnist(const std::string& directory = fashion_mnist_directory) {
  return load_mnist(directory, "Fashion-MNIST");
}

}  // namespace stet
