#pragma once
// FloatPlan: what is decided about a float model before it is written as .tflite: fused activations, 16-bit scales, and
// whether the format can express every node.

#include <stet/graph/activation_ranges.hpp>
#include <stet/graph/fold_batch_norm.hpp>
#include <stet/io/tflite/model_writer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

namespace stet {

/// Formats in which save_tflite writes a float model.
enum class TfliteFormat {
  float32,        ///< everything as it is
  float16,        ///< parameters in half precision, arithmetic in float32
  dynamic_range,  ///< weights int8 or int4, activations float32, quantized by the runtime while it multiplies
  int16x8         ///< activations int16 with zero point 0, weights int8, bias int64
};

/// How save_tflite writes a float model.
struct TfliteOptions {
  TfliteFormat format = TfliteFormat::float32;
  int weight_bits = 8;              ///< 8 or 4; 4 is for dynamic_range, where depthwise weights keep 8
  bool per_channel_linear = false;  ///< one weight scale per output of linear layers, which older runtimes misread
  ActivationRanges ranges{};        ///< of the model's nodes; int16x8 needs them
  bool integer_ends = false;        ///< int16x8: int16 goes in and comes out; else QUANTIZE and DEQUANTIZE do that
  std::int64_t batch = 1;           ///< first dimension of all shapes; runtimes can resize it
  std::string description = "stet";
};

}  // namespace stet

namespace stet::tflite::detail {

class FloatPlan {
 public:
  FloatPlan(const Model& model, const TfliteOptions& options)
      : options_(options), folded_(fold_batch_norm_with_map(model)), count_(folded_.model.graph().nodes().size()) {
    require(options.weight_bits == 8 || (options.weight_bits == 4 && options.format == TfliteFormat::dynamic_range),
            Errc::unsupported, "save_tflite: weight_bits {}: dynamic_range takes 8 or 4, the other formats 8",
            options.weight_bits);
    require(!options.integer_ends || int16(), Errc::unsupported, "save_tflite: integer_ends is for int16x8");
    fuse();
    if (int16()) scale(model);
    check();
  }

  [[nodiscard]] const Model& model() const { return folded_.model; }
  [[nodiscard]] const Graph& graph() const { return folded_.model.graph(); }
  [[nodiscard]] bool int16() const { return options_.format == TfliteFormat::int16x8; }
  /// The node whose value a node makes: its own, or that of the activation which it takes along.
  [[nodiscard]] int value_of(int id) const { return fused_[index(id)] >= 0 ? fused_[index(id)] : id; }
  /// Whether another node writes this activation.
  [[nodiscard]] bool skipped(int id) const { return skipped_[index(id)]; }
  [[nodiscard]] FusedActivation activation_of(int id) const {
    if (fused_[index(id)] < 0) return FusedActivation::none;
    return graph::is<graph::op::Relu6>(graph().node(fused_[index(id)]).op) ? FusedActivation::relu6
                                                                           : FusedActivation::relu;
  }
  /// Scale of a value of 16 bits.
  [[nodiscard]] float scale_of(int id) const { return scale_[index(id)]; }

  /// Window of a convolution or pool over the image of its input.
  [[nodiscard]] WindowPlan window(int id, Pair size, Pair stride, Pair dilation, const stet::Padding& p) const {
    return plan_window(resolved(id, size, stride, dilation, p), p);
  }
  [[nodiscard]] Window resolved(int id, Pair size, Pair stride, Pair dilation, const stet::Padding& p) const {
    const Shape& x = graph().node(graph().node(id).inputs[0]).shape;
    return make_window("save_tflite", x[0], x[1], size, stride, dilation, p);
  }

 private:
  static std::size_t index(int id) { return static_cast<std::size_t>(id); }
  const graph::Operator& op(int id) const { return graph().nodes()[index(id)].op; }

  void fuse() {
    namespace o = graph::op;
    fused_.assign(count_, -1);
    skipped_.assign(count_, false);
    for (int id = 0; id < graph().size(); ++id) {
      if (!graph::is<o::Relu>(op(id)) && !graph::is<o::Relu6>(op(id))) continue;
      const int from = graph().node(id).inputs[0];
      const graph::Operator& maker = op(from);
      const bool takes = graph::is<o::Conv2D>(maker) || graph::is<o::DepthwiseConv2D>(maker) ||
                         graph::is<o::Linear>(maker) || graph::is<o::Add>(maker) || graph::is<o::Sub>(maker) ||
                         graph::is<o::Mul>(maker);
      if (!takes || graph().is_output(from) || graph().consumers(from).size() != 1) continue;
      fused_[index(from)] = id;
      skipped_[index(id)] = true;
    }
  }

  // Operators whose input and output have one scale.
  bool keeps_scale(int id) const {
    namespace o = graph::op;
    const graph::Operator& n = op(id);
    return graph::is<o::MaxPool>(n) || graph::is<o::AveragePool>(n) || graph::is<o::Concat>(n) ||
           graph::is<o::Pad>(n) || graph::is<o::Reshape>(n) || graph::is<o::Flatten>(n) || graph::is<o::Transpose>(n) ||
           graph::is<o::Dropout>(n);
  }
  bool fixed_scale(int id) const {
    namespace o = graph::op;
    return graph::is<o::Softmax>(op(id)) || graph::is<o::Sigmoid>(op(id)) || graph::is<o::Tanh>(op(id));
  }

  void scale(const Model& model) {
    stet::check("save_tflite", options_.ranges, model.graph());
    std::vector<float> largest(count_, 0.0f);
    for (std::size_t old = 0; old < folded_.node_of.size(); ++old) {
      const int id = folded_.node_of[old];
      if (id >= 0) largest[index(id)] = options_.ranges.of_node[old].absmax();
    }
    std::vector<int> group(count_);
    std::iota(group.begin(), group.end(), 0);
    const auto root = [&](int i) {
      while (group[index(i)] != i) i = group[index(i)];
      return i;
    };
    for (int id = 0; id < graph().size(); ++id) {
      if (!keeps_scale(id)) continue;
      for (const int from : graph().node(id).inputs) group[index(root(from))] = root(id);
    }
    std::vector<float> joint(count_, 0.0f);
    std::vector<bool> fixed(count_, false);
    for (int id = 0; id < graph().size(); ++id) {
      const std::size_t r = index(root(id));
      joint[r] = std::max(joint[r], largest[index(id)]);
      fixed[r] = fixed[r] || fixed_scale(id);
    }
    for (int id = 0; id < graph().size(); ++id) {
      const std::size_t r = index(root(id));
      const float s = joint[r] / 32767.0f;
      scale_.push_back(fixed[r] ? 1.0f / 32768.0f : s > 0.0f && std::isfinite(1.0f / s) ? s : 1.0f / 32768.0f);
      if (fixed[r] && joint[r] > 1.0f) {
        problem(id, "shares the scale of a softmax, sigmoid or tanh, which ends at 1, but its values do not");
      }
    }
  }

  void problem(int id, const std::string& text) {
    problems_ += formatted("\n  {} ({}): {}", graph().node(id).name, kind(op(id)), text);
  }

  void check() {
    namespace o = graph::op;
    for (int id = 0; id < graph().size(); ++id) {
      const graph::Operator& n = op(id);
      if (graph::is<o::Custom>(n)) problem(id, "an operator of your own has no TFLite operator");
      if (!int16()) continue;
      if (graph::is<o::HardSwish>(n) || graph::is<o::LogSoftmax>(n)) problem(id, "LiteRT has no kernel for 16 bits");
      if (graph::is<o::Sum>(n)) problem(id, "LiteRT's reference kernel for 16 bits does not rescale; use a mean");
      if (graph::is<o::BatchNorm>(n)) problem(id, "stands behind no layer that could take it in");
      const auto* pool = graph::as<o::AveragePool>(n);
      if (pool != nullptr && !pool->count_padding &&
          window(id, pool->size, o::pool_stride(pool->size, pool->stride), 1, pool->padding).explicit_pad) {
        problem(id, "leaves out a padding that is neither SAME nor VALID");
      }
    }
    require(problems_.empty(), Errc::unsupported, "save_tflite: cannot be written as {}:{}", name(options_.format),
            problems_);
  }

  static const char* name(TfliteFormat f) {
    switch (f) {
      case TfliteFormat::float32:
        return "float32";
      case TfliteFormat::float16:
        return "float16";
      case TfliteFormat::dynamic_range:
        return "dynamic_range";
      case TfliteFormat::int16x8:
        return "int16x8";
    }
    return "unknown";
  }

  const TfliteOptions& options_;
  FoldedBatchNorm folded_;
  std::size_t count_;
  std::vector<int> fused_;
  std::vector<bool> skipped_;
  std::vector<float> scale_;
  std::string problems_;
};

}  // namespace stet::tflite::detail
