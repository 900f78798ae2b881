#pragma once
// What fit needs of a QatModel: its trained tensors, and what to warn of at the end of a run.

#include <stet/core/entry.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/monitor.hpp>

#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/model/check.hpp>
#endif

namespace stet {

/// What check(qat) warns of, as sentences: fit reports it at the end of a run.
STET_ENTRY std::vector<std::string> training_warnings(const QatModel& qat);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<std::string> training_warnings(const QatModel& qat) { return check(qat).warnings(); }
#endif

/// What watches its training: fit asks for it.
inline Monitor monitor_of(const QatModel& qat, const MonitorOptions& options) { return Monitor(qat, options); }

/// Trained tensors of a quantized model, learned ranges included; weight decay applies to weights, and to the parameters of ranges that ask for it.
inline std::vector<ParameterRef> parameter_refs(QatModel& qat) {
  std::vector<ParameterRef> refs = parameter_refs(qat.model());
  const double factor = qat.recipe().scale_lr_factor;
  const auto add = [&](AnyLearnedRange& range, const std::string& name) {
    const std::vector<Parameter*> parameters = range.parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      refs.push_back({parameters[i], i == 0 ? name : formatted("{}.{}", name, i), range.decays(), factor});
    }
  };
  for (const Unit& unit : qat.units()) {
    if (unit.learns_weight_scale) add(qat.weight_range(unit), qat.node_name(unit.node) + ".weight_range");
  }
  for (Quantizer& q : qat.quantizers()) {
    if (q.learned()) add(q.learned_range(), q.name() + ".range");
  }
  return refs;
}

}  // namespace stet
