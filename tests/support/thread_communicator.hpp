#pragma once
// Ranks that are threads of one process: what a communicator promises, without MPI.

#include <stet/core/communicator.hpp>
#include <stet/core/error.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <vector>

// What all ranks share: an exchange ends when all have come.
class ThreadWorld {
 public:
  explicit ThreadWorld(int size) : sent_(static_cast<std::size_t>(size)), offsets_(sent_.size()) {}
  [[nodiscard]] int size() const { return static_cast<int>(sent_.size()); }

  // Leaves what a rank sends, waits for all, lets it read what all left, and waits for all again.
  template <class Read>
  void meet(int rank, std::span<const std::byte> mine, const std::vector<std::size_t>& offsets, Read read) {
    sent_[static_cast<std::size_t>(rank)] = mine;
    offsets_[static_cast<std::size_t>(rank)] = offsets;
    wait();
    read(sent_, offsets_);
    wait();
  }
  void fail(const std::string& what) {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = what;
    changed_.notify_all();
  }

 private:
  void wait() {
    std::unique_lock lock(mutex_);
    const int round = round_;
    if (++waiting_ == size()) {
      waiting_ = 0;
      ++round_;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return round != round_ || !failure_.empty(); });
    if (round == round_) throw stet::Error(stet::Errc::io, "another rank failed: " + failure_);
  }

  std::vector<std::span<const std::byte>> sent_;
  std::vector<std::vector<std::size_t>> offsets_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0, round_ = 0;
  std::string failure_;
};

class ThreadCommunicator final : public stet::Communicator {
 public:
  ThreadCommunicator(ThreadWorld& world, int rank) : world_(world), rank_(rank) {}
  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return world_.size(); }

  void all_gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes,
                  std::span<std::byte> all) override {
    require_size(mine.size() == sizes[static_cast<std::size_t>(rank_)]);
    count(mine.size());
    world_.meet(rank_, mine, {}, [&](const auto& sent, const auto&) {
      std::size_t at = 0;
      for (std::size_t r = 0; r < sent.size(); ++r) {
        require_size(sent[r].size() == sizes[r]);
        if (!sent[r].empty()) std::memcpy(all.data() + at, sent[r].data(), sent[r].size());
        at += sent[r].size();
      }
      require_size(at == all.size());
    });
  }
  void all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_sizes,
                  std::span<std::byte> receive, std::span<const std::size_t> receive_sizes) override {
    std::vector<std::size_t> offsets(send_sizes.size() + 1, 0);
    std::partial_sum(send_sizes.begin(), send_sizes.end(), offsets.begin() + 1);
    require_size(offsets.back() == send.size());
    count(send.size());
    const auto own = static_cast<std::size_t>(rank_);
    world_.meet(rank_, send, offsets, [&](const auto& sent, const auto& all) {
      std::size_t at = 0;
      for (std::size_t r = 0; r < sent.size(); ++r) {
        const std::size_t size = all[r][own + 1] - all[r][own];
        require_size(size == receive_sizes[r]);
        if (size > 0) std::memcpy(receive.data() + at, sent[r].data() + all[r][own], size);
        at += size;
      }
      require_size(at == receive.size());
    });
  }
  void add_in_any_order(std::span<float> values) override { add(values); }
  void add_in_any_order(std::span<double> values) override { add(values); }
  void report_failure(std::string_view what) noexcept override { world_.fail(std::string(what)); }
  [[nodiscard]] stet::CommunicationCost cost() const override { return cost_; }

 private:
  static void require_size(bool fits) {
    if (!fits) throw stet::Error(stet::Errc::state, "ThreadCommunicator: sizes of ranks do not fit together");
  }
  void count(std::size_t bytes) {
    cost_.bytes += static_cast<std::int64_t>(bytes);
    ++cost_.exchanges;
  }
  template <class T>
  void add(std::span<T> values) {
    count(values.size_bytes());
    std::vector<T> sum(values.size(), T{});
    world_.meet(rank_, std::as_bytes(values), {}, [&](const auto& sent, const auto&) {
      for (const auto& of_rank : sent) {
        require_size(of_rank.size() == values.size_bytes());
        for (std::size_t i = 0; i < sum.size(); ++i) {
          T value;
          std::memcpy(&value, of_rank.data() + i * sizeof(T), sizeof(T));
          sum[i] += value;
        }
      }
    });
    std::copy(sum.begin(), sum.end(), values.begin());
  }

  ThreadWorld& world_;
  int rank_;
  stet::CommunicationCost cost_{};
};

// Runs body(communicator) on so many ranks; gives what each of them threw.
template <class Body>
std::vector<std::string> on_ranks(int size, Body body) {
  ThreadWorld world(size);
  std::vector<std::string> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int r = 0; r < size; ++r) {
    threads.emplace_back([&, r] {
      ThreadCommunicator comm(world, r);
      try {
        body(comm);
      } catch (const std::exception& e) {
        errors[static_cast<std::size_t>(r)] = e.what();
        world.fail(e.what());
      }
    });
  }
  for (std::thread& t : threads) t.join();
  return errors;
}
