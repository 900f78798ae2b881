#pragma once
// check: before training, what of a network runs as integers on the target, what does not, and what mends it.

#include <stet/data/dataset.hpp>
#include <stet/graph/model.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/check_report.hpp>
#include <stet/model/qat_model.hpp>

#include <string>
#include <utility>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/graph/finite.hpp>
#include <stet/model/check_calibration.hpp>
#include <stet/model/check_data.hpp>
#include <stet/model/check_formats.hpp>
#include <stet/model/check_scales.hpp>
#include <stet/model/check_stages.hpp>
#include <stet/model/float_share.hpp>
#include <stet/model/plan_units.hpp>
#include <stet/model/state_fields.hpp>
#include <stet/operators/check.hpp>
#endif

namespace stet {

#if STET_DEFINE_ENTRIES
namespace detail {

// Findings that need the graph and the recipe only.
class StructureCheck {
 public:
  StructureCheck(const Graph& graph, const Recipe& recipe)
      : graph_(graph), recipe_(recipe), planning_(find_units(graph, recipe)), of_node_(graph.nodes().size()) {}

  // Findings per node; those about the whole graph come last.
  std::vector<std::vector<CheckEntry>> run() {
    std::vector<CheckEntry> whole;
    for (const UnitProblem& p : planning_.problems) {
      CheckEntry entry{p.name, p.kind, Severity::error, p.what, p.remedy};
      if (p.node < 0) {
        whole.push_back(std::move(entry));
      } else {
        of_node_[static_cast<std::size_t>(p.node)].push_back(std::move(entry));
      }
    }
    for (const Unit& unit : planning_.plan.units) {
      if (of_node_[static_cast<std::size_t>(unit.node)].empty()) describe(unit);
      for (const int id : {unit.batch_norm, unit.output}) {
        if (id < 0 || id == unit.node || !of_node_[static_cast<std::size_t>(id)].empty()) continue;
        add(id, Severity::integer, "part of " + node(unit.node).name);
      }
    }
    if (narrow_ > 0) {
      whole.push_back({.severity = Severity::note,
                       .what = formatted("codes of fewer than 8 bits in {} of {} operators: a file cuts them by {} behind each",
                                           narrow_, planning_.plan.units.size(), writes_tflite() ? "a MINIMUM" : "a Clip")});
    }
    if (const FloatShare share = float_share(graph_, planning_.plan.units); planning_.problems.empty() && !share.names.empty()) {
      whole.push_back({.severity = share.unasked ? Severity::warning : Severity::note,
                       .what = share.str(),
                       .remedy = share.unasked ? formatted("target {} has no integer form of some: replace them, or leave it so", recipe_.target.name) : std::string(),
                       .prepare_warns = share.unasked});
    }
    of_node_.push_back(std::move(whole));
    return std::move(of_node_);
  }
  /// Whether there are integers at all, and how they are planned.
  [[nodiscard]] bool deploys() const { return planning_.problems.empty() && !recipe_.simulated(); }
  [[nodiscard]] const UnitPlan& plan() const { return planning_.plan; }

 private:
  const graph::Node& node(int id) const { return graph_.nodes()[static_cast<std::size_t>(id)]; }
  void add(int id, Severity severity, std::string what, std::string remedy = "", FindingGroup group = {}) {
    std::vector<CheckEntry>& entries = of_node_[static_cast<std::size_t>(id)];
    entries.push_back({node(id).name, std::string(graph::kind(node(id).op)), severity, std::move(what), std::move(remedy)});
    entries.back().group = group;
  }
  bool target_is(const Target& target) const { return recipe_.target.name == target.name; }
  bool writes_tflite() const { return !runs_onnx(recipe_.target); }

  void describe(const Unit& unit) {
    if (recipe_.simulated() && unit.kept_float()) return add(unit.node, Severity::note, "kept in float");
    if (recipe_.simulated()) {
      return add(unit.node, Severity::warning,
                 formatted("simulated in float, as the recipe has {}: convert refuses the model", recipe_.simulation()),
                 "integer weights and activations, to deploy it", {"simulated"});
    }
    const int bits = planning_.plan.quantizer_schemes[static_cast<std::size_t>(unit.quantizer)].bits();
    if (unit.training_only()) return add(unit.node, Severity::integer, "in training only, nothing is deployed");
    UnitRemarks remarks(graph_, recipe_.target, unit, of_node_[static_cast<std::size_t>(unit.node)]);
    graph::match(unit.op(), [&](const auto& o) { remark(o, remarks); });
    const auto table = table_of(unit.op());
    if (table) {
      function(unit, *table);
    } else if (unit.has_weights()) {
      add(unit.node, Severity::integer,
          formatted("{}-bit weights per {}, {}-bit output", unit.weights.bits(),
                    unit.weights.per_channel() ? "channel" : "tensor", bits));
      weights(unit);
    } else if (!remarks.said_how()) {
      add(unit.node, Severity::integer, formatted("{}-bit output{}", bits, unit.shares_scale() ? ", scale of its input" : ""));
    }
    if (bits < 8) ++narrow_;
    const integer::FixedOutput* fixed = planning_.plan.fixed_output[static_cast<std::size_t>(unit.quantizer)];
    const bool own = table && integer::fixed_output(table->function) != nullptr;
    if (fixed != nullptr && !unit.shares_scale() && !own) {
      const float low = fixed->scale * static_cast<float>(-128 - fixed->zero_point);
      add(unit.node, Severity::warning,
          formatted("shares the scale that the runtime fixes for a sigmoid or tanh: it is cut to [{}, 1)", low),
          "do not concatenate it with one; put the function behind the concat", {"scale of the runtime"});
      of_node_[static_cast<std::size_t>(unit.node)].back().prepare_warns = true;
    }
  }

  void function(const Unit& unit, const TableFunction& table) {
    using integer::Function;
    const Function f = table.function;
    const integer::RuntimeFunction* known = integer::of_runtimes(table.scalar.get());
    const bool of_runtimes = known != nullptr && known->has_operator(recipe_.target);
    if (f == Function::scalar && !of_runtimes) {
      return add(unit.node, Severity::integer,
                 runs_onnx(recipe_.target) ? "a table of 256 codes: Cast and Gather in the file"
                                           : "a table of 256 codes: CAST, ADD and GATHER in the file");
    }
    if (runs_onnx(recipe_.target) && (f == Function::tanh || f == Function::hard_swish || of_runtimes)) {
      add(unit.node, Severity::note,
          "the runtime has no integer form: it dequantizes, computes in float and quantizes; stet's table has the codes "
          "that it gives");
    } else if (target_is(targets::litert_default) && (f == Function::hard_swish || of_runtimes)) {
      add(unit.node, Severity::note, formatted("XNNPACK has no int8 {}: LiteRT's builtin kernel runs it", kind(unit.op())));
    } else {
      add(unit.node, Severity::integer, "a table of 256 codes");
    }
  }

  void weights(const Unit& unit) {
    std::int64_t taps = 1;
    const Shape weight = graph_.parameter_specs(unit.node)[0].shape;
    for (int d = 0; d < weight.rank(); ++d) {
      if (d != unit.channel_axis()) taps *= weight[d];
    }
    if (taps > 66311) {
      add(unit.node, Severity::warning,
          formatted("{} products per output can overflow 32 bits; weights are halved where they do", taps),
          "fewer inputs, or weights of fewer bits", {"many products", static_cast<double>(taps)});
    }
  }

  const Graph& graph_;
  const Recipe& recipe_;
  UnitPlanning planning_;
  int narrow_ = 0;  // values
  std::vector<std::vector<CheckEntry>> of_node_;
};

inline CheckReport make_report(const Target& target, std::vector<std::vector<CheckEntry>> of_node) {
  CheckReport report{std::string(target.name), {}};
  for (std::vector<CheckEntry>& entries : of_node) {
    for (const Severity severity : {Severity::error, Severity::warning, Severity::note, Severity::integer}) {
      for (CheckEntry& e : entries) {
        if (e.severity == severity) report.entries.push_back(std::move(e));
      }
    }
  }
  return report;
}

}  // namespace detail
#endif

/// Says for every node of a network how the recipe's target runs it, or why not and what mends it, and which files cannot
/// hold it. Changes nothing and needs no data; what depends on scales is found by check(QatModel) after calibration.
/// prepare throws exactly if this finds an error: both ask find_units. save_tflite, save_onnx and save_c_weights refuse
/// exactly what is found here, or later depends on scales: all ask format_faults.
STET_ENTRY CheckReport check(const Graph& graph, const Recipe& recipe);
#if STET_DEFINE_ENTRIES
STET_ENTRY CheckReport check(const Graph& graph, const Recipe& recipe) {
  detail::StructureCheck structure(graph, recipe);
  auto of_node = structure.run();
  if (structure.deploys()) {
    const IntegerModel shapes = detail::shapes_of(graph, structure.plan(), recipe.target);
    detail::add_format_findings(graph, shapes, FormatQuestion::shapes, of_node);
  }
  return detail::make_report(recipe.target, std::move(of_node));
}
#endif
inline CheckReport check(const Model& model, const Recipe& recipe) { return check(model.graph(), recipe); }

/// The same with what the calibrated scales and folded parameters add: multipliers and ratios of scales out of the limits
/// of the target or of a file's runtimes, dead activations and channels, biases that are too coarse or cut, bounds on a
/// tie; tensors that are not finite; phases that training missed; what is wrong with the calibration data: few images, one
/// class, batches that disagree; and ranges and scales that do not suit their values: fixed ones, those of neighbours in a
/// concat, those that training could not bring to where the values are, learned or not.
STET_ENTRY CheckReport check(const QatModel& qat);

/// The same with what a sample of data shows, each beside its healthy range (HealthyRanges): ranges against 99.9 % of their
/// values, values that are cut, disparity of channels, running statistics of batch norm against those of the quantized
/// network, dead and saturated channels, an image that reaches far beyond the others. A note says how far a healthy model is
/// from each. Nothing of the model moves.
/// Errors:    Errc::state if a range is missing or the data are empty; Errc::range if an option is impossible
STET_ENTRY CheckReport check(const QatModel& qat, const Dataset& data, const CalibrateOptions& sample = {});
#if STET_DEFINE_ENTRIES
namespace detail {

// What check says of a model; `data` adds what was found besides.
inline CheckReport check_model(const QatModel& qat, DataCheck* data) {
  StructureCheck structure(qat.graph(), qat.recipe());
  auto of_node = structure.run();
  ScaleCheck(qat, of_node).run();
  for (NonFinite& n : non_finite(qat.model())) {
    const graph::Node& node = qat.graph().nodes()[static_cast<std::size_t>(n.node)];
    of_node[static_cast<std::size_t>(n.node)].push_back({node.name, std::string(graph::kind(node.op)), Severity::error,
                                                         std::move(n.what), "training has diverged: a lower learning rate"});
  }
  const std::string fault = find_fault(qat);
  if (!fault.empty() && non_finite(qat.model()).empty()) {
    of_node.back().push_back({"", "", Severity::error, fault,
                              "go back to a checkpoint from before training diverged, with a lower learning rate"});
  }
  for (StageFinding& f : stage_findings(qat)) {
    of_node.back().push_back({"", "", Severity::warning, std::move(f.what), std::move(f.remedy)});
  }
  using Findings = std::vector<CheckEntry>(const QatModel&);
  const auto add = [&](Findings* find) {
    const std::vector<CheckEntry> found = find(qat);
    of_node.back().insert(of_node.back().end(), found.begin(), found.end());
  };
  add(few_calibration_data);
  add(calibration_findings);
  if (fault.empty()) {  // else there are scales that are no numbers
    for (Findings* find : {range_use_findings, training_range_findings, weight_scale_findings}) add(find);
  }
  if (data != nullptr) data->add_to(of_node);
  CheckReport report = make_report(qat.recipe().target, of_node);
  if (!structure.deploys()) return report;
  if (report.ok()) {
    add_format_findings(qat.graph(), lower(qat), FormatQuestion::all, of_node);
  } else {  // no scales, or some that no target takes
    const IntegerModel shapes = shapes_of(qat.graph(), structure.plan(), qat.recipe().target);
    add_format_findings(qat.graph(), shapes, FormatQuestion::shapes, of_node);
  }
  return make_report(qat.recipe().target, std::move(of_node));
}

}  // namespace detail

STET_ENTRY CheckReport check(const QatModel& qat) { return detail::check_model(qat, nullptr); }
STET_ENTRY CheckReport check(const QatModel& qat, const Dataset& data, const CalibrateOptions& sample) {
  detail::DataCheck of_data(qat, data, sample);
  return detail::check_model(qat, &of_data);
}
#endif

}  // namespace stet
