#pragma once
// Catches the library's warnings for the time of a test.

#include <stet/core/warning.hpp>

#include <string>
#include <utility>
#include <vector>

namespace stet_test {

class CaughtWarnings {
 public:
  CaughtWarnings() : before_(stet::set_warning_handler([this](const std::string& message) { all_.push_back(message); })) {}
  CaughtWarnings(const CaughtWarnings&) = delete;
  CaughtWarnings& operator=(const CaughtWarnings&) = delete;
  ~CaughtWarnings() { stet::set_warning_handler(std::move(before_)); }

  [[nodiscard]] const std::vector<std::string>& all() const { return all_; }
  [[nodiscard]] bool mention(const std::string& words) const {
    for (const std::string& message : all_) {
      if (message.find(words) != std::string::npos) return true;
    }
    return false;
  }

 private:
  std::vector<std::string> all_{};
  stet::WarningHandler before_;
};

}  // namespace stet_test
