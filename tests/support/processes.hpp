#pragma once
// Processes that a test starts and loses.

#include <functional>

#include <sys/wait.h>
#include <unistd.h>

namespace stet_test {

// Exit status of a process that does this and then ends without a destructor, as a killed one does; minus the signal that
// ended it.
inline int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    int result = 99;
    try {
      result = body();
    } catch (...) {
    }
    ::_exit(result);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace stet_test
