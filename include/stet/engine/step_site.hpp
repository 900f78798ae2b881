#pragma once
// StepSite: a node of an IntegerModel while its step is made, and the forms that steps have in common.

#include <stet/engine/values.hpp>
#include <stet/graph/resolve.hpp>
#include <stet/integer/lookup.hpp>
#include <stet/integer/requantizer.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace stet::detail {

// The shapes of a node are those that its operator infers: check_structure has seen to that.
class StepSite : public NodeSite {
 public:
  StepSite(const IntegerModel& model, const IntegerNode& node) : NodeSite(model, node), model_(model), node_(node) {}

  [[nodiscard]] const IntegerNode& node() const { return node_; }
  [[nodiscard]] const IntegerValue& value(int i) const { return model_.values[static_cast<std::size_t>(i)]; }
  [[nodiscard]] const Target& target() const { return model_.target; }

  [[nodiscard]] const Shape& image() const { return in().shape; }
  [[nodiscard]] const Tensor<std::int8_t>& weights() const { return node_.constants.weights; }

  // A layer: packed weights, and multiply(input, its zero point, weights, requantizer, memory for the codes).
  template <class Op, class Weights, class Multiply>
  EngineRun layer(const Op& o, std::shared_ptr<const Weights> weights, Multiply multiply) const {
    auto r = std::make_shared<const integer::Requantizer>(resolve(o));
    const Affine& x = in().codes;
    integer::check_accumulators(node_.name.c_str(), weights->magnitudes(), x.zero_point, {x.grid.lo, x.grid.hi}, *r);
    return [weights, r, multiply, z = x.zero_point, from = node_.inputs[0], to = node_.output](auto& v) {
      multiply(at(v, from), z, *weights, *r, at(v, to).edit().data());
    };
  }

  // An operator of one input whose function takes codes, parameters and memory for the result.
  template <class Parameters, class F>
  EngineRun unary(Parameters p, F f) const {
    return [p = std::move(p), f, x = node_.inputs[0], y = node_.output](auto& v) { f(at(v, x), p, at(v, y).edit()); };
  }
  template <class Parameters, class F>
  EngineRun binary(Parameters p, F f) const {
    return [p, f, a = node_.inputs[0], b = node_.inputs[1], y = node_.output](auto& v) {
      f(at(v, a), at(v, b), p, at(v, y).edit());
    };
  }
  // One of any number of inputs.
  template <class F>
  EngineRun all(F f) const {
    return [f, inputs = node_.inputs, y = node_.output](auto& v) {
      std::vector<integer::Codes> parts;
      for (const int i : inputs) parts.emplace_back(at(v, i));
      f(parts, at(v, y).edit());
    };
  }

 private:
  static Tensor<std::int8_t>& at(EngineValues& v, int i) { return v.codes[static_cast<std::size_t>(i)]; }

  const IntegerModel& model_;
  const IntegerNode& node_;
};

// A function of one number is a lookup, whichever it is.
template <graph::op::TableOp Op>
EngineRun step(const Op& o, const StepSite& s) {
  return s.unary(s.resolve(o), [](const auto& x, const integer::Table& t, auto y) { integer::lookup(x, t, y); });
}

}  // namespace stet::detail
