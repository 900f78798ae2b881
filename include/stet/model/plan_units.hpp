#pragma once
// Planning units: which operators of a graph become one integer operator, and which the target cannot run at all.

#include <stet/core/groups.hpp>
#include <stet/graph/graph.hpp>
#include <stet/graph/resolve.hpp>
#include <stet/model/node_function.hpp>
#include <stet/model/plan_precision.hpp>
#include <stet/model/unit.hpp>
#include <stet/qat/recipe.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

#if STET_DEFINE_ENTRIES
namespace detail {

class UnitPlanner {
 public:
  UnitPlanner(const Graph& graph, const Recipe& recipe)
      : graph_(graph), recipe_(recipe), groups_(graph.nodes().size()), taken_(graph.nodes().size(), false),
        unit_of_(graph.nodes().size(), -1), dropped_(graph.nodes().size(), false) {}

  UnitPlan run() {
    for (int id = 0; id < static_cast<int>(graph_.nodes().size()); ++id) {
      if (!taken_[static_cast<std::size_t>(id)]) visit(id);
    }
    leave_real();
    check_overrides();
    if (recipe_.simulated() && (recipe_.learned_weights || recipe_.learned_activations)) {
      problems_.push_back({.what = "the recipe learns scales, but its schemes are simulated in float",
                           .remedy = "no learned_weights and learned_activations, or integer weights and activations"});
    }
    if (recipe_.learned_weights && !begins_at_zero(*recipe_.learned_weights)) {
      problems_.push_back(
          {.what = formatted("the recipe's learned_weights is {}, whose zero point moves or is not 0",
                               recipe_.learned_weights->name()),
           .remedy = "name it learned_activations; integer weights take LsqRange, TqtRange or none"});
    }
    if (recipe_.activation_estimator && !recipe_.simulated()) {
      if (recipe_.activation_estimator->needs_input()) {
        problems_.push_back({.what = formatted("the recipe's activation_estimator {} needs values before rounding, which "
                                                 "layers of integers do not keep",
                                                 recipe_.activation_estimator->name()),
                             .remedy = "one of pass bits, such as Ste or ClippedSte, or a recipe that is simulated"});
      }
      if (recipe_.learned_activations) {
        problems_.push_back({.what = "the recipe has an activation_estimator and learned_activations, whose sums are those "
                                     "of gradients that pass where nothing was clipped",
                             .remedy = "name one of them"});
      }
    }
    if (recipe_.training_observer.needs_values()) {
      problems_.push_back({.what = "the recipe's training_observer needs values, a training step gives ranges of batches",
                           .remedy = "name it calibration_observer; schedule.freeze_ranges_at = 0 keeps what it finds"});
    }
    assign_quantizers();
    return std::move(plan_);
  }

  [[nodiscard]] std::vector<UnitProblem>& problems() { return problems_; }

 private:
  const graph::Node& node(int id) const { return graph_.nodes()[static_cast<std::size_t>(id)]; }

  static bool begins_at_zero(AnyLearnedRange range) {
    return !range.moves_zero_point() && range.begin(QParams::per_tensor(1.0f, 0, Grid::narrow(4)));
  }

  void problem(int id, std::string what, std::string remedy) {
    problems_.push_back({id, node(id).name, std::string(graph::kind(node(id).op)), std::move(what), std::move(remedy)});
  }

  // An operator's obstacle, with the names of its inputs where it has several.
  void report(std::optional<graph::Obstacle> obstacle, int id) {
    if (!obstacle) return;
    std::string names;
    for (const int in : node(id).inputs) names += (names.empty() ? " (" : ", ") + node(in).name;
    problem(id, obstacle->what + (node(id).inputs.size() > 1 ? names + ")" : ""),
            obstacle->remedy + formatted("; or keep it in float: RecipeOverride{{.node = \"{}\", .keep_float = true}}", node(id).name));
  }

  // The only consumer of a value, or -1 if it has several or is an output of the graph.
  int sole_consumer(int id) const {
    const std::vector<int>& consumers = graph_.consumers(id);
    if (graph_.is_output(id)) return -1;
    return consumers.size() == 1 ? consumers[0] : -1;
  }

  void fuse_batch_norm(Unit& unit) {
    const int next = sole_consumer(unit.output);
    if (next < 0 || !graph::is<graph::op::BatchNorm>(node(next).op) || keeps_float(next)) return;
    unit.batch_norm = next;
    unit.output = next;
    taken_[static_cast<std::size_t>(next)] = true;
  }

  void fuse_activation(Unit& unit) {
    const int next = sole_consumer(unit.output);
    const Activation activation = next < 0 ? Activation::none : graph::clamp_of(node(next).op);
    if (activation == Activation::none || keeps_float(next)) return;
    unit.deployed.activation = activation;
    unit.output = next;
    taken_[static_cast<std::size_t>(next)] = true;
  }

  void weights(Unit& unit, const AnyScheme& scheme) {
    unit.weights = scheme;
    const RecipeOverride* o = recipe_.override_of(node(unit.node).name);
    if (o != nullptr && o->weights) unit.weights = *o->weights;
    fuse_batch_norm(unit);
    fuse_activation(unit);
  }

  [[nodiscard]] bool keeps_float(int id) const {
    const RecipeOverride* o = recipe_.override_of(node(id).name);
    return o != nullptr && o->keep_float;
  }
  // The same, or a batch norm of what is kept, which integers have no place for.
  [[nodiscard]] bool is_kept(int id) const {
    if (keeps_float(id)) return true;
    if (!graph::is<graph::op::BatchNorm>(node(id).op)) return false;
    const int from = unit_of_[static_cast<std::size_t>(node(id).inputs[0])];
    return from >= 0 && plan_.units[static_cast<std::size_t>(from)].kept_float();
  }
  // Why the target cannot run a node that could run in float; empty if it can, or what it lacks is more than a kernel.
  [[nodiscard]] std::string unsupported(int id) const {
    const graph::Node& n = node(id);
    const graph::IntegerForm form = graph::form(n.op);
    if (!recipe_.keep_float_unsupported || form == graph::IntegerForm::input || form == graph::IntegerForm::training || !runs_on_tape(n.op)) return {};
    const std::vector<Shape> in = graph_.input_shapes(id);
    const graph::Operator op = graph::integer_form_of(n.op, in, n.shape);
    auto obstacle = graph::obstacle(op, in, recipe_.target);
    if (!obstacle) obstacle = graph::match(op, [](const auto& o) { return training_limit(o); });
    return obstacle ? obstacle->what : std::string();
  }
  // Values that only reals read stay real.
  void leave_real() {
    std::vector<bool> read_as_codes(plan_.units.size(), false);
    for (const Unit& unit : plan_.units) {
      for (const int in : unit.deployed.inputs) {
        if (in >= 0 && !unit.kept_float()) read_as_codes[static_cast<std::size_t>(in)] = true;
      }
    }
    for (Unit& unit : plan_.units) {
      const bool codes = graph_.is_output(unit.output) || graph_.consumers(unit.output).empty() ||
                         read_as_codes[static_cast<std::size_t>(unit.deployed.output)];
      unit.real_output = unit.kept_float() && !codes;
    }
  }

  // Lets an operator that passes on codes have the scale of its inputs.
  void share(const Unit& unit) {
    bool dropped = unit.training_only();
    for (const int in : node(unit.node).inputs) {
      groups_.join(static_cast<std::size_t>(in), static_cast<std::size_t>(unit.output));
      dropped = dropped || dropped_[static_cast<std::size_t>(in)];
    }
    dropped_[static_cast<std::size_t>(unit.output)] = dropped;
  }

  // What joins values under one scale cannot take one whose scale dropout changes.
  void one_scale(int id) {
    for (const int in : node(id).inputs) {
      if (!dropped_[static_cast<std::size_t>(in)]) continue;
      problem(id, formatted("input {} passes dropout, which changes its scale in training", node(in).name),
              formatted("move the dropout behind the {}", graph::kind(node(id).op)));
    }
  }

  void visit(int id) {
    const graph::Node& n = node(id);
    Unit unit;
    unit.node = unit.output = id;
    unit.deployed.name = n.name;
    const bool input = graph::is<graph::op::Input>(n.op);
    const bool training = graph::form(n.op) == graph::IntegerForm::training;
    const bool kept = is_kept(id);
    if (!kept) unit.no_integer_form = unsupported(id);
    if ((kept || !unit.no_integer_form.empty()) && !input && !training) {
      unit.deployed.op = graph::op::Real{std::make_shared<const PlannedFunction>(graph_, id)};
    } else {
      unit.deployed.op = graph::integer_form_of(n.op, graph_.input_shapes(id), n.shape);
    }
    if (input && keeps_float(id)) {
      problem(id, "the recipe keeps it in float, but the input of integers is codes", "name the nodes that read it");
    }
    if (unit.kept_float() && !runs_on_tape(n.op)) {
      problem(id, "the recipe keeps it in float, but it does not say what it computes", "derive it from stet::TapeOp");
    }
    if (training && keeps_float(id)) {
      problem(id, "the recipe keeps it in float, but it acts in training only", "leave it out of the overrides");
    }
    report(graph::obstacle(unit.op(), graph_.input_shapes(id), recipe_.target), id);
    report(graph::match(unit.op(), [](const auto& o) { return training_limit(o); }), id);
    switch (graph::form(unit.op())) {
      case graph::IntegerForm::none:
      case graph::IntegerForm::real:
      case graph::IntegerForm::input: break;
      case graph::IntegerForm::layer:
        weights(unit, graph::is<graph::op::Linear>(n.op) ? recipe_.linear_weights : recipe_.weights);
        break;
      case graph::IntegerForm::computes:
        if (graph::takes_activation(unit.op())) fuse_activation(unit);
        break;
      case graph::IntegerForm::moves:
      case graph::IntegerForm::training:
        if (n.inputs.size() > 1) one_scale(id);
        share(unit);
        break;
    }
    const auto index = static_cast<int>(plan_.units.size());
    for (const int in : n.inputs) unit.deployed.inputs.push_back(unit_of_[static_cast<std::size_t>(in)]);
    unit_of_[static_cast<std::size_t>(unit.output)] = unit.deployed.output = index;
    plan_.units.push_back(std::move(unit));
  }

  // An override without effect is a mistake: unknown names, weights where there are none, values inside a unit.
  void check_overrides() {
    for (const RecipeOverride& o : recipe_.overrides) {
      const int id = graph_.find(o.node);
      if (id < 0) {
        problems_.push_back({.name = o.node,
                             .what = "the recipe overrides a node of this name, but the graph has none",
                             .remedy = "correct the name; print the graph to see all"});
        continue;
      }
      if (recipe_.override_of(o.node) != &o) problem(id, "the recipe overrides it twice", "say both in one override");
      for (const Unit& unit : plan_.units) {
        if (o.weights && unit.node == id && !unit.has_weights()) no_weights(id);
        if (o.activations && unit.node == id && unit.real_output) {
          problem(id, "the recipe overrides its activations, but it is kept in float and so is all that reads it", "leave them out");
        }
        if (id <= unit.node || id > unit.output || !inside(unit, id)) continue;
        if (o.weights) no_weights(id);
        if (o.activations && id != unit.output) {
          problem(id,
                  formatted("the recipe overrides its activations, but its value is fused into {}",
                              node(unit.output).name),
                  "name that");
        }
      }
    }
  }
  void no_weights(int id) { problem(id, "the recipe overrides its weights, but it has none", "name the layer"); }
  static bool inside(const Unit& unit, int id) { return id == unit.batch_norm || id == unit.output; }

  void assign_quantizers() {
    std::vector<int> index(graph_.nodes().size(), -1);
    for (Unit& unit : plan_.units) {
      const std::size_t root = groups_.of(static_cast<std::size_t>(unit.output));
      if (index[root] < 0) {
        index[root] = static_cast<int>(plan_.quantizer_schemes.size());
        plan_.quantizer_schemes.push_back(recipe_.activations);
      }
      unit.quantizer = index[root];
    }
    // An input that no unit makes belongs to a node that has been reported.
    if (problems_.empty()) {
      plan_depthwise(graph_, recipe_, plan_);
      plan_ends(graph_, recipe_, plan_);
    }
    for (const Unit& unit : plan_.units) override_bits(unit);
    fix_outputs();
    plan_learned_scales(recipe_, plan_);
    for (const Unit& unit : plan_.units) {
      if ((keeps_weight_scale(unit) || (recipe_.weight_estimator && unit.has_weights())) &&
          !unit.weights.per_channel() && unit.batch_norm >= 0) {
        problem(unit.node, "weights per tensor in front of batch norm, with a scale that is kept or learned or an estimator",
                "take weights per channel, or a scheme such as symmetric(8, false) without learned_weights and weight_estimator");
      }
    }
  }

  // The scale of a sigmoid or tanh is the runtime's: it decides for the values that share it.
  void fix_outputs() {
    plan_.fixed_output.assign(plan_.quantizer_schemes.size(), nullptr);
    for (const Unit& unit : plan_.units) {
      const std::optional<TableFunction> table = table_of(unit.op());
      if (!table) continue;
      const auto q = static_cast<std::size_t>(unit.quantizer);
      const integer::FixedOutput* fixed = integer::fixed_output(table->function);
      if (fixed == nullptr) continue;
      if (plan_.fixed_output[q] != nullptr && plan_.fixed_output[q] != fixed) {
        problem(unit.node, "shares its scale with another function whose scale the runtime fixes",
                "do not join sigmoid and tanh in a concat");
      }
      if (plan_.quantizer_schemes[q].bits() != 8) {
        problem(unit.node, formatted("activations of {} bits", plan_.quantizer_schemes[q].bits()),
                "the runtime fixes its output at 8 bits: override its activations with Int8Activation(8)");
      }
      plan_.fixed_output[q] = fixed;
    }
  }

  // The operator's name speaks for its value, unless the value has an override of its own.
  void override_bits(const Unit& unit) {
    const RecipeOverride* o = recipe_.override_of(node(unit.output).name);
    if (o == nullptr || !o->activations) o = recipe_.override_of(node(unit.node).name);
    if (o == nullptr || !o->activations) return;
    const auto q = static_cast<std::size_t>(unit.quantizer);
    overridden_.resize(plan_.quantizer_schemes.size(), nullptr);
    const RecipeOverride* other = overridden_[q];
    if (other != nullptr && other->activations->describe() != o->activations->describe()) {
      problem(unit.node,
              formatted("{} shares its scale with {}, but the recipe gives them schemes {} and {}", o->node, other->node,
                          o->activations->describe(), other->activations->describe()),
              "give both the same");
    }
    overridden_[q] = o;
    plan_.quantizer_schemes[q] = *o->activations;
  }

  const Graph& graph_;
  const Recipe& recipe_;
  std::vector<const RecipeOverride*> overridden_;  // per quantizer
  Groups groups_;                                  // of node ids
  std::vector<bool> taken_;
  std::vector<int> unit_of_;   // per node: the unit that makes its value
  std::vector<bool> dropped_;  // per node: comes from dropout without a new scale in between
  std::vector<UnitProblem> problems_;
  UnitPlan plan_;
};

}  // namespace detail
#endif

/// Cuts a graph into units and says what stands in the way.
struct UnitPlanning {
  UnitPlan plan{};                      ///< complete only without problems
  std::vector<UnitProblem> problems{};  ///< every node that the target cannot run, with the remedy
};
STET_ENTRY UnitPlanning find_units(const Graph& graph, const Recipe& recipe);
#if STET_DEFINE_ENTRIES
STET_ENTRY UnitPlanning find_units(const Graph& graph, const Recipe& recipe) {
  detail::UnitPlanner planner(graph, recipe);
  UnitPlan plan = planner.run();
  return {std::move(plan), std::move(planner.problems())};
}
#endif

/// Cuts a graph into units.
/// Errors:    Errc::unsupported listing every node that the target cannot run and what to do about it
STET_ENTRY UnitPlan plan_units(const Graph& graph, const Recipe& recipe);
#if STET_DEFINE_ENTRIES
STET_ENTRY UnitPlan plan_units(const Graph& graph, const Recipe& recipe) {
  UnitPlanning planning = find_units(graph, recipe);
  const std::size_t count = planning.problems.size();
  if (count > 0) {
    std::string text =
        formatted("prepare: target {} cannot run {} node{}:", recipe.target.name, count, count == 1 ? "" : "s");
    for (const UnitProblem& p : planning.problems) text += "\n  " + p.text();
    throw Error(Errc::unsupported, text);
  }
  return std::move(planning.plan);
}
#endif

}  // namespace stet
