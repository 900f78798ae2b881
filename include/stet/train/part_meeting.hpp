#pragma once
// PartMeeting: where the parts of a batch that one process has, each on a thread of its own, meet each other and those of other
// processes.

#include <stet/autograd/batch_parts.hpp>
#include <stet/core/communicator.hpp>
#include <stet/core/error.hpp>
#include <stet/core/lock.hpp>
#include <stet/core/parallel.hpp>
#include <stet/train/gradient_buckets.hpp>
#include <stet/train/part_tree.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <span>
#include <vector>

// POSIX threads, as in data/loader.hpp.
#include <pthread.h>

namespace stet::detail {

// What a part throws that was left alone: the reason is another one's.
class LeftAlone : public Error {
 public:
  LeftAlone()
      : Error(Errc::state,
              "a part of the batch waits for others, and one of them ended; all parts must run the same operators") {}
};

class PartMeeting {
 public:
  // `in_any_order`: sums of other processes are added as is fastest.
  PartMeeting(const PartTree& tree, Communicator& comm, bool in_any_order)
      : tree_(tree),
        comm_(comm),
        in_any_order_(in_any_order),
        seats_(static_cast<std::size_t>(std::max<std::int64_t>(1, tree.run_of(comm.rank()).size()))) {
    pthread_mutex_init(&mutex_, nullptr);
    pthread_cond_init(&changed_, nullptr);
    pthread_cond_init(&free_, nullptr);
    for (Seat& seat : seats_) seat.meeting = this;
  }
  PartMeeting(const PartMeeting&) = delete;
  PartMeeting& operator=(const PartMeeting&) = delete;
  ~PartMeeting() {
    pthread_cond_destroy(&free_);
    pthread_cond_destroy(&changed_);
    pthread_mutex_destroy(&mutex_);
  }

  // Lets gradients of the one part that this process has be sent as soon as they are complete.
  void send_when_ready(GradientBuckets& buckets) { ready_ = &buckets; }
  // Parts of this process; one that only receives where it has none.
  [[nodiscard]] std::size_t size() const { return seats_.size(); }

  // Calls part(index, its BatchParts) for all parts of this process, each on a thread, and ends when all have ended. As many as
  // threads() work at a time: a part that waits for others lets the next one go on.
  // Errors:    what the first of them threw by itself; Errc::io if no thread can be started
  void run(FunctionRef<void(std::size_t, BatchParts&)> part) {
    const int allowed = threads(), share = std::max(1, allowed / static_cast<int>(size()));
    slots_ = std::min(size(), static_cast<std::size_t>(std::max(1, allowed)));
    struct Job {
      PartMeeting* meeting;
      FunctionRef<void(std::size_t, BatchParts&)>* part;
      std::size_t index;
      int share;
      std::exception_ptr failure;
      pthread_t thread;
      void work() {
        const ThreadShare own(share);
        try {
          meeting->enter();
          (*part)(index, meeting->seats_[index]);
          meeting->leave(false);
        } catch (...) {
          failure = std::current_exception();
          meeting->leave(true);
        }
      }
    };
    std::vector<Job> jobs;
    for (std::size_t i = 0; i < size(); ++i) jobs.push_back({this, &part, i, share, {}, {}});
    std::size_t started = 1;
    int error = 0;
    for (; started < size() && error == 0; ++started) {
      error = pthread_create(
          &jobs[started].thread, nullptr,
          [](void* job) -> void* {
            static_cast<Job*>(job)->work();
            return nullptr;
          },
          &jobs[started]);
      if (error != 0) break;
    }
    if (error != 0) {
      enter();
      leave(true);
    } else {
      jobs[0].work();
    }
    for (std::size_t i = 1; i < started; ++i) pthread_join(jobs[i].thread, nullptr);
    require(error == 0, Errc::io,
            "fit: the system refused to start a thread for a part of the batch (error {}); make larger parts "
            "(FitOptions::part)",
            error);
    std::exception_ptr first;
    for (const Job& job : jobs) {
      if (!job.failure) continue;
      try {
        std::rethrow_exception(job.failure);
      } catch (const LeftAlone&) {
        if (!first) first = job.failure;
      } catch (...) {
        std::rethrow_exception(job.failure);
      }
    }
    if (first) std::rethrow_exception(first);
  }

 private:
  struct Seat final : BatchParts {
    void combine(std::span<double> s, std::span<double> l) override {
      sums = s;
      largest = l;
      meeting->meet();
    }
    void gradient_ready(Parameter& parameter) override {
      if (meeting->ready_ != nullptr) meeting->ready_->take(parameter);
    }
    PartMeeting* meeting = nullptr;
    std::span<double> sums{}, largest{};
  };
  void enter() {
    const Lock lock(mutex_);
    acquire();
  }
  // The place of one that works; under the mutex.
  void acquire() {
    while (working_ >= slots_) pthread_cond_wait(&free_, &mutex_);
    ++working_;
  }
  void release() {
    --working_;
    pthread_cond_signal(&free_);
  }

  // The last one to come does the work of all.
  void meet() {
    const Lock lock(mutex_);
    if (broken_ || ended_ > 0) {
      broken_ = true;
      pthread_cond_broadcast(&changed_);
      throw LeftAlone();
    }
    const std::uint64_t round = round_;
    if (++waiting_ == size()) {
      try {
        exchange();
      } catch (...) {
        broken_ = true;
        pthread_cond_broadcast(&changed_);
        throw;
      }
      waiting_ = 0;
      ++round_;
      pthread_cond_broadcast(&changed_);
      return;
    }
    release();
    while (round == round_ && !broken_) pthread_cond_wait(&changed_, &mutex_);
    acquire();
    if (round == round_) throw LeftAlone();
  }
  // A part has come to its end.
  void leave(bool failed) {
    const Lock lock(mutex_);
    release();
    ++ended_;
    if (failed || waiting_ > 0) broken_ = true;
    pthread_cond_broadcast(&changed_);
  }

  void exchange() {
    const std::size_t sums = seats_[0].sums.size(), largest = seats_[0].largest.size();
    for (const Seat& seat : seats_) {
      require(seat.sums.size() == sums && seat.largest.size() == largest, Errc::state,
              "BatchParts: parts of one batch bring {} and {} numbers; all parts must run the same operators",
              sums + largest, seat.sums.size() + seat.largest.size());
    }
    if (sums > 0) add_up();
    if (largest > 0) find_largest(largest);
    for (std::size_t i = 1; i < size(); ++i) {
      std::copy(seats_[0].sums.begin(), seats_[0].sums.end(), seats_[i].sums.begin());
      std::copy(seats_[0].largest.begin(), seats_[0].largest.end(), seats_[i].largest.begin());
    }
  }
  void add_up() {
    std::vector<std::span<double>> arrays;
    for (Seat& seat : seats_) arrays.push_back(seat.sums);
    if (in_any_order_) {
      if (tree_.run_of(comm_.rank()).size() == 0) std::fill(arrays[0].begin(), arrays[0].end(), 0.0);
      comm_.add_in_any_order(arrays[0]);
    } else {
      sum_in_order<double>(tree_, comm_, arrays);
    }
  }
  void find_largest(std::size_t count) {
    const std::span<double> own = seats_[0].largest;
    for (std::size_t i = 1; i < size(); ++i) {
      for (std::size_t k = 0; k < count; ++k) own[k] = std::max(own[k], seats_[i].largest[k]);
    }
    const auto ranks = static_cast<std::size_t>(comm_.size());
    if (ranks == 1) return;
    std::vector<double> all(ranks * count);
    const std::vector<std::size_t> sizes(ranks, count * sizeof(double));
    comm_.all_gather(std::as_bytes(own), sizes, std::as_writable_bytes(std::span(all)));
    for (std::size_t r = 0; r < ranks; ++r) {
      for (std::size_t k = 0; k < count; ++k) own[k] = std::max(own[k], all[r * count + k]);
    }
  }

  PartTree tree_;
  Communicator& comm_;
  bool in_any_order_;
  GradientBuckets* ready_ = nullptr;
  std::vector<Seat> seats_;
  std::size_t waiting_ = 0, ended_ = 0, working_ = 0, slots_ = 1;  // the mutex guards these and all below
  std::uint64_t round_ = 0;
  bool broken_ = false;
  pthread_mutex_t mutex_{};
  pthread_cond_t changed_{}, free_{};
};

}  // namespace stet::detail
