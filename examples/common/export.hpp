#pragma once
// The files that other runtimes execute, and what the engine computes for them.

#include "run_folder.hpp"
#include "runtime_row.hpp"

#include <stet/data/dataset.hpp>
#include <stet/engine/engine.hpp>
#include <stet/graph/activation_ranges.hpp>
#include <stet/graph/integer_model.hpp>
#include <stet/graph/model.hpp>
#include <stet/io/npy.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace example {

/// The rows as they stand in results.json.
inline nlohmann::ordered_json rows_json(const std::vector<RuntimeRow>& rows) {
  auto json = nlohmann::ordered_json::array();
  for (const RuntimeRow& row : rows) {
    json.push_back({{"name", row.name},
                    {"runtime", row.runtime},
                    {"accuracy", row.correct < 0 ? nlohmann::ordered_json() : nlohmann::ordered_json(row.accuracy())},
                    {"different_codes", 0},  // it is the one that others are compared with
                    {"compared_codes", 0},
                    {"size_bytes", row.size_bytes}});
  }
  return json;
}

/// The models of a run, ready for export.
struct Exported {
  const stet::Model& fp32;
  const stet::ActivationRanges& ranges;  ///< of fp32
  const stet::IntegerModel& ptq;
  const stet::IntegerModel& qat;
};

namespace detail {

inline const stet::Target exported_targets[] = {stet::targets::tflite_reference, stet::targets::litert_default, stet::targets::onnxruntime};

struct Outputs {
  stet::Tensor<std::int8_t> codes;
  std::int64_t correct = -1;
};

inline Outputs run_engine(const stet::IntegerModel& model, const stet::Dataset& test) {
  using namespace stet;
  const Engine engine(model);
  const std::int64_t outputs = model.values[static_cast<std::size_t>(model.outputs[0])].shape.elements();
  Outputs result{Tensor<std::int8_t>(Shape{test.size(), outputs}), test.has_labels() ? 0 : -1};
  const auto all = result.codes.edit();
  for (std::int64_t first = 0; first < test.size(); first += 500) {
    const Batch batch = test.batch(first, std::min(first + 500, test.size()));
    const QTensor y = engine.run(batch.x);
    std::copy(y.codes.span().begin(), y.codes.span().end(), all.begin() + first * outputs);
    for (std::int64_t i = 0; i < batch.size() && test.has_labels(); ++i) {
      const auto row = y.codes.span().subspan(static_cast<std::size_t>(i * outputs), static_cast<std::size_t>(outputs));
      const auto best = std::max_element(row.begin(), row.end()) - row.begin();  // the lowest of equals
      result.correct += best == batch.labels[i] ? 1 : 0;
    }
  }
  return result;
}

}  // namespace detail

/// Names of the files that export_models writes.
inline std::vector<std::string> exported_files() {
  std::vector<std::string> names{"fp32.tflite",     "fp16.tflite",      "dynamic.tflite",     "int16x8.tflite",
                                 "ptq_int8.tflite", "qat_int8.tflite",  "fp32.onnx",          "ptq_int8.onnx",
                                 "qat_int8.onnx",   "qat_int8_model.c", "qat_int8_weights.c", "test_images.npy",
                                 "test_labels.npy"};
  for (const stet::Target& target : detail::exported_targets) {
    for (const char* prefix : {"int8_outputs.", "ptq_int8_outputs."})
      names.push_back(prefix + std::string(target.name) + ".npy");
  }
  return names;
}

/// Writes a file, save(path), or says in `left_out` why its format has no form of this network.
template <class Save>
void write_or_leave_out(const RunFolder& folder, const std::string& name, std::vector<std::string>& left_out, Save&& save) {
  try {
    save(folder.file(name));
  } catch (const stet::Error& e) {
    if (e.code() != stet::Errc::unsupported) throw;
    left_out.push_back(fmt::format("{}: {}", name, e.what()));
  }
}

/// Writes the .tflite, .onnx and C files, the test inputs and labels, and the engine's output codes of both integer models for
/// all of them under every target. Returns a row for each of the latter. What a format has no form of for this network is left
/// out, with its reason in `left_out`; the files of the integers are not.
inline std::vector<RuntimeRow> export_models(const RunFolder& folder, const Exported& models, const stet::Dataset& test,
                                             std::vector<std::string>& left_out) {
  using namespace stet;
  const auto write = [&](const std::string& name, const auto& save) { write_or_leave_out(folder, name, left_out, save); };
  // Real numbers go in; codes come out, so that they can be compared with the engine's.
  const TfliteIntegerOptions integer_file{.float_input = true};
  write("fp32.tflite", [&](const std::string& path) { save_tflite(path, models.fp32); });
  write("fp16.tflite", [&](const std::string& path) { save_tflite(path, models.fp32, {.format = TfliteFormat::float16}); });
  write("dynamic.tflite", [&](const std::string& path) { save_tflite(path, models.fp32, {.format = TfliteFormat::dynamic_range}); });
  write("int16x8.tflite",
        [&](const std::string& path) { save_tflite(path, models.fp32, {.format = TfliteFormat::int16x8, .ranges = models.ranges}); });
  save_tflite(folder.file("ptq_int8.tflite"), models.ptq, integer_file);
  save_tflite(folder.file("qat_int8.tflite"), models.qat, integer_file);
  write("fp32.onnx", [&](const std::string& path) { save_onnx(path, models.fp32); });
  write("ptq_int8.onnx", [&](const std::string& path) { save_onnx(path, models.ptq, {.output_codes = true}); });
  write("qat_int8.onnx", [&](const std::string& path) { save_onnx(path, models.qat, {.output_codes = true}); });
  // Microcontrollers: the file as an array for TFLM, with integers going in and out, and bare tables for CMSIS-NN.
  write("qat_int8_model.c", [&](const std::string& path) { save_c_array(path, "qat_int8", tflite_bytes(models.qat)); });
  write("qat_int8_weights.c", [&](const std::string& path) { save_c_weights(path, models.qat); });

  const Batch all = test.batch(0, test.size());
  save_npy(folder.file("test_images.npy"), all.x);
  if (test.has_labels()) save_npy(folder.file("test_labels.npy"), all.labels);

  std::vector<RuntimeRow> rows;
  for (const auto& [name, model] : {std::pair{"ptq_int8", &models.ptq}, {"qat_int8", &models.qat}}) {
    for (const Target& target : detail::exported_targets) {
      IntegerModel retargeted = *model;
      retargeted.target = target;
      const bool qat = model == &models.qat;
      write((qat ? "int8_outputs." : "ptq_int8_outputs.") + std::string(target.name) + ".npy", [&](const std::string& path) {
        const detail::Outputs outputs = detail::run_engine(retargeted, test);
        save_npy(path, outputs.codes);
        rows.push_back({name, "stet engine, " + std::string(target.name), outputs.correct, test.size(),
                        file_size(folder.file(std::string(name) + ".tflite"))});
      });
    }
  }
  return rows;
}

}  // namespace example
