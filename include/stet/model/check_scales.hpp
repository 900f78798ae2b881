#pragma once
// The part of check() that needs calibrated scales: limits of the target, and values that quantize badly.

#include <stet/graph/resolve.hpp>
#include <stet/model/check_report.hpp>
#include <stet/model/lower.hpp>
#include <stet/operators/check.hpp>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace stet::detail {

/// Adds findings about the scales of a model to those of its nodes.
class ScaleCheck {
 public:
  ScaleCheck(const QatModel& qat, std::vector<std::vector<CheckEntry>>& of_node) : qat_(qat), of_node_(of_node) {}

  void run() {
    for (const Unit& unit : qat_.units()) {
      if (!calibrated(unit) || unit.training_only()) continue;
      dead(unit);
      bool ready = true;
      for (const int in : unit.deployed.inputs) ready = ready && quantizer_of(in).calibrated();
      if (!ready) continue;
      try {
        unit_scales(unit);
      } catch (const Error& e) {
        add(unit, Severity::error, e.what(), refusal_remedy(unit));
      }
      tie(unit);
    }
  }

 private:
  const Target& target() const { return qat_.recipe().target; }
  const graph::Node& node(int id) const { return qat_.graph().nodes()[static_cast<std::size_t>(id)]; }
  const Quantizer& quantizer_of(int unit) const {
    return qat_.quantizer(qat_.units()[static_cast<std::size_t>(unit)].quantizer);
  }
  void add(const Unit& unit, Severity severity, std::string what, std::string remedy = "", FindingGroup group = {}) {
    std::vector<CheckEntry>& entries = of_node_[static_cast<std::size_t>(unit.node)];
    entries.push_back({node(unit.node).name, std::string(graph::kind(node(unit.node).op)), severity, std::move(what), std::move(remedy)});
    entries.back().group = group;
  }

  bool calibrated(const Unit& unit) {
    if (qat_.quantizer(unit.quantizer).calibrated()) return true;
    add(unit, Severity::error, "its value has no range yet", "calibrate(model, data)");
    return false;
  }

  // Values of which there were none, or too small for the smallest scale or for a step of what they are made from.
  void dead(const Unit& unit) {
    const Quantizer& q = qat_.quantizer(unit.quantizer);
    if (unit.shares_scale() || unit.real_output) return;
    const std::string& value = node(unit.output).name;
    if (q.source() == RangeSource::stand_in || q.params().scale[0] <= FLT_EPSILON) {
      add(unit, Severity::warning, formatted("{} was zero, or nearly, for all calibration data", value),
          formatted("calibrate on data that reach it, scale the inputs to about 1, or quantizer(\"{}\").fix(range), or "
                      "remove the branch",
                      value),
          {"zero value", 1});
    } else if (q.widened()) {
      add(unit, Severity::note,
          formatted("{} moved by less than one step of what it is made from: its range was widened to what targets take",
                      value));
    }
  }

  std::string refusal_remedy(const Unit& unit) const {
    return formatted("widen the range: calibrate on more data, or quantizer(\"{}\").fix(range)",
                       node(unit.output).name);
  }

  void unit_scales(const Unit& unit);
  void layer(const Unit& unit) {
    const FrozenLayer layer = fold_unit(qat_, unit);
    const QParams x = qat_.input_params(unit);
    const QParams y = qat_.params(unit);
    const ScaleMap channel = channel_of(layer.folded.weights.shape(), unit.channel_axis());
    std::vector<int> before(static_cast<std::size_t>(channel.count), 0), after = before;
    for (std::int64_t i = 0; i < layer.folded.weights.size(); ++i) {
      const auto c = static_cast<std::size_t>(channel.index(i));
      before[c] = std::max(before[c], std::abs(static_cast<int>(layer.weights.codes[i])));
      after[c] = std::max(after[c], std::abs(static_cast<int>(layer.folded.weights[i])));
    }
    int coarse = 0, zero = 0, halved = 0, cut = 0;
    double largest = 0;
    for (std::size_t c = 0; c < after.size(); ++c) {
      const float s = layer.folded.scale(c);
      const double m = static_cast<double>(x.scale[0]) * static_cast<double>(s) / static_cast<double>(y.scale[0]);
      largest = std::max(largest, m);
      cut += std::fabs(m * static_cast<double>(layer.folded.bias[static_cast<std::int64_t>(c)])) > 16383.0 ? 1 : 0;
      if (after[c] == 0) {
        ++zero;
      } else {
        halved += after[c] < before[c] ? 1 : 0;
        coarse += m > 0.25 ? 1 : 0;
      }
    }
    const auto of = [&](int count) { return formatted("{} of {} channels", count, after.size()); };
    const std::string& value = node(unit.output).name;
    if (coarse > 0) {
      add(unit, Severity::warning,
          formatted("{} multiply the accumulator by up to {:.3g}: the bias is rounded to as many output steps",
                      of(coarse), largest),
          "more weight bits, more activation bits at its input, or a wider output range", {"coarse bias", largest});
    }
    if (cut > 0) {
      add(unit, Severity::warning, of(cut) + " have their bias cut to 2^14 output steps",
          formatted("a smaller bias or beta, or a wider range of {}", value), {"bias cut", static_cast<double>(cut)});
    }
    if (halved > 0) {
      add(unit, Severity::warning,
          of(halved) + " have weights halved, because accumulator and bias would not fit 32 bits",
          formatted("a smaller bias or beta, or a wider range of {}", value), {"weights halved", static_cast<double>(halved)});
    }
    if (zero == static_cast<int>(after.size())) {
      add(unit, Severity::warning, "all channels are zero: the output is the bias",
          "check the weights and batch norm's gamma", {"all channels zero", 1});
    } else if (zero > 0) {
      add(unit, Severity::note, of(zero) + " are zero: their product cannot move the output by an eighth of a step", "", {"zero channels", static_cast<double>(zero)});
    }
  }

  // ReLU6's upper bound where runtimes round it to different codes.
  void tie(const Unit& unit) {
    if (unit.activation() != Activation::relu6) return;
    const QParams p = qat_.params(unit);
    const auto bound = [&](integer::ClampRule rule) {
      return integer::clamp_bounds(rule, unit.activation(), p.scale[0], p.zero_point[0], p.grid).hi;
    };
    const bool alone = graph::clamp_of(unit.op()) != Activation::none;
    const int own = bound(alone ? target().activation_clamp : target().weighted_clamp);
    for (const Target& other : targets::all) {
      const int code = bound(alone ? other.activation_clamp : other.weighted_clamp);
      if (code == own) continue;
      add(unit, Severity::note,
          formatted("6 lies between two codes: {} here, {} on target {}", own, code, other.name),
          formatted("quantizer(\"{}\").fix({{0, 6}}) if it must be one code everywhere", node(unit.output).name));
      return;
    }
  }

  const QatModel& qat_;
  std::vector<std::vector<CheckEntry>>& of_node_;
};

// Behind the class: clang 16 loses member templates that a generic lambda instantiates before their bodies are parsed.
inline void ScaleCheck::unit_scales(const Unit& unit) {
  if (unit.has_weights()) return layer(unit);
  std::vector<Operand> in;
  for (std::size_t i = 0; i < unit.deployed.inputs.size(); ++i) {
    const Unit& from = qat_.units()[static_cast<std::size_t>(unit.deployed.inputs[i])];
    in.push_back({node(from.output).shape, affine(qat_.input_params(unit, i))});
  }
  const Operand out{node(unit.output).shape, affine(qat_.params(unit))};
  const Surroundings around{target(), in, out, unit.deployed.activation};
  graph::match_integer(unit.op(), [&](const auto& o) {
    if constexpr (std::remove_cvref_t<decltype(o)>::form != graph::IntegerForm::layer) {
      UnitRemarks remarks(qat_.graph(), target(), unit, of_node_[static_cast<std::size_t>(unit.node)]);
      remark_scales(o, resolve(o, around), remarks);
    }
  });
}

}  // namespace stet::detail
