#include "classifier.hpp"

#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>

#include <cmath>

namespace example {

using namespace stet;

Model load_classifier(const std::string& path) {
  const bool onnx = path.ends_with(".onnx");
  require(onnx || path.ends_with(".tflite"), Errc::unsupported, "{}: neither an .onnx nor a .tflite file", path);
  Model model = onnx ? load_onnx(path) : load_tflite(path);  // without a softmax at the end
  const Graph& g = model.graph();
  require(g.inputs().size() == 1 && g.outputs().size() == 1, Errc::shape,
          "{}: has {} inputs and {} outputs; a classifier has one of each", path, g.inputs().size(),
          g.outputs().size());
  const Shape& scores = g.node(g.outputs()[0]).shape;
  require(scores.rank() == 1, Errc::shape, "{}: its output is {} per image; a classifier's is one score per class",
          path, scores);
  return model;
}

Dataset normalize(const Dataset& data, const Shape& input, const std::vector<float>& mean,
                  const std::vector<float>& std) {
  require(data.shape() == input, Errc::shape, "the images are {}, the model wants {}", data.shape(), input);
  const auto channels = static_cast<std::size_t>(input.back());
  for (const auto& [name, values] : {std::pair{"mean", &mean}, {"std", &std}}) {
    require(values->size() == 1 || values->size() == channels, Errc::shape, "--{} wants 1 or {} numbers, got {}", name,
            channels, values->size());
    for (const float v : *values) {
      require(std::isfinite(v) && (values == &mean || v > 0), Errc::range, "--{} is {}; it must be {}", name, v,
              values == &mean ? "finite" : "positive");
    }
  }
  if (mean == std::vector{0.0f} && std == std::vector{1.0f}) return data;  // stays bytes
  const Batch all = data.batch(0, data.size());
  Tensor<float> x = all.x;
  const auto values = x.edit();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t c = i % channels;
    values[i] = (values[i] - mean[mean.size() == 1 ? 0 : c]) / std[std.size() == 1 ? 0 : c];
  }
  return {x, all.labels, data.classes(), data.name()};
}

}  // namespace example
