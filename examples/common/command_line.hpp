#pragma once
// What the programs' command lines share.

#include <CLI/CLI.hpp>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace example {

inline void add_batch(CLI::App& app, std::int64_t& batch) {
  app.add_option("--batch", batch, "images per step")->check(CLI::PositiveNumber)->capture_default_str();
}

inline void add_rate(CLI::App& app, const std::string& option, double& rate, const std::string& of_what) {
  app.add_option(option, rate, "learning rate of " + of_what + " (Adam, cosine)")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

inline void add_threads(CLI::App& app, int& threads) {
  app.add_option("--threads", threads, "0: all; results do not depend on it")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

inline void add_target(CLI::App& app, std::string& target) {
  app.add_option("--target", target, "arithmetic to train for: litert_default, tflite_reference or onnxruntime")
      ->check(CLI::IsMember({"litert_default", "tflite_reference", "onnxruntime"}))
      ->capture_default_str();
}

inline void add_data_directory(CLI::App& app, std::string& directory) {
  app.add_option("--data-dir", directory, "folder of the four Fashion-MNIST files")->capture_default_str();
}

inline void add_resume(CLI::App& app, bool& resume) {
  app.add_flag("--resume", resume, "continue an interrupted run with the same options and --out");
}

/// Ends the program after --help or a wrong command line.
inline void parse_or_exit(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
}

}  // namespace example
