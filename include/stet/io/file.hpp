#pragma once
// Whole files: read with a size limit, written so that either the old or the new content survives.

#include <stet/core/descriptor.hpp>
#include <stet/core/error.hpp>
#include <stet/io/temporary_file.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stet {

/// Largest file that is read unless a limit is given.
inline constexpr std::uint64_t default_file_limit = std::uint64_t{4} << 30;

namespace detail {

// Fills `to` from an open file, beginning at `offset`.
inline void read_exactly(const Descriptor& from, std::uint64_t offset, std::span<std::uint8_t> to,
                         const std::string& path) {
  while (!to.empty()) {
    const ssize_t got = ::pread(from.get(), to.data(), to.size(), static_cast<::off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    require(got >= 0, Errc::io, "read_file: cannot read {}: {}", path, std::strerror(errno));
    require(got > 0, Errc::io, "read_file: {} became shorter while it was read", path);
    to = to.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

}  // namespace detail

/// Reads a whole file.
/// Errors:    Errc::io if it cannot be read or is not a regular file; Errc::range if it is larger than the limit
inline std::vector<std::uint8_t> read_file(const std::string& path, std::uint64_t limit = default_file_limit) {
  const detail::RegularFile file = detail::open_regular(path);
  require(file.error == 0, Errc::io, "read_file: cannot open {}: {}", path, file.reason());
  require(file.kind == nullptr, Errc::io, "read_file: {} is {}, not a regular file", path, file.kind);
  require(file.size <= limit, Errc::range, "read_file: {} has {} bytes, at most {} are read", path, file.size, limit);
  std::vector<std::uint8_t> bytes(file.size);
  detail::read_exactly(file.descriptor, 0, bytes, path);
  return bytes;
}

/// Writes pieces, one after the other, as the new content of a file. They go to a temporary file in the same directory
/// that is flushed to the disk and then renamed, so a crash at any moment leaves the old content or the new one; what a
/// crash left of the temporary file, the next write to the same name removes. Permissions and owner of a file that is
/// replaced are kept, a link is followed; other names of the same file (hard links) keep the old content.
/// Errors:    Errc::io if any of this fails, or the name is that of a directory, a FIFO, a device or a file without write
///            permission; the old file is as it was, the temporary one is removed
inline void write_file_atomically(const std::string& path,
                                  std::initializer_list<std::span<const std::uint8_t>> pieces) {
  const detail::Destination destination(path);
  detail::remove_leftovers(destination);
  detail::TemporaryFile file(destination);
  for (const auto piece : pieces) file.write(piece);
  file.replace_destination();
}
inline void write_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes) {
  write_file_atomically(path, {bytes});
}
inline void write_file_atomically(const std::string& path, std::string_view text) {
  write_file_atomically(path, {std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())});
}

/// Throws now what a write to this name would throw later, as far as it can be known: to be called before the work whose
/// result goes there. Leaves nothing behind.
/// Errors:    Errc::io as write_file_atomically
inline void require_writable(const std::string& path) {
  const detail::Destination destination(path);
  const detail::TemporaryFile tried(destination);
}

}  // namespace stet
