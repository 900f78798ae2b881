#pragma once
// Units: the float graph as the integer target sees it. A unit is one integer operator with what is fused into it.

#include <stet/graph/graph.hpp>
#include <stet/graph/integer_model.hpp>
#include <stet/graph/match.hpp>
#include <stet/qat/recipe.hpp>

#include <numeric>
#include <string>
#include <vector>

namespace stet {

/// Integer operator of a unit.
enum class UnitKind {
  quantize,
  conv2d,
  depthwise_conv2d,
  linear,
  add,
  sub,
  mul,
  max_pool,
  average_pool,
  mean,
  concat,
  pad,
  reshape,
  transpose,
  clamp,
  dropout
};

/// Whether a unit multiplies by weights.
inline bool has_weights(UnitKind kind) {
  return kind == UnitKind::conv2d || kind == UnitKind::depthwise_conv2d || kind == UnitKind::linear;
}

/// One integer operator: a node, the batch norm and activation fused behind it, and where its codes come from and go.
struct Unit {
  UnitKind kind{};
  int node = -1;        ///< the operator's node in the graph
  int batch_norm = -1;  ///< node of the fused batch norm, -1 for none
  Activation activation = Activation::none;
  int output = -1;            ///< node whose value the unit makes: the last of those fused
  std::vector<int> inputs{};  ///< nodes whose values it reads
  int quantizer = -1;         ///< index of the output's quantizer; members of a scale group share one
  bool shares_scale = false;  ///< output has its input's scale (pool, pad, reshape, concat, ...)
  WeightScheme weights{};
};

/// All units in execution order; quantizer_of[node] is -1 for values inside a unit.
struct UnitPlan {
  std::vector<Unit> units{};
  std::vector<int> quantizer_of{};
  std::vector<int> quantizer_bits{};
};

namespace detail {

class UnitPlanner {
 public:
  UnitPlanner(const Graph& graph, const Recipe& recipe)
      : graph_(graph), recipe_(recipe), group_(graph.nodes().size()), taken_(graph.nodes().size(), false) {
    std::iota(group_.begin(), group_.end(), 0);
  }

  UnitPlan run() {
    for (int id = 0; id < static_cast<int>(graph_.nodes().size()); ++id) {
      if (!taken_[static_cast<std::size_t>(id)]) visit(id);
    }
    check_overrides();
    if (graph_.outputs().size() != 1) {
      problems_.push_back(fmt::format("the graph has {} outputs; quantized models have one", graph_.outputs().size()));
    }
    assign_quantizers();
    if (!problems_.empty()) {
      std::string text = fmt::format("prepare: target {} cannot run {} node{}:", recipe_.target.name, problems_.size(),
                                     problems_.size() == 1 ? "" : "s");
      for (const std::string& p : problems_) text += "\n  " + p;
      throw Error(Errc::unsupported, text);
    }
    return std::move(plan_);
  }

 private:
  const graph::Node& node(int id) const { return graph_.nodes()[static_cast<std::size_t>(id)]; }

  void problem(int id, std::string_view why) {
    problems_.push_back(fmt::format("{} ({}): {}", node(id).name, graph::kind(node(id).op), why));
  }

  // The only consumer of a value, or -1 if it has several or is an output of the graph.
  int sole_consumer(int id) const {
    for (const int out : graph_.outputs()) {
      if (out == id) return -1;
    }
    const std::vector<int> consumers = graph_.consumers(id);
    return consumers.size() == 1 ? consumers[0] : -1;
  }

  int find(int id) const {
    while (group_[static_cast<std::size_t>(id)] != id) id = group_[static_cast<std::size_t>(id)];
    return id;
  }
  void join(int a, int b) { group_[static_cast<std::size_t>(find(a))] = find(b); }

  void fuse_batch_norm(Unit& unit) {
    const int next = sole_consumer(unit.output);
    if (next < 0 || !graph::is<graph::op::BatchNorm>(node(next).op)) return;
    unit.batch_norm = next;
    unit.output = next;
    taken_[static_cast<std::size_t>(next)] = true;
  }

  void fuse_activation(Unit& unit) {
    const int next = sole_consumer(unit.output);
    if (next < 0) return;
    if (graph::is<graph::op::Relu>(node(next).op)) {
      unit.activation = Activation::relu;
    } else if (graph::is<graph::op::Relu6>(node(next).op)) {
      unit.activation = Activation::relu6;
    } else {
      return;
    }
    unit.output = next;
    taken_[static_cast<std::size_t>(next)] = true;
  }

  void weights(Unit& unit, const WeightScheme& scheme) {
    unit.weights = scheme;
    const RecipeOverride* o = recipe_.override_of(node(unit.node).name);
    if (o != nullptr && o->weights) unit.weights = *o->weights;
    if (unit.weights.bits < 2 || unit.weights.bits > 8) {
      problem(unit.node, fmt::format("weights of {} bits; integer weights have 2 to 8", unit.weights.bits));
    }
    fuse_batch_norm(unit);
    fuse_activation(unit);
  }

  void two_inputs(Unit& unit) {
    const std::vector<int>& in = unit.inputs;
    if (in.size() == 2 && node(in[0]).shape != node(in[1]).shape) {
      problem(unit.node, fmt::format("inputs {} and {} have shapes {} and {}; the integer operator does not broadcast",
                                     node(in[0]).name, node(in[1]).name, node(in[0]).shape, node(in[1]).shape));
    }
    fuse_activation(unit);
  }

  // Whether a value comes from dropout without a new scale in between.
  bool dropped(int id) const {
    for (const Unit& unit : plan_.units) {
      if (unit.output != id || !unit.shares_scale) continue;
      if (unit.kind == UnitKind::dropout) return true;
      for (const int in : unit.inputs) {
        if (dropped(in)) return true;
      }
    }
    return false;
  }

  void share(Unit& unit) {
    unit.shares_scale = true;
    for (const int in : unit.inputs) join(in, unit.output);
  }

  void visit(int id) {
    namespace op = graph::op;
    const graph::Operator& o = node(id).op;
    Unit unit;
    unit.node = unit.output = id;
    unit.inputs = node(id).inputs;
    if (graph::is<op::Input>(o)) {
      unit.kind = UnitKind::quantize;
      inputs_ += 1;
      if (inputs_ > 1) problem(id, "a second input; integer models have one");
    } else if (graph::is<op::Conv2D>(o)) {
      unit.kind = UnitKind::conv2d;
      weights(unit, recipe_.weights);
    } else if (graph::is<op::DepthwiseConv2D>(o)) {
      unit.kind = UnitKind::depthwise_conv2d;
      weights(unit, recipe_.weights);
    } else if (graph::is<op::Linear>(o)) {
      unit.kind = UnitKind::linear;
      weights(unit, recipe_.linear_weights);
      if (node(unit.inputs[0]).shape.rank() != 1) problem(id, "input is not flat; put a flatten before it");
    } else if (graph::is<op::Add>(o) || graph::is<op::Sub>(o) || graph::is<op::Mul>(o)) {
      unit.kind = graph::is<op::Add>(o) ? UnitKind::add : graph::is<op::Sub>(o) ? UnitKind::sub : UnitKind::mul;
      two_inputs(unit);
    } else if (graph::is<op::MaxPool>(o)) {
      unit.kind = UnitKind::max_pool;
      share(unit);
    } else if (const auto* pool = graph::as<op::AveragePool>(o)) {
      unit.kind = UnitKind::average_pool;
      if (pool->count_padding && pool->padding.kind != Padding::Kind::valid) {
        problem(id, "padding counts in the mean; integer targets average image elements only (count_padding = false)");
      }
      share(unit);
    } else if (graph::is<op::GlobalAveragePool>(o)) {
      unit.kind = UnitKind::mean;
    } else if (const auto* mean = graph::as<op::Mean>(o);
               mean != nullptr && mean->axes == std::vector<int>{0, 1} && !mean->keep_dims &&
               node(unit.inputs[0]).shape.rank() == 3) {
      unit.kind = UnitKind::mean;
    } else if (graph::is<op::Concat>(o)) {
      unit.kind = UnitKind::concat;
      for (const int in : unit.inputs) {
        if (dropped(in)) problem(id, fmt::format("input {} passes dropout, which changes its scale in training; move the "
                                                 "dropout behind the concat", node(in).name));
      }
      share(unit);
    } else if (graph::is<op::Pad>(o)) {
      unit.kind = UnitKind::pad;
      share(unit);
    } else if (graph::is<op::Reshape>(o) || graph::is<op::Flatten>(o)) {
      unit.kind = UnitKind::reshape;
      share(unit);
    } else if (graph::is<op::Transpose>(o)) {
      unit.kind = UnitKind::transpose;
      share(unit);
    } else if (graph::is<op::Relu>(o) || graph::is<op::Relu6>(o)) {
      unit.kind = UnitKind::clamp;
      unit.activation = graph::is<op::Relu>(o) ? Activation::relu : Activation::relu6;
      share(unit);
    } else if (graph::is<op::Dropout>(o)) {
      unit.kind = UnitKind::dropout;
      share(unit);
    } else {
      problem(id, advice(o));
    }
    plan_.units.push_back(std::move(unit));
  }

  static std::string advice(const graph::Operator& o) {
    namespace op = graph::op;
    if (graph::is<op::BatchNorm>(o)) {
      return "no convolution or linear layer before it that only it reads; move it behind one, or remove it";
    }
    if (graph::is<op::Softmax>(o) || graph::is<op::LogSoftmax>(o)) {
      return "softmax stays outside of an integer model; end the graph at the logits and apply it to its outputs";
    }
    if (graph::is<op::LeakyRelu>(o) || graph::is<op::Sigmoid>(o) || graph::is<op::Tanh>(o) ||
        graph::is<op::HardSwish>(o)) {
      return "no integer kernel for this activation; use relu or relu6";
    }
    if (graph::is<op::Mean>(o) || graph::is<op::Sum>(o)) {
      return "no integer kernel for this reduction; global_average_pool has one";
    }
    if (graph::is<op::Matmul>(o)) return "no integer kernel for a product of two activations; use linear";
    return "no integer kernel for this operator; replace it, or keep that part of the network in float";
  }

  // An override without effect is a mistake: unknown names, weights where there are none, values inside a unit.
  void check_overrides() {
    for (const RecipeOverride& o : recipe_.overrides) {
      const int id = graph_.find(o.node);
      if (id < 0) {
        problems_.push_back(fmt::format("{}: the recipe overrides a node of this name, but the graph has none", o.node));
        continue;
      }
      if (recipe_.override_of(o.node) != &o) problem(id, "the recipe overrides it twice; say both in one override");
      for (const Unit& unit : plan_.units) {
        if (o.weights && unit.node == id && !has_weights(unit.kind)) no_weights(id);
        if (id <= unit.node || id > unit.output || !inside(unit, id)) continue;
        if (o.weights) no_weights(id);
        if (o.activation_bits && id != unit.output) {
          problem(id, fmt::format("the recipe overrides its activation bits, but its value is fused into {}; name that",
                                  node(unit.output).name));
        }
      }
    }
  }
  void no_weights(int id) { problem(id, "the recipe overrides its weights, but it has none"); }
  static bool inside(const Unit& unit, int id) { return id == unit.batch_norm || id == unit.output; }

  void assign_quantizers() {
    plan_.quantizer_of.assign(group_.size(), -1);
    std::vector<int> index(group_.size(), -1);
    for (Unit& unit : plan_.units) {
      const auto root = static_cast<std::size_t>(find(unit.output));
      if (index[root] < 0) {
        index[root] = static_cast<int>(plan_.quantizer_bits.size());
        plan_.quantizer_bits.push_back(recipe_.activation_bits);
      }
      unit.quantizer = index[root];
      plan_.quantizer_of[static_cast<std::size_t>(unit.output)] = unit.quantizer;
      override_bits(unit);
    }
    for (const Unit& unit : plan_.units) {
      const int bits = plan_.quantizer_bits[static_cast<std::size_t>(unit.quantizer)];
      if (bits < 2 || bits > 8) {
        problem(unit.node, fmt::format("activations of {} bits; integer codes have 2 to 8", bits));
      }
    }
  }

  // The operator's name speaks for its value, unless the value has an override of its own.
  void override_bits(const Unit& unit) {
    const RecipeOverride* o = recipe_.override_of(node(unit.output).name);
    if (o == nullptr || !o->activation_bits) o = recipe_.override_of(node(unit.node).name);
    if (o == nullptr || !o->activation_bits) return;
    const auto q = static_cast<std::size_t>(unit.quantizer);
    overridden_.resize(plan_.quantizer_bits.size(), nullptr);
    const RecipeOverride* other = overridden_[q];
    if (other != nullptr && *other->activation_bits != *o->activation_bits) {
      problem(unit.node, fmt::format("{} shares its scale with {}, but the recipe gives them {} and {} bits", o->node,
                                     other->node, *o->activation_bits, *other->activation_bits));
    }
    overridden_[q] = o;
    plan_.quantizer_bits[q] = *o->activation_bits;
  }

  const Graph& graph_;
  const Recipe& recipe_;
  std::vector<const RecipeOverride*> overridden_;  // per quantizer
  std::vector<int> group_;  // union-find over node ids
  std::vector<bool> taken_;
  std::vector<std::string> problems_;
  UnitPlan plan_;
  int inputs_ = 0;
};

}  // namespace detail

/// Cuts a graph into units.
/// Errors:    Errc::unsupported listing every node that the target cannot run and what to do about it
STET_ENTRY UnitPlan plan_units(const Graph& graph, const Recipe& recipe);
#if STET_DEFINE_ENTRIES
STET_ENTRY UnitPlan plan_units(const Graph& graph, const Recipe& recipe) {
  return detail::UnitPlanner(graph, recipe).run();
}
#endif

}  // namespace stet
