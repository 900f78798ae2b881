// The promise of every operator: the engine makes the codes of the quantized model's own forward pass.
#pragma once

#include <stet/engine/engine.hpp>
#include <stet/model/qat_forward.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace stet_test {

/// Checks that they are the same of every value.
inline void check_deployed_codes(const stet::QatModel& qat, const stet::IntegerModel& model, const stet::Tensor<float>& x) {
  std::map<std::string, std::vector<std::int8_t>> wanted;
  (void)infer_codes(qat, x, [&](int node, const stet::QTensor& codes) {
    wanted[qat.node_name(node)] = {codes.codes.span().begin(), codes.codes.span().end()};
  });
  int compared = 0;
  (void)stet::Engine(model).run(x, [&](int v, std::span<const std::int8_t> codes) {
    const std::string& name = model.values[static_cast<std::size_t>(v)].name;
    INFO(name);
    CHECK(std::ranges::equal(codes, wanted.at(name)));
    ++compared;
  });
  CHECK(compared == static_cast<int>(model.values.size()));
}

/// Largest difference of two values, element by element.
inline double distance(const stet::Tensor<float>& a, const stet::Tensor<float>& b) {
  REQUIRE(a.shape() == b.shape());
  double most = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

}  // namespace stet_test
