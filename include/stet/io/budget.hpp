#pragma once
// Budget: what reading a file may take, counted before it is taken, so that a small file cannot ask for much.

#include <stet/core/error.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace stet {

/// Operators and ends of a graph that are read: more than any network that stet runs has, and few enough that what is
/// planned per operator stays small beside everything else.
inline constexpr std::size_t most_operators = 16384;

/// Counts memory against a fixed part and a multiple of what a file holds (docs/design.md, Files of other runtimes).
class Budget {
 public:
  Budget(std::string name, std::size_t content, std::size_t factor, std::size_t fixed = std::size_t{16} << 20)
      : name_(std::move(name)), content_(content), left_(fixed + factor * content) {}

  /// Errors:    Errc::format if more is taken than there is
  void take(std::size_t bytes) {
    spent_ = spent_ || bytes > left_;
    require(!spent_, Errc::format, "{}: asks for far more memory than its {} bytes of content; refused", name_, content_);
    left_ -= bytes;
  }
  /// Whether something was refused: nothing more should be tried then.
  [[nodiscard]] bool spent() const { return spent_; }

 private:
  std::string name_;
  std::size_t content_, left_;
  bool spent_ = false;
};

}  // namespace stet
