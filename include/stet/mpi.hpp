#pragma once
// mpi::world: the processes that mpirun started, for fit and evaluate. Needs MPI 3 (the CMake target stet::mpi); no other header
// includes this one.

#include <stet/core/communicator.hpp>
#include <stet/core/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The C interface alone: the C++ one is long gone from the standard, and its header has warnings of its own.
#if !defined(OMPI_SKIP_MPICXX)
#define OMPI_SKIP_MPICXX 1
#endif
#if !defined(MPICH_SKIP_MPICXX)
#define MPICH_SKIP_MPICXX 1
#endif
#include <mpi.h>
#include <sched.h>
#include <time.h>

namespace stet::mpi {

struct Options {
  /// Seconds that an exchange waits for the slowest process, before the run ends with an error. A process may be busy between two
  /// exchanges (a checkpoint, a callback, the data of the first epoch); one that stays away longer is taken for lost.
  double timeout = 600;
};

namespace detail {

inline double clock() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Errors:    Errc::io with MPI's own words
inline void check(int result, const char* call) {
  if (result == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(result, text.data(), &length);
  fail(Errc::io, "{}: {}; another process has probably ended: look at the first error of all", call,
       std::string(text.data(), static_cast<std::size_t>(length)));
}

class World final : public Communicator {
 public:
  explicit World(const Options& options) : options_(options) {
    int running = 0, provided = MPI_THREAD_SERIALIZED;
    MPI_Initialized(&running);
    if (running == 0) {
      MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
      owner_ = true;
    } else {
      MPI_Query_thread(&provided);
    }
    require(provided >= MPI_THREAD_SERIALIZED, Errc::unsupported,
            "mpi::world: MPI was started for one thread only; start it with MPI_Init_thread(..., "
            "MPI_THREAD_SERIALIZED, ...), or not at all before");
    // Of its own, so that messages of the program's cannot be taken for ours; failures go a third way.
    check(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
    check(MPI_Comm_dup(MPI_COMM_WORLD, &alarm_), "MPI_Comm_dup");
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(alarm_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(comm_, &rank_);
    MPI_Comm_size(comm_, &size_);
  }
  // At the end of the program. Processes that failed cannot wait for others that are not there.
  ~World() override {
    int done = 0;
    MPI_Finalized(&done);
    if (done != 0) return;
    if (broken_) {
      std::fflush(stdout);
      if (!all_leave(leave_seconds_)) MPI_Abort(MPI_COMM_WORLD, 1);
    }
    if (!broken_) {
      MPI_Comm_free(&comm_);
      MPI_Comm_free(&alarm_);
    }
    if (owner_) MPI_Finalize();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }

  void all_gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes,
                  std::span<std::byte> all) override {
    prepare(mine, {}, all.size(), sizes);
    exchange("MPI_Iallgatherv", mine.size() * static_cast<std::size_t>(size_ - 1), [&](MPI_Request* request) {
      return MPI_Iallgatherv(now_.send.data(), count(mine.size()), MPI_BYTE, now_.receive.data(),
                             now_.from.counts.data(), now_.from.starts.data(), MPI_BYTE, comm_, request);
    });
    std::copy(now_.receive.begin(), now_.receive.end(), all.begin());
  }
  void all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_sizes,
                  std::span<std::byte> receive, std::span<const std::size_t> receive_sizes) override {
    prepare(send, send_sizes, receive.size(), receive_sizes);
    exchange("MPI_Ialltoallv", send.size() - send_sizes[static_cast<std::size_t>(rank_)], [&](MPI_Request* request) {
      return MPI_Ialltoallv(now_.send.data(), now_.to.counts.data(), now_.to.starts.data(), MPI_BYTE,
                            now_.receive.data(), now_.from.counts.data(), now_.from.starts.data(), MPI_BYTE, comm_,
                            request);
    });
    std::copy(now_.receive.begin(), now_.receive.end(), receive.begin());
  }
  void add_in_any_order(std::span<float> values) override { add(values, MPI_FLOAT); }
  void add_in_any_order(std::span<double> values) override { add(values, MPI_DOUBLE); }
  void begin_addition(std::span<float> values) override {
    require_usable();
    const double begin = clock();
    additions_.push_back({values, {values.begin(), values.end()}, MPI_REQUEST_NULL});
    Addition& a = additions_.back();
    check(MPI_Iallreduce(MPI_IN_PLACE, a.sums.data(), count(a.sums.size()), MPI_FLOAT, MPI_SUM, comm_, &a.request),
          "MPI_Iallreduce");
    // Messages move on only while MPI is called.
    int done = 0;
    for (Addition& earlier : additions_) check(MPI_Test(&earlier.request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    note(begin, values.size_bytes());
  }
  void finish_additions() override {
    const double begin = clock();
    for (Addition& a : additions_) {
      wait(a.request, "MPI_Iallreduce");
      std::copy(a.sums.begin(), a.sums.end(), a.values.begin());
    }
    additions_.clear();
    cost_.seconds += clock() - begin;
  }

  void report_failure(std::string_view what) noexcept override {
    if (broken_) return;
    broken_ = true;
    // Never freed: a message that is on its way reads it.
    static std::string text;
    text.assign(what.substr(0, 4000));
    for (int r = 0; r < size_; ++r) {
      if (r == rank_) continue;
      MPI_Request request = MPI_REQUEST_NULL;
      MPI_Isend(text.data(), static_cast<int>(text.size()), MPI_CHAR, r, alarm_tag_, alarm_, &request);
      MPI_Request_free(&request);
    }
  }
  [[nodiscard]] CommunicationCost cost() const override { return cost_; }

 private:
  static constexpr int alarm_tag_ = 7;
  static constexpr double leave_seconds_ = 5;
  static constexpr std::string_view waited_ = "waited too long";

  static int count(std::size_t bytes) {
    require(bytes <= static_cast<std::size_t>(std::numeric_limits<int>::max()), Errc::range,
            "mpi::world: a message of {} bytes is longer than MPI counts; take smaller parts or a smaller model",
            bytes);
    return static_cast<int>(bytes);
  }
  struct Pieces {
    std::vector<int> counts, starts;
    explicit Pieces(std::span<const std::size_t> sizes) {
      std::size_t start = 0;
      for (const std::size_t size : sizes) {
        counts.push_back(count(size));
        starts.push_back(count(start));
        start += size;
      }
      (void)count(start);
    }
  };

  // An exchange that is broken off may still be served until the end of the program: what it reads and writes is ours, and stays.
  struct Exchange {
    std::vector<std::byte> send{}, receive{};
    Pieces to{{}}, from{{}};
  };
  struct Addition {
    std::span<float> values;
    std::vector<float> sums;
    MPI_Request request;
  };
  void prepare(std::span<const std::byte> send, std::span<const std::size_t> to, std::size_t receive,
               std::span<const std::size_t> from) {
    require_usable();
    now_.send.assign(send.begin(), send.end());
    now_.receive.resize(receive);
    now_.to = Pieces(to);
    now_.from = Pieces(from);
  }
  void require_usable() const {
    require(!broken_, Errc::state,
            "mpi::world: a process failed before; its communicator is of no more use, start the program again");
  }

  template <class T>
  void add(std::span<T> values, MPI_Datatype type) {
    const std::span<const std::byte> bytes = std::as_bytes(values);
    prepare({}, {}, bytes.size(), {});
    std::copy(bytes.begin(), bytes.end(), now_.receive.begin());
    exchange("MPI_Iallreduce", bytes.size(), [&](MPI_Request* request) {
      return MPI_Iallreduce(MPI_IN_PLACE, now_.receive.data(), count(values.size()), type, MPI_SUM, comm_, request);
    });
    std::copy(now_.receive.begin(), now_.receive.end(), std::as_writable_bytes(values).begin());
  }

  template <class Start>
  void exchange(const char* call, std::size_t bytes, Start start) {
    const double begin = clock();
    MPI_Request request = MPI_REQUEST_NULL;
    check(start(&request), call);
    wait(request, call);
    note(begin, bytes);
  }
  void note(double begin, std::size_t bytes) {
    ++cost_.exchanges;
    cost_.bytes += static_cast<std::int64_t>(bytes);
    cost_.seconds += clock() - begin;
  }
  // Waits for the end of an exchange, for a failure of another process, or until time is up.
  void wait(MPI_Request& request, const char* call) {
    const double begin = clock();
    int done = 0;
    for (std::int64_t tries = 0; done == 0; ++tries) {
      check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), call);
      if (done != 0) break;
      if (tries % 16 == 15) require_no_alarm();
      if (tries % 64 == 63 && clock() - begin > options_.timeout) give_up(rank_);
      rest(clock() - begin);
    }
  }
  // More processes than cores must not spin on those that others need.
  static void rest(double waited) {
    if (waited < 1e-3) {
      sched_yield();
      return;
    }
    const timespec nap{0, waited < 0.1 ? 50'000 : 500'000};
    nanosleep(&nap, nullptr);
  }
  // What another process reported, if one did.
  std::optional<std::pair<int, std::string>> alarm() {
    int there = 0;
    MPI_Status status;
    check(MPI_Iprobe(MPI_ANY_SOURCE, alarm_tag_, alarm_, &there, &status), "MPI_Iprobe");
    if (there == 0) return std::nullopt;
    int length = 0;
    MPI_Get_count(&status, MPI_CHAR, &length);
    std::string text(static_cast<std::size_t>(length), ' ');
    MPI_Recv(text.data(), length, MPI_CHAR, status.MPI_SOURCE, alarm_tag_, alarm_, MPI_STATUS_IGNORE);
    return std::pair(status.MPI_SOURCE, std::move(text));
  }
  void require_no_alarm() {
    const auto heard = alarm();
    if (!heard) return;
    if (heard->second == waited_) give_up(heard->first);
    broken_ = true;
    fail(Errc::io, "process {} of {} failed: {}", heard->first, size_, heard->second);
  }
  // Time is up, here or in the process `first`. All that live say so to each other: the others are those that hang.
  [[noreturn]] void give_up(int first) {
    std::vector<bool> here(static_cast<std::size_t>(size_), false);
    here[static_cast<std::size_t>(rank_)] = here[static_cast<std::size_t>(first)] = true;
    report_failure(waited_);
    for (const double begin = clock(); clock() - begin < std::min(2.0, options_.timeout);) {
      if (const auto heard = alarm()) here[static_cast<std::size_t>(heard->first)] = true;
      rest(1e-2);
    }
    std::string missing;
    for (int r = 0; r < size_; ++r) {
      if (!here[static_cast<std::size_t>(r)]) missing += formatted("{}{}", missing.empty() ? "" : ", ", r);
    }
    fail(Errc::io,
         "mpi::world: process {} waited for others for {} s (mpi::Options::timeout); no word from process {}; the last "
         "checkpoint is as it "
         "was, resume from it",
         first, options_.timeout, missing.empty() ? "any in time, though all live" : missing);
  }
  // Whether all processes have come to their end within so many seconds.
  bool all_leave(double seconds) {
    MPI_Request request = MPI_REQUEST_NULL;
    if (MPI_Ibarrier(alarm_, &request) != MPI_SUCCESS) return false;
    int done = 0;
    for (const double begin = clock(); done == 0 && clock() - begin < seconds;) {
      if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) return false;
      (void)alarm();
      rest(1e-2);
    }
    return done != 0;
  }

  Options options_;
  MPI_Comm comm_ = MPI_COMM_NULL, alarm_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
  bool owner_ = false, broken_ = false;
  CommunicationCost cost_{};
  Exchange now_{};
  std::deque<Addition> additions_{};
};

}  // namespace detail

/// The processes that mpirun started. The first call starts MPI, unless the program has, and the end of the program ends it;
/// options count in the first call.
///
///   fit(model, data, {.epochs = 8, .comm = mpi::world()});
///
/// Every process runs the same program. It gets the same data (or reads them by itself) and calls fit with the same options.
/// Errors:    Errc::unsupported if MPI was started without threads; Errc::io what MPI says
inline Communicator* world(const Options& options = {}) {
  static detail::World world(options);
  return &world;
}

}  // namespace stet::mpi
