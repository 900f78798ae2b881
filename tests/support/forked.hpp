// Runs something in a forked process that must come to its end: a hang is a failure, and so is death by a signal.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

namespace stet_test {

/// Exit status of a child process that does this and then ends without a destructor, as a killed one does; minus the signal
/// that ended it, after 30 seconds SIGALRM.
template <class F>
int in_child(F body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    int result = 99;
    try {
      result = body();
    } catch (...) {
    }
    ::_exit(result);  // no destructors and no buffers of the parent
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return 98;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Whether `question` answered true in a child process within 30 seconds.
template <class F>
bool forked(F question) {
  return in_child([&] { return question() ? 0 : 1; }) == 0;
}

}  // namespace stet_test
