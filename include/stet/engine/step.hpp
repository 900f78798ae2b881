#pragma once
// Steps: the operators of an IntegerModel, checked, packed and resolved once.

#include <stet/core/entry.hpp>
#include <stet/engine/values.hpp>
#include <stet/graph/integer_model.hpp>

#include <string>

#if STET_DEFINE_ENTRIES
#include <stet/operators/engine.hpp>
#endif

namespace stet {

/// One operator, ready to run.
struct EngineStep {
  int output = -1;
  detail::EngineRun run;
};

/// Resolves one node of a model in whose structure check_structure finds no fault.
/// Errors:    Errc::shape or Errc::range naming the node
STET_ENTRY EngineStep make_step(const IntegerModel& model, const IntegerNode& node);

#if STET_DEFINE_ENTRIES

STET_ENTRY EngineStep make_step(const IntegerModel& model, const IntegerNode& node) {
  try {
    const detail::StepSite site(model, node);
    return {node.output,
            graph::match_integer(node.op, [&](const auto& o) -> detail::EngineRun { return step(o, site); })};
  } catch (const Error& e) {
    const std::string text = e.what();
    if (text.find(node.name) != std::string::npos) throw;
    throw Error(e.code(), "engine: " + node.name + ": " + text);
  }
}

#endif

}  // namespace stet
