#pragma once
// FloatWriter: a float Model as a .tflite description, in any of the formats.

#include <stet/io/float16.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/quantize.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace stet::tflite {

class FloatWriter final : public Writer {
 public:
  FloatWriter(const Model& model, const TfliteOptions& options, FloatPlan::TraitsOf traits_of)
      : FloatWriter(options, FloatPlan(model, options, traits_of)) {}

  [[nodiscard]] const Model& model() const { return plan_.model(); }
  [[nodiscard]] const Graph& graph() const { return plan_.graph(); }

  /// Turns to a node; false for an activation that the node before it has written.
  bool begin(int id) {
    if (plan_.skipped(id)) return false;
    const graph::Node& node = graph().node(id);
    const int value = plan_.value_of(id);
    const graph::Node& made = graph().node(value);
    Writer::begin({.name = node.name,
                   .value_name = made.name,
                   .inputs = node.inputs,
                   .output = value,
                   .in = node.inputs.empty() ? Shape() : graph().node(node.inputs[0]).shape,
                   .out = made.shape,
                   .activation = plan_.activation_of(id),
                   .quantization = plan_.int16() ? Quantization{{plan_.scale_of(value)}, {0}, 0} : Quantization{},
                   .twin = kind().real_output && graph().is_output(value)});
    return true;
  }
  ModelInfo finish() && {
    for (const int id : graph().outputs()) file_output(id, graph().node(id).name, graph().node(id).shape);
    return std::move(static_cast<Writer&>(*this)).finish(options_.description);
  }

  /// A parameter that is no layer's weight: float32, or float16 with its DEQUANTIZE.
  std::int32_t real(const std::string& name, const Tensor<float>& value) {
    if (options_.format != TfliteFormat::float16) return float32(name, value);
    std::vector<std::uint16_t> bits;
    for (std::int64_t i = 0; i < value.size(); ++i) {
      bits.push_back(float16_bits(value[i]));
      require((bits.back() & 0x7c00u) != 0x7c00u, Errc::range, "save_tflite: {}: {} at index {} does not fit float16",
              name, value[i], i);
    }
    const auto shape = dimensions(value.shape());
    const std::int32_t half = constant<std::uint16_t>(name + ":float16", TensorType::float16, shape, bits);
    const std::int32_t full = derived(name, shape);
    operation(Builtin::dequantize, {half}, full, {.type = OptionsType::dequantize});
    return full;
  }

  std::vector<std::int32_t> layer(std::int32_t x, int axis, bool channels) override {
    const std::string& name = node().name;
    const Tensor<float>& weight = model().parameter(name + ".weight").value;
    const Parameter* bias = model().find_parameter(name + ".bias");
    const Tensor<float> b = bias != nullptr ? bias->value : Tensor<float>::zeros(Shape{node().out.back()});
    if (options_.format == TfliteFormat::float32 || options_.format == TfliteFormat::float16) {
      const std::int32_t w = real(name + ".weight", weight);
      return {x, w, real(name + ".bias", b)};
    }
    const bool four = options_.weight_bits == 4 && axis == 0;  // no kernel multiplies depthwise weights of 4 bits
    const QParams p = weight_qparams(weight, channels ? Granularity::per_channel(axis) : Granularity::per_tensor(),
                                     Grid::narrow(four ? 4 : 8));
    const std::int32_t w = weights(quantize(weight, p).codes, p.scale, axis, four);
    if (options_.format == TfliteFormat::dynamic_range) return {x, w, float32(name + ".bias", b)};
    std::vector<std::int64_t> codes;
    const float input = plan_.scale_of(node().inputs[0]);
    for (std::int64_t i = 0; i < b.size(); ++i) {
      const float s = p.scale[p.scale.size() > 1 ? static_cast<std::size_t>(i) : 0];
      const double code =
          std::nearbyint(static_cast<double>(b[i]) / (static_cast<double>(input) * static_cast<double>(s)));
      // The 64-bit multiplication of LiteRT wants accumulators below 2^47.
      require(std::fabs(code) < 0x1p46, Errc::range, "save_tflite: {}.bias: {} at index {} is too large for int16x8",
              name, b[i], i);
      codes.push_back(static_cast<std::int64_t>(code));
    }
    return {x, w, Writer::bias<std::int64_t>(TensorType::int64, codes, input, p.scale)};
  }
  std::int32_t lowest() override {
    const float real[] = {-std::numeric_limits<float>::infinity()};
    const std::int16_t code[] = {-32768};
    const std::string name = node().name + ":lowest";
    if (!plan_.int16()) return constant<float>(name, TensorType::float32, {1}, real);
    return constant<std::int16_t>(name, TensorType::int16, {1}, code, at(input()).quantization);
  }
  [[nodiscard]] bool linear_channels() const override { return options_.per_channel_linear; }

 private:
  FloatWriter(const TfliteOptions& options, FloatPlan plan)
      : Writer(options.batch, plan.graph().nodes().size(), kind_of(options)), options_(options), plan_(std::move(plan)) {}

  static Kind kind_of(const TfliteOptions& options) {
    const bool codes = options.format == TfliteFormat::int16x8, real_ends = codes && !options.integer_ends;
    return {.type = codes ? TensorType::int16 : TensorType::float32,
            .real_input = real_ends,
            .real_output = real_ends,
            .hybrid = options.format == TfliteFormat::dynamic_range};
  }

  const TfliteOptions& options_;
  FloatPlan plan_;
};

}  // namespace stet::tflite
