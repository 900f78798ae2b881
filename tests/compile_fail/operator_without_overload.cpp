// A behaviour that dispatches over the operators must handle each of them; the message says so and names the operator.
// at most 3 errors
// expect: a behaviour has no overload for the operator
// expect: op::Custom
#include <stet/graph/match.hpp>

struct Behaviour {
#ifdef STET_CONTROL
  void operator()(const auto&) const {}
#else
  template <class Op>
    requires(!std::is_same_v<Op, stet::graph::op::Custom>)
  void operator()(const Op&) const {}
#endif
};

void use(const stet::graph::Operator& op) { stet::graph::match(op, Behaviour{}); }

int main() {}
