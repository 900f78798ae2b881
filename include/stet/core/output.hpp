#pragma once
// Text for people, on a stream that may be closed or full: what cannot be shown ends nothing.

#include <stet/core/requirements.hpp>

#include <cstdio>
#include <string_view>

#include <signal.h>

namespace stet::detail {

// For its time, a write to a pipe that nobody reads any more fails in this thread instead of ending the process by SIGPIPE.
class NoBrokenPipe {
 public:
  NoBrokenPipe() : was_pending_(pending()) {
    sigset_t pipe;
    only_pipe(pipe);
    ::pthread_sigmask(SIG_BLOCK, &pipe, &before_);
  }
  NoBrokenPipe(const NoBrokenPipe&) = delete;
  NoBrokenPipe& operator=(const NoBrokenPipe&) = delete;
  ~NoBrokenPipe() {
    if (!was_pending_ && pending()) {  // the write's own: taken back before it is let through
      sigset_t pipe;
      only_pipe(pipe);
      int taken = 0;
      ::sigwait(&pipe, &taken);
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  static void only_pipe(sigset_t& set) {
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
  }
  static bool pending() {
    sigset_t set;
    sigemptyset(&set);
    ::sigpending(&set);
    return sigismember(&set, SIGPIPE) == 1;
  }

  sigset_t before_{};
  bool was_pending_;
};

// Writes a text and flushes it; false if the stream did not take it.
inline bool show_text(std::FILE* stream, std::string_view text) {
  const NoBrokenPipe guard;
  return std::fwrite(text.data(), 1, text.size(), stream) == text.size() && std::fflush(stream) == 0;
}

}  // namespace stet::detail
