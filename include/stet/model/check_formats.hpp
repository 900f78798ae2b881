#pragma once
// The part of check() that asks the writers of files: what a format cannot hold is known before training.

#include <stet/io/integer_formats.hpp>
#include <stet/model/check_report.hpp>
#include <stet/model/lower.hpp>

#include <string>
#include <utility>
#include <vector>

namespace stet::detail {

/// A plan's integers as far as they are known before training: operators, attributes and shapes. Scales and codes mean
/// nothing, and weights are not even set.
inline IntegerModel shapes_of(const Graph& graph, const UnitPlan& plan, const Target& target) {
  const auto constants = [&](const Unit& unit) {
    const Shape weights = graph.parameter_specs(unit.node)[0].shape;
    return LayerConstants{Tensor<std::int8_t>(weights), {1.0f}, Tensor<std::int32_t>::zeros({weights[unit.channel_axis()]})};
  };
  const auto codes = [&](const Unit& unit) {
    const Grid grid = plan.quantizer_schemes[static_cast<std::size_t>(unit.quantizer)].traits().grid.value_or(Grid{});
    return Affine{1.0f, grid.lo, grid};
  };
  return assemble(graph, plan.units, target, constants, codes, nullptr);
}

/// The files that a target's runtime reads.
inline bool is_format_of(IntegerFormat format, const Target& target) {
  return format == (runs_onnx(target) ? IntegerFormat::onnx : IntegerFormat::tflite);
}

/// Adds to the findings per node (those about the whole model come last) which files cannot hold it, in the writers' words.
/// A file that the target's runtime does not read is a note: it may be of no interest.
inline void add_format_findings(const Graph& graph, const IntegerModel& model, FormatQuestion question,
                                std::vector<std::vector<CheckEntry>>& of_node) {
  const auto place = [&](const IntegerFault& fault) {
    return fault.node < 0 ? graph.size() : graph.find(model.nodes[static_cast<std::size_t>(fault.node)].name);
  };
  std::vector<std::vector<IntegerFault>> faults;
  for (const IntegerFormat format : integer_formats) faults.push_back(format_faults(format, model, question));
  for (std::size_t f = 0; f < faults.size(); ++f) {
    for (const IntegerFault& fault : faults[f]) {
      const int id = place(fault);
      std::vector<std::string> holding;
      for (std::size_t other = 0; other < faults.size(); ++other) {
        bool holds = other != f;
        for (const IntegerFault& its : faults[other]) holds = holds && place(its) != id;
        if (holds) holding.emplace_back(name(integer_formats[other]));
      }
      std::string others;
      for (std::size_t i = 0; i < holding.size(); ++i) others += (i == 0 ? "" : i + 1 == holding.size() ? " and " : ", ") + holding[i];
      CheckEntry entry{.what = formatted("cannot be written as {}: {}{}", name(integer_formats[f]), fault.what,
                                           others.empty() ? "" : "; " + others + " can"),
                       .refused = integer_formats[f]};
      if (id < graph.size()) {
        entry.node = graph.node(id).name;
        entry.kind = graph::kind(graph.node(id).op);
      }
      entry.severity = is_format_of(integer_formats[f], model.target) ? Severity::warning : Severity::note;
      if (entry.severity == Severity::warning) entry.remedy = "change the node, or the target to one whose file can hold it";
      of_node[static_cast<std::size_t>(id)].push_back(std::move(entry));
    }
  }
}

}  // namespace stet::detail
