#include "export.hpp"

#include <stet/engine/engine.hpp>
#include <stet/io/npy.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>

#include <algorithm>

namespace example {

namespace {

using namespace stet;

// Real numbers go in; codes come out, so that they can be compared with the engine's.
constexpr TfliteIntegerOptions integer_file{.float_input = true};

const Target exported_targets[] = {targets::tflite_reference, targets::litert_default, targets::onnxruntime};

struct Outputs {
  Tensor<std::int8_t> codes;
  std::int64_t correct = 0;
};

Outputs run_engine(const IntegerModel& model, const Dataset& test) {
  const Engine engine(model);
  const std::int64_t classes = model.values[static_cast<std::size_t>(model.outputs[0])].shape.elements();
  Outputs result{Tensor<std::int8_t>(Shape{test.size(), classes}), 0};
  const auto all = result.codes.edit();
  for (std::int64_t first = 0; first < test.size(); first += 500) {
    const Batch batch = test.batch(first, std::min(first + 500, test.size()));
    const QTensor y = engine.run(batch.x);
    std::copy(y.codes.span().begin(), y.codes.span().end(), all.begin() + first * classes);
    for (std::int64_t i = 0; i < batch.size(); ++i) {
      const auto row = y.codes.span().subspan(static_cast<std::size_t>(i * classes), static_cast<std::size_t>(classes));
      const auto best = std::max_element(row.begin(), row.end()) - row.begin();  // the lowest of equals
      result.correct += best == batch.labels[i] ? 1 : 0;
    }
  }
  return result;
}

}  // namespace

std::vector<std::string> exported_files() {
  std::vector<std::string> names{"fp32.tflite",     "fp16.tflite",      "dynamic.tflite",     "int16x8.tflite",
                                 "ptq_int8.tflite", "qat_int8.tflite",  "fp32.onnx",          "ptq_int8.onnx",
                                 "qat_int8.onnx",   "qat_int8_model.c", "qat_int8_weights.c", "test_images.npy",
                                 "test_labels.npy"};
  for (const Target& target : exported_targets) {
    for (const char* prefix : {"int8_outputs.", "ptq_int8_outputs."})
      names.push_back(prefix + std::string(target.name) + ".npy");
  }
  return names;
}

std::vector<RuntimeRow> export_models(const RunFolder& folder, const Exported& models, const Dataset& test) {
  save_tflite(folder.file("fp32.tflite"), models.fp32);
  save_tflite(folder.file("fp16.tflite"), models.fp32, {.format = TfliteFormat::float16});
  save_tflite(folder.file("dynamic.tflite"), models.fp32, {.format = TfliteFormat::dynamic_range});
  save_tflite(folder.file("int16x8.tflite"), models.fp32, {.format = TfliteFormat::int16x8, .ranges = models.ranges});
  save_tflite(folder.file("ptq_int8.tflite"), models.ptq, integer_file);
  save_tflite(folder.file("qat_int8.tflite"), models.qat, integer_file);
  save_onnx(folder.file("fp32.onnx"), models.fp32);
  save_onnx(folder.file("ptq_int8.onnx"), models.ptq, {.output_codes = true});
  save_onnx(folder.file("qat_int8.onnx"), models.qat, {.output_codes = true});
  // Microcontrollers: the file as an array for TFLM, with integers going in and out, and bare tables for CMSIS-NN.
  save_c_array(folder.file("qat_int8_model.c"), "qat_int8", tflite_bytes(models.qat));
  save_c_weights(folder.file("qat_int8_weights.c"), models.qat);

  const Batch all = test.batch(0, test.size());
  save_npy(folder.file("test_images.npy"), all.x);
  save_npy(folder.file("test_labels.npy"), all.labels);

  std::vector<RuntimeRow> rows;
  for (const auto& [name, model] : {std::pair{"ptq_int8", &models.ptq}, {"qat_int8", &models.qat}}) {
    for (const Target& target : exported_targets) {
      IntegerModel retargeted = *model;
      retargeted.target = target;
      const Outputs outputs = run_engine(retargeted, test);
      const bool qat = model == &models.qat;
      save_npy(folder.file((qat ? "int8_outputs." : "ptq_int8_outputs.") + std::string(target.name) + ".npy"),
               outputs.codes);
      rows.push_back({name, "stet engine, " + std::string(target.name), outputs.correct, test.size(),
                      file_size(folder.file(std::string(name) + ".tflite"))});
    }
  }
  return rows;
}

}  // namespace example
