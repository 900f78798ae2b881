#pragma once
// Lock: holds a mutex of POSIX threads for as long as a scope lasts.

#include <stet/core/requirements.hpp>

#include <pthread.h>

namespace stet::detail {

class Lock {
 public:
  explicit Lock(pthread_mutex_t& mutex) : mutex_(mutex) { pthread_mutex_lock(&mutex_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t& mutex_;
};

}  // namespace stet::detail
