#pragma once
// The files that other runtimes execute, and what the engine computes for them.

#include "../common/run_folder.hpp"
#include "report.hpp"

#include <stet/data/dataset.hpp>
#include <stet/graph/activation_ranges.hpp>
#include <stet/graph/integer_model.hpp>
#include <stet/graph/model.hpp>

#include <string>
#include <vector>

namespace example {

/// The models of a run, ready for export.
struct Exported {
  const stet::Model& fp32;
  const stet::ActivationRanges& ranges;  ///< of fp32
  const stet::IntegerModel& ptq;
  const stet::IntegerModel& qat;
};

/// Names of the files that export_models writes.
std::vector<std::string> exported_files();

/// Writes the .tflite, .onnx and C files, the test images and labels, and the engine's output codes of both integer
/// models for all images under every target. Returns a row for each of the latter.
std::vector<RuntimeRow> export_models(const RunFolder& folder, const Exported& models, const stet::Dataset& test);

}  // namespace example
