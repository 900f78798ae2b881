#pragma once
// Memory pool: freed blocks are kept by size class and handed out again, because fresh pages cost more than arithmetic.

#include <stet/core/requirements.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <vector>

#include <pthread.h>

namespace stet {

/// Counters of the memory pool; differences of system_allocations show whether a loop is in its steady state.
struct PoolStatistics {
  std::uint64_t system_allocations = 0;  ///< blocks that had to come from the system
  std::size_t live_bytes = 0;            ///< handed out and not yet returned
  std::size_t peak_bytes = 0;            ///< largest live_bytes since the last reset_peak()
  std::size_t cached_bytes = 0;          ///< returned and kept for reuse
};

/// Process-wide, thread-safe cache of 64-byte aligned blocks. Size classes are four per power of two, so at most a
/// quarter of a block is unused.
class MemoryPool {
 public:
  static constexpr std::size_t alignment = 64;

  static MemoryPool& instance() {
    // Never destroyed: tensors with static storage may outlive any static object.
    static MemoryPool* pool = [] {
      // A fork while another thread holds the lock would leave it locked in the child for ever.
      pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                     [] { instance().mutex_.unlock(); });
      return new MemoryPool;
    }();
    return *pool;
  }

  /// Bytes of the size class that serves a request.
  static std::size_t round_up(std::size_t bytes) {
    if (bytes <= 256) return 256;
    const std::size_t quarter = std::bit_floor(bytes - 1) / 4;
    return (bytes + quarter - 1) / quarter * quarter;
  }

  void* allocate(std::size_t bytes) {
    const std::size_t size = round_up(bytes);
    {
      const std::lock_guard lock(mutex_);
      statistics_.live_bytes += size;
      if (statistics_.live_bytes > statistics_.peak_bytes) statistics_.peak_bytes = statistics_.live_bytes;
      auto& list = free_[index(size)];
      if (!list.empty()) {
        void* block = list.back();
        list.pop_back();
        statistics_.cached_bytes -= size;
        return block;
      }
      ++statistics_.system_allocations;
    }
    return ::operator new(size, std::align_val_t{alignment});
  }

  void release(void* block, std::size_t bytes) noexcept {
    const std::size_t size = round_up(bytes);
    const std::lock_guard lock(mutex_);
    statistics_.live_bytes -= size;
    statistics_.cached_bytes += size;
    free_[index(size)].push_back(block);
  }

  [[nodiscard]] PoolStatistics statistics() const {
    const std::lock_guard lock(mutex_);
    return statistics_;
  }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    statistics_.peak_bytes = statistics_.live_bytes;
  }
  /// Gives all cached blocks back to the system.
  void trim() {
    const std::lock_guard lock(mutex_);
    for (auto& list : free_) {
      for (void* block : list) ::operator delete(block, std::align_val_t{alignment});
      list.clear();
    }
    statistics_.cached_bytes = 0;
  }

 private:
  // Class of a rounded size: position of its leading bit and the two bits below it.
  static std::size_t index(std::size_t size) {
    const auto top = static_cast<std::size_t>(std::bit_width(size)) - 1;
    return top * 4 + ((size >> (top - 2)) & 3);
  }

  mutable std::mutex mutex_;
  std::array<std::vector<void*>, 64 * 4> free_;
  PoolStatistics statistics_;
};

/// Shared, reference-counted block of pool memory.
class Block {
 public:
  Block() = default;
  explicit Block(std::size_t bytes) {
    if (bytes == 0) return;
    void* memory = MemoryPool::instance().allocate(bytes + MemoryPool::alignment);
    header_ = ::new (memory) Header{{1}, bytes};
  }
  /// Stands for memory that belongs to somebody else and must not be written: it is never unique.
  static Block foreign() {
    static Header header{{2}, 0};
    header.owners.fetch_add(1, std::memory_order_relaxed);
    Block block;
    block.header_ = &header;
    return block;
  }
  Block(const Block& other) noexcept : header_(other.header_) {
    if (header_ != nullptr) header_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  Block(Block&& other) noexcept : header_(other.header_) { other.header_ = nullptr; }
  Block& operator=(Block other) noexcept {
    std::swap(header_, other.header_);
    return *this;
  }
  ~Block() {
    if (header_ != nullptr && header_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      const std::size_t bytes = header_->bytes;
      header_->~Header();
      MemoryPool::instance().release(header_, bytes + MemoryPool::alignment);
    }
  }

  [[nodiscard]] void* data() const {
    return header_ == nullptr ? nullptr : reinterpret_cast<std::byte*>(header_) + MemoryPool::alignment;
  }
  [[nodiscard]] std::size_t bytes() const { return header_ == nullptr ? 0 : header_->bytes; }
  [[nodiscard]] bool unique() const {
    return header_ == nullptr || header_->owners.load(std::memory_order_acquire) == 1;
  }

 private:
  struct Header {
    std::atomic<std::uint32_t> owners;
    std::size_t bytes;
  };
  Header* header_ = nullptr;
};

}  // namespace stet
