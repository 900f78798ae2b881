#pragma once
// BatchLoader: prepares the next batches in the background while the current one is trained on.

#include <stet/core/lock.hpp>
#include <stet/data/batches.hpp>
#include <stet/data/dataset.hpp>

#include <exception>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

// POSIX threads rather than <thread> and <condition_variable>: those add 0.4 s to every unit that trains.
#include <pthread.h>
#include <unistd.h>

namespace stet {

/// Makes batches 0 .. count-1 in order on one background thread, at most `depth` ahead of next(). Destroying the loader
/// early ends the thread after the batch it is making. A forked process needs a loader of its own: the thread is not in it.
class BatchLoader {
 public:
  /// The batches of one epoch. The data set is shared, not copied.
  BatchLoader(const Dataset& data, Batches batches, std::size_t depth = 3)
      : BatchLoader(
            batches.size(), [data, batches](std::int64_t i) { return data.batch(batches[i]); }, depth) {}

  /// Batches made by a function, which runs on the background thread (for own sources and augmentation).
  /// Errors:    Errc::range if depth is 0; Errc::io if no thread can be started
  BatchLoader(std::int64_t count, std::function<Batch(std::int64_t)> make, std::size_t depth = 3)
      : count_(count), make_(std::move(make)), ring_(depth) {
    require(depth >= 1, Errc::range, "BatchLoader: depth is 0, must be at least 1");
    pthread_mutex_init(&mutex_, nullptr);
    pthread_cond_init(&changed_, nullptr);
    const int error = pthread_create(
        &thread_, nullptr,
        [](void* self) -> void* {
          static_cast<BatchLoader*>(self)->work();
          return nullptr;
        },
        this);
    if (error != 0) {
      destroy();
      fail(Errc::io, "BatchLoader: the system refused to start a thread (error {}); lower the number of processes",
           error);
    }
  }
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;
  ~BatchLoader() {
    if (::getpid() != owner_) return;  // a forked copy: the thread that may hold the lock does not exist here
    {
      const detail::Lock lock(mutex_);
      abandoned_ = true;
      pthread_cond_broadcast(&changed_);
    }
    pthread_join(thread_, nullptr);
    destroy();
  }

  /// Number of batches in all.
  [[nodiscard]] std::int64_t size() const { return count_; }

  /// The next batch, or nothing after the last.
  /// Errors:    what making the batch threw; the loader is at its end then. Errc::state in a process that was forked
  ///            after the loader was made
  std::optional<Batch> next() {
    require(::getpid() == owner_, Errc::state,
            "BatchLoader: made before this process was forked, its thread is not here; make the loader after the fork");
    const detail::Lock lock(mutex_);
    while (taken_ == made_ && taken_ < count_ && !failure_) pthread_cond_wait(&changed_, &mutex_);
    if (taken_ < made_) {
      Batch batch = std::move(ring_[slot(taken_)]);
      ring_[slot(taken_++)] = Batch();
      pthread_cond_broadcast(&changed_);
      return batch;
    }
    if (failure_) {
      taken_ = count_;
      std::rethrow_exception(std::exchange(failure_, nullptr));
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] std::size_t slot(std::int64_t i) const { return static_cast<std::size_t>(i) % ring_.size(); }

  void destroy() {
    pthread_cond_destroy(&changed_);
    pthread_mutex_destroy(&mutex_);
  }

  void work() {
    const std::int64_t count = count_;
    for (std::int64_t i = 0; i < count; ++i) {
      {
        const detail::Lock lock(mutex_);
        while (i - taken_ == static_cast<std::int64_t>(ring_.size()) && !abandoned_) {
          pthread_cond_wait(&changed_, &mutex_);
        }
        if (abandoned_) return;
      }
      Batch batch;
      std::exception_ptr failure;
      try {
        batch = make_(i);
      } catch (...) {
        failure = std::current_exception();
      }
      const detail::Lock lock(mutex_);
      if (failure) {
        failure_ = failure;
      } else {
        ring_[slot(i)] = std::move(batch);
        made_ = i + 1;
      }
      pthread_cond_broadcast(&changed_);
      if (failure) return;
    }
  }

  std::int64_t count_;
  std::function<Batch(std::int64_t)> make_;
  std::vector<Batch> ring_;
  std::int64_t made_ = 0, taken_ = 0;  // batches made and taken so far; the mutex guards these and all below
  bool abandoned_ = false;
  std::exception_ptr failure_;
  pthread_mutex_t mutex_{};
  pthread_cond_t changed_{};
  pthread_t thread_{};
  pid_t owner_ = ::getpid();
};

}  // namespace stet
