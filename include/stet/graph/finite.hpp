#pragma once
// check_finite: NaN and infinities in a model's tensors, which are written to no file and deployed nowhere.

#include <stet/core/entry.hpp>
#include <stet/graph/model.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace stet {

/// A tensor with an element that is NaN or infinite, and the first such element.
struct NonFinite {
  int node = -1;
  std::string what{};  ///< "TENSOR: element I is V"
};

/// All parameters and buffers that are not finite.
STET_ENTRY std::vector<NonFinite> non_finite(const Model& model);

/// Refuses a model with such tensors: every writer of files and convert ask this first.
/// Errors:    Errc::range listing them
STET_ENTRY void check_finite(const char* op, const Model& model);

#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<NonFinite> non_finite(const Model& model) {
  std::vector<NonFinite> found;
  const auto look = [&](const auto& named, const Tensor<float>& value) {
    for (std::int64_t i = 0; i < value.size(); ++i) {
      if (std::isfinite(value[i])) continue;
      found.push_back({named.node, formatted("{}: element {} is {}", named.name, i, value[i])});
      return;
    }
  };
  for (const NamedParameter& p : model.parameters()) look(p, p.parameter.value);
  for (const NamedBuffer& b : model.buffers()) look(b, b.value);
  return found;
}

STET_ENTRY void check_finite(const char* op, const Model& model) {
  std::string problems;
  for (const NonFinite& n : non_finite(model)) problems += "\n  " + n.what;
  require(problems.empty(), Errc::range, "{}: tensors of the model are not finite, training has diverged:{}", op, problems);
}
#endif

}  // namespace stet
