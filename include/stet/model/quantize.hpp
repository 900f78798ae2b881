#pragma once
// quantize: post-training quantization, from a float model to integers in one call.

#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>

namespace stet {

/// Quantizes a trained model without further training: prepare, calibrate on the given data, convert.
/// Errors:    as those three
inline IntegerModel quantize(const Model& model, const Recipe& recipe, const Dataset& calibration) {
  QatModel qat = prepare(model, recipe);
  calibrate(qat, calibration);
  return convert(qat);
}

}  // namespace stet
