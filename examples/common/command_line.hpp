#pragma once
// What the programs' command lines share.

#include "run_folder.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

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

inline void add_data(CLI::App& app, std::string& data) {
  app.add_option("--data", data, "fashion-mnist, or shapes: images that this program draws itself")
      ->check(CLI::IsMember({"fashion-mnist", "shapes"}))
      ->capture_default_str();
}

inline void add_data_directory(CLI::App& app, std::string& directory) {
  app.add_option("--data-dir", directory, "folder of the four Fashion-MNIST files")->capture_default_str();
}

inline void add_images(CLI::App& app, std::int64_t& images) {
  app.add_option("--images", images, "training images that are used; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

/// --out, and what to do with a run that is there.
inline void add_folder(CLI::App& app, std::string& out, Begin& begin) {
  app.add_option("--out", out, "folder for results, checkpoints and models")->capture_default_str();
  auto* const resume = app.add_flag_callback(
      "--resume", [&begin] { begin = Begin::resume; },
      "go on with an interrupted run, with the same options and --out");
  app.add_flag_callback(
         "--overwrite", [&begin] { begin = Begin::overwrite; }, "start anew in a folder with an interrupted run")
      ->excludes(resume);
}

/// Names and values of all options that the results depend on, after parsing; defaults included.
inline RunOptions option_values(const CLI::App& app) {
  constexpr std::string_view changes_nothing[] = {"--help",      "--out",     "--resume",
                                                  "--overwrite", "--threads", "--data-dir", "--timeout"};
  RunOptions values;
  for (CLI::Option* const option : const_cast<CLI::App&>(app).get_options()) {
    const std::string name = option->get_name();
    if (std::find(std::begin(changes_nothing), std::end(changes_nothing), name) != std::end(changes_nothing)) continue;
    const std::string before = option->get_default_str();
    option->capture_default_str();  // the text of the variable as it is now
    const std::string now = option->get_default_str();
    values.emplace_back(name, !now.empty() ? now : option->count() > 0 ? "set" : "not set");
    option->default_str(before);
  }
  return values;
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
