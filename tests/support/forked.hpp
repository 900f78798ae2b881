// Runs a question in a forked process, which must answer: a hang is a no.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace stet_test {

/// Whether `question` answered true in a child process within 30 seconds.
template <class F>
bool forked(F question) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    bool answer = false;
    try {
      answer = question();
    } catch (...) {
    }
    ::_exit(answer ? 0 : 1);  // no destructors and no buffers of the parent
  }
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace stet_test
