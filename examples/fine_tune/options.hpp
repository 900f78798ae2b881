#pragma once
// Options of the program, from the command line.

#include "../common/run_folder.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace example {

/// Where samples come from, and what is made of them before the network sees them.
struct DataSource {
  std::string train, test;                ///< folder, .csv or .npy; no test: a part of train
  std::string train_answers, test_answers;  ///< .npy, beside a .npy
  std::string column;                     ///< of a .csv, with the answers; empty: the last one
  std::string separator = ",";
  bool no_header = false, regression = false, channels_first = false, standardize = false, balance = false;
  double test_share = 0.2;
  std::vector<float> mean{0.0f}, std{1.0f};
  std::int64_t samples = 0;  ///< to train on; 0: all
  double sound_low = 20, sound_high = 4000;  ///< Hz
  std::int64_t sound_window = 480, sound_hop = 320;  ///< samples
};

struct Options {
  std::string model;
  DataSource data;
  std::vector<std::string> ends;  ///< where the network is cut: names of values in the file
  bool new_head = false;          ///< the last layer anew, for the classes or targets of the data
  std::vector<std::string> freeze;
  std::vector<std::string> augment;
  std::vector<std::pair<std::string, int>> bits;  ///< of the weights of nodes
  std::vector<std::string> keep_float;
  bool keep_float_unsupported = false, per_tensor = false, find_rate = false;
  int head_epochs = -1, float_epochs = 0, epochs = 2;
  double head_lr = 1e-3, float_lr = 1e-3, lr = 1e-4;
  std::int64_t batch = 128, calibration = 1024;
  std::uint64_t seed = 1;
  int threads = 0;
  std::string target = "litert_default";
  std::string out = "fine_tune_results";
  Begin begin = Begin::anew;
  RunOptions values;  ///< all that the results depend on, as the command line has it
};

/// Reads the command line; leaves the program for --help and for arguments that do not fit.
Options read_options(int argc, char** argv);

}  // namespace example
