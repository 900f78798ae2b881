#pragma once
// Whole files: read with a size limit, written so that either the old or the new content survives.

#include <stet/core/error.hpp>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stet {

namespace detail {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  // Closes now; false (with errno) if the system could not keep what was written.
  bool close() {
    const int fd = fd_;
    fd_ = -1;
    return ::close(fd) == 0;
  }

 private:
  int fd_;
};

inline std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace detail

/// Largest file that is read unless a limit is given.
inline constexpr std::uint64_t default_file_limit = std::uint64_t{4} << 30;

/// Reads a whole file.
/// Errors:    Errc::io if it cannot be read or is not a regular file; Errc::range if it is larger than the limit
inline std::vector<std::uint8_t> read_file(const std::string& path, std::uint64_t limit = default_file_limit) {
  const detail::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  require(file.get() >= 0, Errc::io, "read_file: cannot open {}: {}", path, std::strerror(errno));
  struct stat status {};
  require(::fstat(file.get(), &status) == 0, Errc::io, "read_file: cannot read {}: {}", path, std::strerror(errno));
  require(S_ISREG(status.st_mode), Errc::io, "read_file: {} is not a regular file", path);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  require(size <= limit, Errc::range, "read_file: {} has {} bytes, at most {} are read", path, size, limit);
  std::vector<std::uint8_t> bytes(size);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    require(got >= 0, Errc::io, "read_file: cannot read {}: {}", path, std::strerror(errno));
    require(got > 0, Errc::io, "read_file: {} became shorter while it was read", path);
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

/// Writes pieces, one after the other, as the new content of a file. They go to a temporary file in the same directory
/// that is flushed to the disk and then renamed, so a crash at any moment leaves the old content or the new one.
/// Errors:    Errc::io if any of this fails; the old file is as it was, the temporary one is removed
inline void write_file_atomically(const std::string& path,
                                  std::initializer_list<std::span<const std::uint8_t>> pieces) {
  static std::atomic<unsigned> counter{0};
  const std::string temporary = fmt::format("{}.{}-{}.tmp", path, ::getpid(), counter.fetch_add(1));
  const auto refuse = [&](const char* what, int error, bool created) {
    if (created) ::unlink(temporary.c_str());
    fail(Errc::io, "write: cannot {} {}: {}; check that the directory {} exists, is writable and has room", what, path,
         std::strerror(error), detail::directory_of(path));
  };
  detail::Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) refuse("create", errno, false);
  for (const auto piece : pieces) {
    std::size_t done = 0;
    while (done < piece.size()) {
      const ssize_t put = ::write(file.get(), piece.data() + done, piece.size() - done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) refuse("write", errno, true);
      done += static_cast<std::size_t>(put);
    }
  }
  if (::fsync(file.get()) != 0) refuse("flush", errno, true);
  if (!file.close()) refuse("close", errno, true);
  if (::rename(temporary.c_str(), path.c_str()) != 0) refuse("replace", errno, true);
  // The new name itself must survive a crash too; file systems that cannot flush a directory are left alone.
  const detail::Descriptor directory(::open(detail::directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}
inline void write_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes) {
  write_file_atomically(path, {bytes});
}
inline void write_file_atomically(const std::string& path, std::string_view text) {
  write_file_atomically(path, {std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())});
}

}  // namespace stet
