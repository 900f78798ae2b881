#pragma once
// One part of the data, from files of each kind.

#include "options.hpp"

#include <stet/data/dataset.hpp>

#include <string>
#include <vector>

namespace example {

/// Samples, with the names of their classes where the files have some.
struct Part {
  stet::Dataset data;
  std::vector<std::string> classes{};
};

/// A folder with one folder per class, of pictures or of sounds.
/// Errors:    those of list_class_folders and of the readers; Errc::shape if the input is none that pictures or sounds have
Part read_class_folders(const DataSource& source, const std::string& folder, const stet::Shape& input);
/// A .csv file: one column of answers, all others are inputs.
/// Errors:    those of load_csv, and of its columns
Part read_table(const DataSource& source, const std::string& path);
/// A .npy file with the inputs, and one with the answers.
/// Errors:    those of load_npy_as; Errc::range if a class is negative
Part read_arrays(const DataSource& source, const std::string& path, const std::string& answers);

/// The test part with its classes numbered as those of training.
/// Errors:    Errc::range if it has a class that training has not
stet::Dataset same_classes(Part test, const Part& train);

}  // namespace example
