#pragma once
// What the programs of examples/integrate_* share: the images, and the last lines with the checked figures.

#include "../common/say.hpp"

#include <stet/data/idx.hpp>
#include <stet/data/shapes.hpp>

#include <fmt/core.h>

#include <string>

namespace example {

/// Fashion-MNIST if Debian's package dataset-fashion-mnist is installed, else images that the program draws.
inline stet::DatasetSplit load_images(std::int64_t train, std::int64_t test) {
  const auto load = [&] {
    try {
      return stet::load_fashion_mnist();
    } catch (const stet::Error& e) {
      if (e.code() != stet::Errc::io) throw;
      return stet::make_shapes(1, train, test);
    }
  };
  const stet::DatasetSplit data = load();
  say("{}: {} training images, {} test images\n", data.train.name(), train, test);
  return {data.train.first(train), data.test.first(test)};
}

/// Collects what was checked; outcome() is the exit status.
class Checks {
 public:
  explicit Checks(std::string program) : program_(std::move(program)) {}
  void operator()(bool holds, const std::string& what) {
    if (holds) return;
    say("FAILED: {}\n", what);
    ++failed_;
  }
  /// Prints one line with the checked figures, e.g. for tests/integrations.sh.
  int outcome(const std::string& figures) const {
    say("{} {}: {}\n", program_, failed_ == 0 ? "ok" : "FAILED", figures);
    return failed_ == 0 && all_said() ? 0 : 1;
  }

 private:
  std::string program_;
  int failed_ = 0;
};

}  // namespace example
