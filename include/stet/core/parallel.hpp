#pragma once
// Parallel loops: chunks are cut by the caller from the shape alone, so results never depend on the thread count.

#include <stet/core/requirements.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <type_traits>
#include <utility>

#include <pthread.h>

#if defined(_OPENMP)
#include <omp.h>
#define STET_PARALLEL openmp
#else
#define STET_PARALLEL serial
#endif

namespace stet {

/// Reference to a callable, without ownership or allocation; the callable must outlive the reference.
template <class Signature>
class FunctionRef;

template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
  FunctionRef(F&& f)  // NOLINT: implicit by design, as a parameter type
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

namespace detail {
inline std::atomic<int>& thread_setting() {
  static std::atomic<int> threads{0};  // 0: as many as OpenMP offers
  return threads;
}
// As thread_setting, of the calling thread alone; 0: it has none of its own.
inline int& thread_share() {
  static thread_local int threads = 0;
  return threads;
}
// Whether this process was forked from one that had used OpenMP: its threads are not here, and libgomp would wait for
// them forever.
inline std::atomic<bool>& threads_lost() {
  static std::atomic<bool> lost{false};
  return lost;
}
// Called before the first team of threads, so that a child forked earlier may make its own.
inline void watch_forks() {
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, [] { threads_lost() = true; });
}
}  // namespace detail

/// Sets how many threads parallel loops may use, in all calls from now on; 0 gives the choice back to OpenMP.
inline void set_threads(int threads) { detail::thread_setting() = threads < 0 ? 0 : threads; }

/// Lets the calling thread's parallel loops use so many threads while it lives, whatever set_threads says: for threads of
/// one's own that work side by side. Results do not depend on it.
class ThreadShare {
 public:
  explicit ThreadShare(int threads) : before_(detail::thread_share()) { detail::thread_share() = threads < 1 ? 1 : threads; }
  ThreadShare(const ThreadShare&) = delete;
  ThreadShare& operator=(const ThreadShare&) = delete;
  ~ThreadShare() { detail::thread_share() = before_; }

 private:
  int before_;
};

inline namespace STET_PARALLEL {

/// Threads that a parallel loop would use now; 1 without OpenMP, and in a process that was forked after a parallel loop.
inline int threads() {
#if defined(_OPENMP)
  if (detail::threads_lost()) return 1;
  const int own = detail::thread_share();
  if (own > 0) return own;
  const int set = detail::thread_setting();
  return set > 0 ? set : omp_get_max_threads();
#else
  return 1;
#endif
}

/// Calls body(0) ... body(chunks - 1), each exactly once, in any order and possibly at the same time.
/// Errors:    the first exception of a body is thrown again here, after all bodies ended
inline void parallel(std::int64_t chunks, FunctionRef<void(std::int64_t)> body) {
#if defined(_OPENMP)
  if (chunks > 1 && threads() > 1 && omp_in_parallel() == 0) {
    detail::watch_forks();
    std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads())
    for (std::int64_t i = 0; i < chunks; ++i) {
      try {
        body(i);
      } catch (...) {
#pragma omp critical(stet_parallel_failure)
        if (!failure) failure = std::current_exception();
      }
    }
    if (failure) std::rethrow_exception(failure);
    return;
  }
#endif
  for (std::int64_t i = 0; i < chunks; ++i) body(i);
}

}  // namespace STET_PARALLEL

/// Half-open range of items.
struct Chunk {
  std::int64_t first, last;
  [[nodiscard]] std::int64_t size() const { return last - first; }
};

/// Part `index` of `items` cut into `chunks` nearly equal parts.
inline Chunk chunk_of(std::int64_t items, std::int64_t chunks, std::int64_t index) {
  return {items * index / chunks, items * (index + 1) / chunks};
}

/// Number of chunks for `items` of `cost` elements each: about 16k elements a chunk, at most 64; from the shape alone.
inline std::int64_t chunk_count(std::int64_t items, std::int64_t cost) {
  const std::int64_t wanted = (items * (cost > 0 ? cost : 1) + 16383) / 16384;
  const std::int64_t limited = wanted < 64 ? wanted : 64;
  return limited < items ? (limited > 0 ? limited : 1) : (items > 0 ? items : 1);
}

/// Calls body(Chunk) over `items` of `cost` elements each, in parallel, with chunks that depend on the shape alone.
inline void parallel_chunks(std::int64_t items, std::int64_t cost, FunctionRef<void(Chunk)> body) {
  if (items <= 0) return;
  const std::int64_t chunks = chunk_count(items, cost);
  parallel(chunks, [&](std::int64_t i) { body(chunk_of(items, chunks, i)); });
}

/// As parallel_chunks, where chunks start at multiples of `block` items, for work that is done several items at a time.
inline void parallel_blocks(std::int64_t items, std::int64_t block, std::int64_t cost, FunctionRef<void(Chunk)> body) {
  parallel_chunks((items + block - 1) / block, block * cost, [&](Chunk blocks) {
    body({blocks.first * block, blocks.last * block < items ? blocks.last * block : items});
  });
}

}  // namespace stet
