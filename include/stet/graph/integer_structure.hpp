#pragma once
// What is wrong with an IntegerModel whatever runs or stores it: the engine and the writers of files ask this first.

#include <stet/core/entry.hpp>
#include <stet/graph/integer_model.hpp>

#include <cmath>
#include <cstdint>
#include <string>
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

/// All faults of a model's structure, and whether its nodes can be looked at one by one nevertheless: then every node's
/// inputs and output exist and fit its operator.
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

/// Looks for: values whose scale is none, codes beyond int8, no elements or no room for a batch; operators without an
/// integer form; nodes that read what is not made before them, write what exists, or make another shape than their
/// operator infers; no Input; outputs that nothing makes; layers whose weights, scales and biases are
/// not those of their operator, or whose scales are not positive and finite; operators that move codes between different
/// scales. What a target refuses is not looked at.
STET_ENTRY IntegerStructure check_structure(const IntegerModel& model);

#if STET_DEFINE_ENTRIES

namespace detail {

class IntegerStructureCheck {
 public:
  explicit IntegerStructureCheck(const IntegerModel& model) : model_(model), made_(model.values.size(), false) {}

  IntegerStructure run() {
    for (const IntegerValue& v : model_.values) check(v);
    for (std::size_t i = 0; i < model_.nodes.size(); ++i) check(static_cast<int>(i));
    node_ = -1;
    if (!any_input_) add(Errc::state, "the model", "has no input");
    if (model_.outputs.empty()) add(Errc::state, "the model", "has no output");
    for (const int out : model_.outputs) {
      if (made(out) && model_.values[at(out)].real) {
        unreadable(Errc::unsupported, "the model", formatted("has {} as output, which is real", model_.values[at(out)].name));
      }
      if (!made(out)) unreadable(Errc::state, "the model", formatted("has value {} as output, which no node makes", out));
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
      add(Errc::shape, v.name, formatted("has shape {}, which must have elements and room for a batch", v.shape));
    }
    if (v.real) return;
    if (!v.codes.grid.fits_int8()) {
      return add(Errc::range, v.name, formatted("codes {}..{} do not fit int8", v.codes.grid.lo, v.codes.grid.hi));
    }
    try {
      stet::check("its codes", qparams(v.codes), v.shape);
    } catch (const Error& e) {
      add(e.code(), v.name, e.what());
    }
  }

  void check(int index) {
    node_ = index;
    const IntegerNode& n = model_.nodes[at(index)];
    const graph::IntegerForm form = graph::form(n.op);
    any_input_ = any_input_ || form == graph::IntegerForm::input;
    bool complete = true;
    if (form == graph::IntegerForm::none || form == graph::IntegerForm::training) {
      complete = false;
      add(Errc::unsupported, n.name, formatted("is a {}, which has no integer form", graph::kind(n.op)));
    }
    for (const int in : n.inputs) {
      if (made(in)) continue;
      complete = false;
      unreadable(Errc::state, n.name, formatted("reads value {} before it is made", in));
    }
    if (!known(n.output) || made_[at(n.output)]) {
      complete = false;
      unreadable(Errc::state, n.name, formatted("writes value {}, which does not exist or is written before", n.output));
    } else {
      made_[at(n.output)] = true;  // else every node behind it would be named
    }
    if (!complete || !check_shapes(n)) return;
    if (form != graph::IntegerForm::real) check_codes(n);
    if (form == graph::IntegerForm::layer) check_layer(n);
    if (graph::is<graph::op::Constant>(n.op) && n.constants.weights.shape() != model_.values[at(n.output)].shape) {
      unreadable(Errc::shape, n.name, formatted("holds codes {} for a value {}", n.constants.weights.shape(), model_.values[at(n.output)].shape));
    }
    if (form == graph::IntegerForm::moves) check_scales(n);
  }

  // Reals are for those that are kept in float.
  void check_codes(const IntegerNode& n) {
    const auto real = [&](int v) { return model_.values[at(v)].real; };
    for (const int in : n.inputs) {
      if (real(in)) unreadable(Errc::unsupported, n.name, formatted("reads {}, which is real", model_.values[at(in)].name));
    }
    if (real(n.output)) unreadable(Errc::unsupported, n.name, "makes codes, its value is real");
  }

  // The operator's own inference, as in a graph; integers repeat no values beside.
  bool check_shapes(const IntegerNode& n) {
    const Shape& made = model_.values[at(n.output)].shape;
    const std::vector<Shape> in = model_.input_shapes(n);
    try {
      const Shape inferred = graph::infer(n.op, in);
      if (inferred != made) {
        add(Errc::shape, n.name, formatted("makes {}, its value {} has shape {}", inferred, model_.values[at(n.output)].name, made));
        return false;
      }
    } catch (const Error& e) {
      add(e.code(), n.name, e.what());
      return false;
    }
    if (const auto obstacle = graph::obstacle(n.op, in, model_.target)) {
      add(obstacle->code, n.name, obstacle->what + "; " + obstacle->remedy);
      return false;
    }
    if (n.activation != Activation::none && !graph::takes_activation(n.op)) {
      add(Errc::unsupported, n.name, formatted("is a {} with an activation of its own", graph::kind(n.op)));
    }
    return true;
  }

  void check_layer(const IntegerNode& n) {
    const LayerConstants& c = n.constants;
    const Shape& w = c.weights.shape();
    const Shape wanted = graph::parameters(n.op, model_.input_shapes(n))[0].shape;
    if (w != wanted) {
      return add(Errc::shape, n.name, formatted("has weights {}, its operator needs {}", w, wanted));
    }
    const std::int64_t channels = w[graph::channel_axis(n.op)];
    const auto scales = static_cast<std::int64_t>(c.weight_scale.size());
    if (c.bias.size() != channels || (scales != 1 && scales != channels)) {
      add(Errc::shape, n.name,
          formatted("has {} outputs, {} bias codes and {} weight scales", channels, c.bias.size(), scales));
    }
    for (std::size_t i = 0; i < c.weight_scale.size(); ++i) {
      const float s = c.weight_scale[i];
      if (s > 0.0f && std::isfinite(s)) continue;
      return add(Errc::range, n.name, formatted("weight scale {} is {}, must be positive and finite", i, s));
    }
  }
  void check_scales(const IntegerNode& n) {
    for (const int in : n.inputs) {
      const IntegerValue& x = model_.values[at(in)];
      if (x.codes == model_.values[at(n.output)].codes) continue;
      add(Errc::range, n.name, formatted("must keep scale and zero point, {} has others", x.name));
    }
  }

  const IntegerModel& model_;
  std::vector<bool> made_;
  IntegerStructure result_{};
  int node_ = -1;
  bool any_input_ = false;
};

}  // namespace detail

STET_ENTRY IntegerStructure check_structure(const IntegerModel& model) { return detail::IntegerStructureCheck(model).run(); }

#endif

}  // namespace stet
