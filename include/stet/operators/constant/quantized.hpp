#pragma once
// Constant codes stand in networks of integers alone.

#include <stet/model/unit_site.hpp>

namespace stet::detail {

inline Var<QTensor> run(const graph::op::Constant&, const UnitSite& s) {
  fail(Errc::unsupported, "forward: {} is a constant, which no network of floats has", s.unit().deployed.name);
}

}  // namespace stet::detail
