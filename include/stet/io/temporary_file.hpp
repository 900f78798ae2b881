#pragma once
// The temporary file behind a write: where it goes, what it is called, and how one that a crash left is recognised.

#include <stet/core/descriptor.hpp>
#include <stet/core/error.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace stet::detail {

inline std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Where a path leads when the links that its last part may be are followed; the end need not exist.
inline std::string follow_links(std::string path) {
  struct stat status {};
  for (int hops = 0; hops < 40 && ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode); ++hops) {
    std::string to(4096, '\0');  // PATH_MAX, longer ones cannot be opened
    const ssize_t length = ::readlink(path.c_str(), to.data(), to.size());
    if (length <= 0) break;
    to.resize(static_cast<std::size_t>(length));
    path = to.front() == '/' ? to : directory_of(path) + "/" + to;
  }
  return path;
}

// The file that a write creates or replaces.
struct Destination {
  std::string name;       // as the caller gave it, for messages
  std::string path;       // links followed
  std::string directory;  // of the path
  bool exists = false;
  struct stat status {};

  // Errors:    Errc::io if something is there that is not to be replaced
  explicit Destination(const std::string& given)
      : name(given), path(follow_links(given)), directory(directory_of(path)) {
    exists = ::lstat(path.c_str(), &status) == 0;
    if (!exists) return;  // whether it can be created will be seen
    require(S_ISREG(status.st_mode), Errc::io,
            "write: cannot replace {}: it is {}, not a regular file; name another file", name,
            S_ISLNK(status.st_mode) ? "a circle of links" : kind_of_file(status.st_mode));
    if (::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0) refuse("replace", errno);
  }
  [[noreturn]] void refuse(const char* what, int error) const {
    fail(Errc::io, "write: cannot {} {}: {}; check that the directory {} exists, is writable and has room", what, name,
         std::strerror(error), directory);
  }
};

// Temporary files are "<name>.<16 hexadecimal digits>.stet-tmp"; a long name is cut, as a file system limits the whole.
inline constexpr std::string_view temporary_suffix = ".stet-tmp";
inline constexpr std::size_t temporary_digits = 16;

inline std::string temporary_stem(const Destination& d) {
  const auto slash = d.path.rfind('/');
  return d.path.substr(slash == std::string::npos ? 0 : slash + 1).substr(0, 200) + ".";
}
inline bool is_temporary_of(std::string_view stem, std::string_view file) {
  return file.size() == stem.size() + temporary_digits + temporary_suffix.size() && file.starts_with(stem) &&
         file.ends_with(temporary_suffix) &&
         file.substr(stem.size(), temporary_digits).find_first_not_of("0123456789abcdef") == file.npos;
}
// Random, not the number of the process: that repeats in a container, and then a name that a crash left is taken.
inline std::uint64_t random_word() {
  std::uint64_t word = 0;
  if (::getentropy(&word, sizeof word) == 0) return word;
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<std::uint64_t>(t.tv_nsec) * 0x9E3779B97F4A7C15u + static_cast<std::uint64_t>(::getpid());
}

// Removes temporary files that writes to this destination left when their process was killed. Who is alive holds a lock on
// the one that it writes, and the system releases it with the process. On a file system without locks they stay.
inline void remove_leftovers(const Destination& destination) {
  DIR* const directory = ::opendir(destination.directory.c_str());
  if (directory == nullptr) return;  // creating the file will say why
  const std::string stem = temporary_stem(destination);
  while (const dirent* entry = ::readdir(directory)) {
    if (!is_temporary_of(stem, entry->d_name)) continue;
    const std::string path = destination.directory + "/" + entry->d_name;
    const Descriptor left = open_descriptor(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW);  // locks of NFS need writing
    struct stat status {};
    if (!left.valid() || ::fstat(left.get(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    if (::flock(left.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
  }
  ::closedir(directory);
}

// A new file beside the destination, locked while it is written; it is removed unless it takes the destination's name.
class TemporaryFile {
 public:
  // Errors:    Errc::io if the directory takes no new file
  explicit TemporaryFile(Destination destination) : destination_(std::move(destination)) {
    for (int attempt = 1;; ++attempt) {
      path_ = formatted("{}/{}{:016x}{}", destination_.directory, temporary_stem(destination_), random_word(),
                          temporary_suffix);
      // What replaces a file is not open to others before it has the permissions of that file.
      file_ = open_descriptor(path_, O_WRONLY | O_CREAT | O_EXCL, destination_.exists ? 0600 : 0666);
      if (file_.valid() && lock()) return;
      const int error = errno;
      if (file_.valid()) continue;
      if (error != EEXIST || attempt == 100) destination_.refuse("create", error);
    }
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!replaced_) ::unlink(path_.c_str());
  }
  [[nodiscard]] const std::string& path() const { return path_; }

  // Errors:    Errc::io if there is no room
  void write(std::span<const std::uint8_t> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t put = ::write(file_.get(), bytes.data() + done, bytes.size() - done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) destination_.refuse("write", errno);
      done += static_cast<std::size_t>(put);
    }
  }
  // Flushes the content and gives it the destination's name.
  // Errors:    Errc::io if a step fails
  void replace_destination() {
    if (destination_.exists) keep_permissions();
    if (::fsync(file_.get()) != 0) destination_.refuse("flush", errno);
    // Still open, as closing would give up the lock while the name is still a temporary one.
    if (::rename(path_.c_str(), destination_.path.c_str()) != 0) destination_.refuse("replace", errno);
    replaced_ = true;
    // The new name itself must survive a crash too; file systems that cannot flush a directory are left alone.
    const Descriptor directory = open_descriptor(destination_.directory, O_RDONLY | O_DIRECTORY);
    if (directory.valid()) ::fsync(directory.get());
  }

 private:
  // False if remove_leftovers of another process came between creating and locking, and takes the file away.
  bool lock() {
    if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) return errno != EWOULDBLOCK;  // no locks here: go on without
    struct stat status {};
    return ::fstat(file_.get(), &status) == 0 && status.st_nlink > 0;
  }
  void keep_permissions() {
    const struct stat& old = destination_.status;
    struct stat mine {};
    if (::fstat(file_.get(), &mine) != 0) destination_.refuse("create", errno);
    // Only root may give files away: for others the new file is theirs, as any file that they write.
    if ((mine.st_uid != old.st_uid || mine.st_gid != old.st_gid) &&
        ::fchown(file_.get(), old.st_uid, old.st_gid) != 0) {
      errno = 0;
    }
    if (::fchmod(file_.get(), old.st_mode & 07777) != 0) destination_.refuse("set the permissions of", errno);
  }

  Destination destination_;
  std::string path_;
  Descriptor file_{};
  bool replaced_ = false;
};

}  // namespace stet::detail
