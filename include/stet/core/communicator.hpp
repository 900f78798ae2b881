#pragma once
// Communicator: several processes that work on one task, as the library sees them.

#include <stet/core/requirements.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace stet {

/// What a process has spent on talking to others.
struct CommunicationCost {
  std::int64_t bytes = 0;      ///< that this process handed to others
  std::int64_t exchanges = 0;  ///< how often all of them met
  double seconds = 0;          ///< in exchanges, waiting for slower processes included

  friend CommunicationCost operator-(const CommunicationCost& a, const CommunicationCost& b) {
    return {a.bytes - b.bytes, a.exchanges - b.exchanges, a.seconds - b.seconds};
  }
};

/// The processes of one task (ranks 0 to size - 1), which all make the same calls in the same order. stet/mpi.hpp has one of MPI;
/// whoever has another transport derives from this. Calls come from one thread at a time.
/// Errors:    of all exchanges Errc::io if another process ended, reported a failure or did not come in time; after that the
///            object is of no more use
class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;

  /// Gives every process what all of them bring, in the order of ranks.
  /// Shapes:    sizes: bytes of every rank, known to all; mine has sizes[rank], all has their sum
  virtual void all_gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes,
                          std::span<std::byte> all) = 0;
  /// Gives every process the piece that each of them has for it, in the order of ranks.
  /// Shapes:    send_sizes: bytes for every rank; receive_sizes: bytes from every rank; the spans have their sums
  virtual void all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_sizes,
                          std::span<std::byte> receive, std::span<const std::size_t> receive_sizes) = 0;
  /// Replaces values by the sums over all processes, added in whatever order is fastest: the last bits depend on the number of
  /// processes and may differ from run to run, but all processes get the same.
  virtual void add_in_any_order(std::span<float> values) = 0;
  virtual void add_in_any_order(std::span<double> values) = 0;
  /// Begins the same and returns, so that work goes on meanwhile; values must stay where they are, untouched, until
  /// finish_additions(). Other exchanges may come between. Without an own way of doing so it adds at once.
  virtual void begin_addition(std::span<float> values) { add_in_any_order(values); }
  /// Waits for all that begin_addition() began.
  virtual void finish_additions() {}

  /// Tells the others that this process failed, so that they end with this text and do not wait.
  virtual void report_failure(std::string_view what) noexcept = 0;
  /// What was spent so far.
  [[nodiscard]] virtual CommunicationCost cost() const = 0;
};

}  // namespace stet
