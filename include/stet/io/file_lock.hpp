#pragma once
// FileLock: one run at a time where two would spoil each other's files.

#include <stet/core/descriptor.hpp>
#include <stet/core/error.hpp>
#include <stet/core/warning.hpp>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stet {

/// Holds a lock file as long as it lives; a second one on the same file is refused, in this process and in any other. The
/// system releases the lock with the process: a run that was killed keeps nobody out, and its file is taken over. The file
/// holds the number of the process and is removed at the end.
class FileLock {
 public:
  /// `what` is what is locked, as the message names it: "fit: the checkpoint run.checkpoint".
  /// Errors:    Errc::state if somebody holds it; Errc::io if the file cannot be created. A file system without locks
  ///            is a warning
  FileLock(std::string path, std::string_view what) : path_(std::move(path)) {
    while (!taken(what)) {
    }
    const std::string owner = formatted("{}\n", ::getpid());
    if (::ftruncate(file_.get(), 0) != 0 || ::write(file_.get(), owner.data(), owner.size()) < 0) {
      errno = 0;  // the number is for the message alone
    }
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() {
    ::unlink(path_.c_str());        // while it is held, so that nobody else's file goes
    ::flock(file_.get(), LOCK_UN);  // a child that was forked meanwhile holds the same lock: closing is not enough
  }

 private:
  // False if whoever had the file removed it between opening and locking; then there may be another one.
  bool taken(std::string_view what) {
    file_ = detail::open_descriptor(path_, O_RDWR | O_CREAT | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY, 0666);
    require(file_.valid(), Errc::io, "{}: cannot create {}: {}; check that its folder exists and is writable", what,
            path_, std::strerror(errno));
    struct stat mine {
    }, there{};
    const bool known = ::fstat(file_.get(), &mine) == 0;
    require(known && S_ISREG(mine.st_mode), Errc::io, "{}: {} is {}, not a regular file; remove it", what, path_,
            detail::kind_of_file(mine.st_mode));
    if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
      require(errno != EWOULDBLOCK, Errc::state,
              "{} is in use by {}; wait for its end, or let this run write somewhere else", what, owner());
      warn("{}: the file system of {} has no locks ({}); take care that no other run writes there", what, path_,
           std::strerror(errno));
      return true;
    }
    return ::stat(path_.c_str(), &there) == 0 && there.st_ino == mine.st_ino && there.st_dev == mine.st_dev;
  }
  [[nodiscard]] std::string owner() const {
    std::string text(32, '\0');
    const ssize_t got = ::pread(file_.get(), text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    const auto end = text.find_first_not_of("0123456789");
    return end == 0 || text.empty() ? "another run" : "another run (process " + text.substr(0, end) + ")";
  }

  std::string path_;
  detail::Descriptor file_{};
};

}  // namespace stet
