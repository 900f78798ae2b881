#pragma once
// FloatPlan: what is decided about a float model before it is written as .tflite: fused activations, 16-bit scales, and
// whether the format can express every node.

#include <stet/core/groups.hpp>
#include <stet/graph/fold_batch_norm.hpp>
#include <stet/io/tflite/save_options.hpp>
#include <stet/io/tflite/writer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stet::tflite {

/// What float files ask of an operator besides how it is written; each operator that differs from `traits_of` below has an
/// overload of its own.
struct FloatTraits {
  enum class Scale {
    own,   ///< of what it makes
    kept,  ///< that of its inputs
    fixed  ///< 1/32768, by the runtime
  };
  bool fuses = false;  ///< whether it applies a ReLU or ReLU6 behind it itself
  Scale scale = Scale::own;
  std::string_view fault{};           ///< why no file holds it
  std::string_view fault_at_16_bits{};  ///< why int16x8 does not
};

/// The traits that follow from what an operator is among integers; x is the shape of its first input.
template <class Op>
FloatTraits traits_of(const Op&, const Shape&) {
  return {.fuses = Op::form == graph::IntegerForm::layer,
          .scale = Op::form == graph::IntegerForm::moves ? FloatTraits::Scale::kept : FloatTraits::Scale::own};
}

class FloatPlan {
 public:
  using TraitsOf = FloatTraits (*)(const graph::Operator&, const Shape&);

  FloatPlan(const Model& model, const TfliteOptions& options, TraitsOf traits_of)
      : options_(options), folded_(fold_batch_norm_with_map(model)), count_(folded_.model.graph().nodes().size()) {
    require(options.weight_bits == 8 || (options.weight_bits == 4 && options.format == TfliteFormat::dynamic_range),
            Errc::unsupported, "save_tflite: weight_bits {}: dynamic_range takes 8 or 4, the other formats 8",
            options.weight_bits);
    require(!options.integer_ends || int16(), Errc::unsupported, "save_tflite: integer_ends is for int16x8");
    for (const graph::Node& node : graph().nodes()) {
      traits_.push_back(traits_of(node.op, node.inputs.empty() ? node.shape : graph().node(node.inputs[0]).shape));
    }
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
    return fused_[index(id)] < 0 ? FusedActivation::none : fused(clamp_of(op(fused_[index(id)])));
  }
  /// Scale of a value of 16 bits.
  [[nodiscard]] float scale_of(int id) const { return scale_[index(id)]; }

 private:
  static std::size_t index(int id) { return static_cast<std::size_t>(id); }
  const graph::Operator& op(int id) const { return graph().nodes()[index(id)].op; }

  void fuse() {
    fused_.assign(count_, -1);
    skipped_.assign(count_, false);
    for (int id = 0; id < graph().size(); ++id) {
      if (fused(clamp_of(op(id))) == FusedActivation::none) continue;
      const int from = graph().node(id).inputs[0];
      if (!traits_[index(from)].fuses || graph().is_output(from) || graph().consumers(from).size() != 1) continue;
      fused_[index(from)] = id;
      skipped_[index(id)] = true;
    }
  }

  void scale(const Model& model) {
    stet::check("save_tflite", options_.ranges, model.graph());
    std::vector<float> largest(count_, 0.0f);
    for (std::size_t old = 0; old < folded_.node_of.size(); ++old) {
      const int id = folded_.node_of[old];
      if (id >= 0) largest[index(id)] = options_.ranges.of_node[old].absmax();
    }
    Groups groups(count_);
    for (int id = 0; id < graph().size(); ++id) {
      if (traits_[index(id)].scale != FloatTraits::Scale::kept) continue;
      for (const int from : graph().node(id).inputs) groups.join(index(from), index(id));
    }
    std::vector<float> joint(count_, 0.0f);
    std::vector<bool> fixed(count_, false);
    for (int id = 0; id < graph().size(); ++id) {
      const std::size_t r = groups.of(index(id));
      joint[r] = std::max(joint[r], largest[index(id)]);
      fixed[r] = fixed[r] || traits_[index(id)].scale == FloatTraits::Scale::fixed;
    }
    for (int id = 0; id < graph().size(); ++id) {
      const std::size_t r = groups.of(index(id));
      const float s = joint[r] / 32767.0f;
      scale_.push_back(fixed[r] ? 1.0f / 32768.0f : s > 0.0f && std::isfinite(1.0f / s) ? s : 1.0f / 32768.0f);
      if (fixed[r] && joint[r] > 1.0f) {
        problem(id, "shares the scale of a softmax, sigmoid or tanh, which ends at 1, but its values do not");
      }
    }
  }

  void problem(int id, std::string_view text) {
    problems_ += formatted("\n  {} ({}): {}", graph().node(id).name, kind(op(id)), text);
  }

  void check() {
    for (int id = 0; id < graph().size(); ++id) {
      const FloatTraits& t = traits_[index(id)];
      if (!t.fault.empty()) problem(id, t.fault);
      if (int16() && !t.fault_at_16_bits.empty()) problem(id, t.fault_at_16_bits);
    }
    require(problems_.empty(), Errc::unsupported, "save_tflite: cannot be written as {}:{}", name(options_.format),
            problems_);
  }

  static const char* name(TfliteFormat f) {
    switch (f) {
      case TfliteFormat::float32: return "float32";
      case TfliteFormat::float16: return "float16";
      case TfliteFormat::dynamic_range: return "dynamic_range";
      case TfliteFormat::int16x8: return "int16x8";
    }
    return "unknown";
  }

  const TfliteOptions& options_;
  FoldedBatchNorm folded_;
  std::size_t count_;
  std::vector<FloatTraits> traits_;
  std::vector<int> fused_;
  std::vector<bool> skipped_;
  std::vector<float> scale_;
  std::string problems_;
};

}  // namespace stet::tflite
