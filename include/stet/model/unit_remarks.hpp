#pragma once
// UnitRemarks: what check says of one unit: how the target runs it, and what a user should know beyond that.

#include <stet/graph/graph.hpp>
#include <stet/graph/resolve.hpp>
#include <stet/model/check_report.hpp>
#include <stet/model/unit.hpp>

#include <string>
#include <utility>
#include <vector>

namespace stet::detail {

class UnitRemarks {
 public:
  UnitRemarks(const Graph& graph, const Target& target, const Unit& unit, std::vector<CheckEntry>& entries)
      : unit_(unit), node_(graph.node(unit.node)), target_(target), entries_(entries) {}

  [[nodiscard]] const Unit& unit() const { return unit_; }
  [[nodiscard]] const Target& target() const { return target_; }
  [[nodiscard]] bool target_is(const Target& target) const { return target_.name == target.name; }
  [[nodiscard]] bool writes_tflite() const { return !runs_onnx(target_); }

  void add(Severity severity, std::string what, std::string remedy = "") {
    entries_.push_back({node_.name, std::string(graph::kind(node_.op)), severity, std::move(what), std::move(remedy)});
  }
  /// Says how the unit runs, in place of the usual sentence.
  void runs(Severity severity, std::string what) {
    said_how_ = true;
    add(severity, std::move(what));
  }
  [[nodiscard]] bool said_how() const { return said_how_; }
  /// What XNNPACK does not take; LiteRT's builtin kernel computes the same codes, at its own speed.
  void builtin(const std::string& why) {
    if (target_is(targets::litert_default)) add(Severity::note, why + ": LiteRT's builtin kernel runs it");
  }

 private:
  const Unit& unit_;
  const graph::Node& node_;
  const Target& target_;
  std::vector<CheckEntry>& entries_;
  bool said_how_ = false;
};

// Most operators have nothing to add: before scales are known, and with the parameters that the scales give.
template <class Op>
void remark(const Op& o, UnitRemarks& r) {
  if constexpr (requires { o.clamps; }) r.builtin("XNNPACK has no int8 activation of its own");
}
template <class Op, class Parameters>
void remark_scales(const Op&, const Parameters&, UnitRemarks&) {}

}  // namespace stet::detail
