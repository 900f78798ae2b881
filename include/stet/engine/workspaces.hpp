#pragma once
// Workspaces: the memory that runs of an engine compute in, lent to one call at a time and kept for the next.

#include <stet/core/tensor.hpp>
#include <stet/engine/values.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace stet::detail {

/// Memory of one run, and every value's place in it.
struct Workspace {
  Tensor<std::int8_t> arena{};
  EngineValues values{};
  std::int64_t batch = -1;  ///< that the places are for
};

/// Thread-safe free list of workspaces: as many are made as calls ever ran at the same time. They are no state of a
/// model, so a copy starts with none.
class Workspaces {
 public:
  Workspaces() = default;
  Workspaces(const Workspaces&) {}
  Workspaces(Workspaces&& other) noexcept : free_(std::move(other.free_)), made_(std::exchange(other.made_, 0)) {}
  Workspaces& operator=(Workspaces other) noexcept {
    free_ = std::move(other.free_);
    made_ = other.made_;
    return *this;
  }
  ~Workspaces() = default;

  /// A workspace for the time of one call.
  class Loan {
   public:
    explicit Loan(Workspaces& from) : from_(from), workspace_(from.take()) {}
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() { from_.give_back(std::move(workspace_)); }
    Workspace& operator*() const { return *workspace_; }

   private:
    Workspaces& from_;
    std::unique_ptr<Workspace> workspace_;
  };

 private:
  std::unique_ptr<Workspace> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
      auto made = std::make_unique<Workspace>();
      free_.reserve(made_ + 1);  // so that giving back takes no memory, and cannot fail
      ++made_;
      return made;
    }
    std::unique_ptr<Workspace> last = std::move(free_.back());  // the one whose memory is still in the caches
    free_.pop_back();
    return last;
  }
  void give_back(std::unique_ptr<Workspace> workspace) noexcept {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(workspace));
  }

  std::mutex mutex_{};
  std::vector<std::unique_ptr<Workspace>> free_{};
  std::size_t made_ = 0;
};

}  // namespace stet::detail
