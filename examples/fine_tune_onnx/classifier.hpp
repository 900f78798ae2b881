#pragma once
// Makes what was loaded fit for training: logits at the end, and images as the model expects them.

#include <stet/data/dataset.hpp>
#include <stet/graph/model.hpp>

#include <string>
#include <vector>

namespace example {

/// Loads a float .onnx or .tflite file, by the ending of its name, which leave out a softmax at its end: training and
/// int8 both want the logits.
/// Errors:    those of the loaders; Errc::unsupported for another ending; Errc::shape unless one image goes in and one
///            vector of class scores comes out
stet::Model load_classifier(const std::string& path);

/// Images as (pixel / 255 - mean) / std, channel by channel.
/// Errors:    Errc::shape if the images are not of the model's input shape, or there are neither one nor C numbers;
///            Errc::range if a number is not finite or std is not positive
stet::Dataset normalize(const stet::Dataset& data, const stet::Shape& input, const std::vector<float>& mean,
                        const std::vector<float>& std);

}  // namespace example
