#pragma once
// File descriptors that close themselves, and opening that neither waits nor takes the place of a standard stream.

#include <stet/core/requirements.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stet::detail {

// A file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  // Gives the descriptor away.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// open(), but never as 0, 1 or 2: where a program was started with a standard stream closed, the next file would take its
// number, and what is printed would go into that file.
inline Descriptor open_descriptor(const std::string& path, int flags, ::mode_t mode = 0) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0 || fd > STDERR_FILENO) return Descriptor(fd);
  const int above = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int error = errno;
  ::close(fd);
  errno = error;
  return Descriptor(above);
}

// What a file that is no regular file is, for messages.
inline const char* kind_of_file(::mode_t mode) {
  return S_ISDIR(mode)    ? "a directory"
         : S_ISFIFO(mode) ? "a FIFO"
         : S_ISSOCK(mode) ? "a socket"
         : S_ISCHR(mode)  ? "a character device"
         : S_ISBLK(mode)  ? "a block device"
                          : "something else";
}

// A regular file opened for reading, or why it could not be.
struct RegularFile {
  Descriptor descriptor{};
  std::uint64_t size = 0;
  int error = 0;               // of the system
  const char* kind = nullptr;  // what it is instead of a regular file

  [[nodiscard]] const char* reason() const { return std::strerror(error); }
};

// Nothing but a regular file is opened: with a FIFO the call would wait for somebody who writes, and a device may act.
inline RegularFile open_regular(const std::string& path) {
  RegularFile file;
  struct stat status {};
  const auto good = [&](bool done) {
    if (!done) {
      file.error = errno;
    } else if (!S_ISREG(status.st_mode)) {
      file.kind = kind_of_file(status.st_mode);
    }
    return done && file.kind == nullptr;
  };
  if (!good(::stat(path.c_str(), &status) == 0)) return file;
  // It may have been replaced since: O_NONBLOCK does not wait for a FIFO, and means nothing for a regular file.
  file.descriptor = open_descriptor(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (good(file.descriptor.valid() && ::fstat(file.descriptor.get(), &status) == 0)) {
    file.size = static_cast<std::uint64_t>(status.st_size);
  }
  return file;
}

}  // namespace stet::detail
