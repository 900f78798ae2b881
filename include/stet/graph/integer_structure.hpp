#pragma once
// What is wrong with an IntegerModel whatever runs or stores it: the engine and the writers of files ask this first.

#include <stet/core/entry.hpp>
#include <stet/graph/integer_model.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace stet {

/// One thing that does not fit together.
struct IntegerFault {
  Errc code;
  int node = -1;  ///< index of the node that has it; -1: a value or the model as a whole
  std::string where, what;
};

/// One line per fault: "\n  where: what".
inline std::string fault_lines(const std::vector<IntegerFault>& faults) {
  std::string all;
  for (const IntegerFault& f : faults) all += "\n  " + f.where + ": " + f.what;
  return all;
}

/// All faults of a model's structure, and whether its nodes can be looked at one by one nevertheless: then every value
/// has one scale and zero point, and every node's inputs and output exist.
struct IntegerStructure {
  std::vector<IntegerFault> faults{};
  bool readable = true;

  [[nodiscard]] bool has_fault(int node) const {
    for (const IntegerFault& f : faults) {
      if (f.node == node) return true;
    }
    return false;
  }
  [[nodiscard]] std::string text() const { return fault_lines(faults); }
};

/// Looks for: values with other than one scale and zero point, codes beyond int8, no elements or no room for a batch;
/// nodes that read what is not made before them, write what exists or has another number of inputs; more or fewer than
/// one Quantize; outputs that nothing makes; layers whose weights, scales, biases and outputs do not belong together, or
/// whose scales are not positive and finite; operators that move codes between different scales. What a target refuses is
/// not looked at.
STET_ENTRY IntegerStructure check_structure(const IntegerModel& model);

#if STET_DEFINE_DEPLOYMENT

namespace detail {

class IntegerStructureCheck {
 public:
  explicit IntegerStructureCheck(const IntegerModel& model) : model_(model), made_(model.values.size(), false) {}

  IntegerStructure run() {
    for (const IntegerValue& v : model_.values) check(v);
    for (std::size_t i = 0; i < model_.nodes.size(); ++i) check(static_cast<int>(i));
    node_ = -1;
    if (inputs_ == 0) add(Errc::state, "the model", "has no Quantize node for its input");
    if (model_.outputs.empty()) add(Errc::state, "the model", "has no output");
    for (const int out : model_.outputs) {
      if (!made(out)) unreadable(Errc::state, "the model", fmt::format("has value {} as output, which no node makes", out));
    }
    return std::move(result_);
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  [[nodiscard]] bool known(int v) const { return v >= 0 && at(v) < made_.size(); }
  [[nodiscard]] bool made(int v) const { return known(v) && made_[at(v)]; }
  void add(Errc code, const std::string& where, std::string what) {
    result_.faults.push_back({code, node_, where, std::move(what)});
  }
  void unreadable(Errc code, const std::string& where, std::string what) {
    result_.readable = false;
    add(code, where, std::move(what));
  }

  void check(const IntegerValue& v) {
    if (v.shape.rank() >= Shape::max_rank || v.shape.elements() <= 0) {
      add(Errc::shape, v.name, fmt::format("has shape {}, which must have elements and room for a batch", v.shape));
    }
    if (v.params.scale.size() != 1 || v.params.zero_point.size() != 1) {
      return unreadable(Errc::shape, v.name,
                        fmt::format("has {} scales and {} zero points, needs one of each", v.params.scale.size(),
                                    v.params.zero_point.size()));
    }
    if (!v.params.grid.fits_int8()) {
      return add(Errc::range, v.name, fmt::format("codes {}..{} do not fit int8", v.params.grid.lo, v.params.grid.hi));
    }
    try {
      stet::check("its codes", v.params, v.shape);
    } catch (const Error& e) {
      add(e.code(), v.name, e.what());
    }
  }

  void check(int index) {
    namespace op = integer_op;
    node_ = index;
    const IntegerNode& n = model_.nodes[at(index)];
    const bool quantize = std::holds_alternative<op::Quantize>(n.op);
    if (quantize && inputs_++ > 0) unreadable(Errc::unsupported, n.name, "is a second input; a model has one");
    bool complete = true;
    for (const int in : n.inputs) {
      if (made(in)) continue;
      complete = false;
      unreadable(Errc::state, n.name, fmt::format("reads value {} before it is made", in));
    }
    if (!known(n.output) || made_[at(n.output)]) {
      complete = false;
      unreadable(Errc::state, n.name, fmt::format("writes value {}, which does not exist or is written before", n.output));
    } else {
      made_[at(n.output)] = true;  // else every node behind it would be named
    }
    const bool two = std::holds_alternative<op::Add>(n.op) || std::holds_alternative<op::Sub>(n.op) ||
                     std::holds_alternative<op::Mul>(n.op);
    const std::size_t wanted = quantize ? 0 : two ? 2 : 1;
    if (std::holds_alternative<op::Concat>(n.op) ? n.inputs.empty() : n.inputs.size() != wanted) {
      complete = false;
      unreadable(Errc::shape, n.name, fmt::format("has {} inputs", n.inputs.size()));
    }
    if (!complete) return;
    if (const auto* conv = std::get_if<op::Conv2D>(&n.op)) check_layer(n, *conv, 4, 0);
    if (const auto* depthwise = std::get_if<op::DepthwiseConv2D>(&n.op)) check_layer(n, *depthwise, 4, 3);
    if (const auto* linear = std::get_if<op::Linear>(&n.op)) check_layer(n, *linear, 2, 0);
    if (moves_codes(n)) check_scales(n);
  }

  template <class Layer>
  void check_layer(const IntegerNode& n, const Layer& o, int rank, int axis) {
    const Shape& w = o.weights.shape();
    if (w.rank() != rank || w.elements() == 0) {
      return add(Errc::shape, n.name, fmt::format("has weights {}, needs {} dimensions with elements", w, rank));
    }
    const auto scales = static_cast<std::int64_t>(o.weight_scale.size());
    const Shape& y = model_.values[at(n.output)].shape;
    if (o.bias.size() != w[axis] || (scales != 1 && scales != w[axis]) || y.rank() == 0 || y.back() != w[axis]) {
      add(Errc::shape, n.name,
          fmt::format("has {} outputs, {} bias codes, {} weight scales and makes {}", w[axis], o.bias.size(), scales, y));
    }
    for (std::size_t c = 0; c < o.weight_scale.size(); ++c) {
      const float s = o.weight_scale[c];
      if (s > 0.0f && std::isfinite(s)) continue;
      return add(Errc::range, n.name, fmt::format("weight scale {} is {}, must be positive and finite", c, s));
    }
  }
  static bool moves_codes(const IntegerNode& n) {
    namespace op = integer_op;
    return std::holds_alternative<op::MaxPool>(n.op) || std::holds_alternative<op::AveragePool>(n.op) ||
           std::holds_alternative<op::Concat>(n.op) || std::holds_alternative<op::Pad>(n.op) ||
           std::holds_alternative<op::Reshape>(n.op) || std::holds_alternative<op::Transpose>(n.op) ||
           std::holds_alternative<op::Clamp>(n.op);
  }
  void check_scales(const IntegerNode& n) {
    for (const int in : n.inputs) {
      const IntegerValue& x = model_.values[at(in)];
      if (x.params == model_.values[at(n.output)].params) continue;
      add(Errc::range, n.name, fmt::format("must keep scale and zero point, {} has others", x.name));
    }
  }

  const IntegerModel& model_;
  std::vector<bool> made_;
  IntegerStructure result_{};
  int node_ = -1, inputs_ = 0;
};

}  // namespace detail

STET_ENTRY IntegerStructure check_structure(const IntegerModel& model) { return detail::IntegerStructureCheck(model).run(); }

#endif

}  // namespace stet
