#pragma once
// UnitsOfCodes: from a model of floats whose values have codes already to an integer model.

#include <stet/graph/integer_structure.hpp>
#include <stet/graph/validate.hpp>
#include <stet/integer/convolution.hpp>
#include <stet/io/budget.hpp>
#include <stet/io/fingerprint_text.hpp>
#include <stet/io/onnx/codes_of_file.hpp>
#include <stet/io/onnx/model_of_codes.hpp>
#include <stet/io/problems.hpp>
#include <stet/model/lower.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace stet::detail {

/// Cuts the graph where values have codes. The rule differs from that of planning: an activation is a part of the operator
/// before it only where no codes lie between them, or where it cuts those codes alone.
class UnitsOfCodes {
 public:
  UnitsOfCodes(onnx::ModelOfCodes file, const Target& target, std::string where)
      : file_(std::move(file)), target_(target), where_(std::move(where)), packed_(where_, file_.content, 16, std::size_t{32} << 20), taken_(nodes(), false), unit_of_(nodes(), -1) {}

  /// Errors:    as load_onnx_integer
  IntegerModel run() {
    const std::vector<bool> used = graph::leads_to_output(graph());
    for (int id = 0; id < graph().size(); ++id) {
      if (taken_[at(id)] || (!used[at(id)] && !graph::is<graph::op::Input>(node(id).op))) continue;
      try {
        add(id);
      } catch (const Error& e) {
        if (packed_.spent()) throw;
        problem(id, e.code(), e.what());
        Unit stand_in;  // so that what is behind it is judged too
        stand_in.real_output = !has_codes(id);
        unit_of_[at(id)] = static_cast<int>(units_.size());
        units_.push_back(std::move(stand_in));
      }
    }
    for (const int id : graph().outputs()) {
      if (units_[at(unit_of_[at(id)])].real_output) {
        problem(id, Errc::unsupported, "is an output, but no QuantizeLinear makes codes of it; end before it: {.outputs = ...}");
      }
    }
    problems_.require_none(where_);
    IntegerModel made = assemble(
        graph(), units_, target_, [&](const Unit& u) { return constants_.at(u.node); },
        [&](const Unit& u) { return file_.codes[at(u.output)].value_or(Affine{}); }, &file_.model);
    for (const IntegerFault& fault : check_structure(made).faults) problems_.add(fault.code, {}, fault.where, fault.what);
    problems_.require_none(where_);
    for (const IntegerNode& n : made.nodes) {
      try {
        require_resolvable(made, n, target_);
      } catch (const Error& e) {
        problems_.add(e.code(), std::string(graph::kind(n.op)), n.name, e.what());
      }
    }
    problems_.require_none(where_);
    made.input_fingerprints = fingerprints_for(made, file_.entries, file_.inputs, file_.input_fingerprint, where_);
    return made;
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  [[nodiscard]] const Graph& graph() const { return file_.model.graph(); }
  [[nodiscard]] const graph::Node& node(int id) const { return graph().node(id); }
  [[nodiscard]] std::size_t nodes() const { return graph().nodes().size(); }
  [[nodiscard]] bool has_codes(int id) const { return file_.codes[at(id)].has_value(); }
  [[nodiscard]] const Affine& codes(int id) const { return *file_.codes[at(id)]; }
  void problem(int id, Errc code, const std::string& text) { problems_.add(code, std::string(graph::kind(node(id).op)), node(id).name, text); }

  [[nodiscard]] int sole_consumer(int id) const {
    const std::vector<int>& consumers = graph().consumers(id);
    return consumers.size() == 1 && !graph().is_output(id) ? consumers[0] : -1;
  }

  void add(int id) {
    const graph::Node& n = node(id);
    Unit unit;
    unit.node = unit.output = id;
    unit.deployed.name = n.name;
    bool coded = true;
    for (const int in : n.inputs) {
      unit.deployed.inputs.push_back(unit_of_[at(in)]);
      coded = coded && has_codes(in);
    }
    unit.deployed.op = graph::integer_form_of(n.op, graph().input_shapes(id), n.shape);
    const graph::IntegerForm form = graph::form(unit.op());
    require(form != graph::IntegerForm::input || has_codes(id), Errc::unsupported,
            "the input is read as real numbers; that of integers becomes codes by one QuantizeLinear before all else");
    if (coded) fuse_activation(unit);
    const auto layer_of_file = file_.layers.find(id);
    require(!coded || !has_codes(unit.output) || file_.on_reals[at(id)] || layer_of_file == file_.layers.end() || !layer_of_file->second.weight_scale.empty(),
            Errc::unsupported, "its weights are real numbers between codes; ONNX Runtime makes codes of them itself. Quantize them in the file");
    const bool integers = coded && has_codes(unit.output) && (onnx::moves_values(unit.op()) || !file_.on_reals[at(id)]) && form != graph::IntegerForm::none &&
                          !graph::obstacle(unit.op(), graph().input_shapes(id), target_) && keeps_scale(unit) && ends_with_type(unit) && layer(unit);
    if (form == graph::IntegerForm::input || form == graph::IntegerForm::training) {
      unit.real_output = form == graph::IntegerForm::training && !has_codes(id);
    } else if (integers) {
      clamp_between(unit);
    } else {
      keep_real(unit, id);
    }
    const auto made = static_cast<int>(units_.size());
    if (unit.output != id) taken_[at(unit.output)] = true;
    unit_of_[at(id)] = unit_of_[at(unit.output)] = unit.deployed.output = made;
    if (const auto constant = file_.constants.find(id); constant != file_.constants.end()) {
      unit.deployed.constants.weights = constant->second;
    }
    units_.push_back(std::move(unit));
  }

  // An activation between the operator and the first codes behind it, or one that cuts its codes.
  void fuse_activation(Unit& unit) const {
    const int next = sole_consumer(unit.output);
    if (next < 0 || !graph::takes_activation(unit.op()) || graph::clamp_of(node(next).op) == Activation::none) return;
    if (has_codes(unit.output) ? !has_codes(next) || !(codes(next) == codes(unit.output)) : !has_codes(next)) return;
    unit.deployed.activation = graph::clamp_of(node(next).op);
    unit.output = next;
  }
  void keep_real(Unit& unit, int id) {
    unit.deployed.activation = Activation::none;
    unit.output = id;
    require(!graph::is<graph::op::Constant>(unit.op()), Errc::unsupported, "is a constant of codes among operators in float");
    unit.deployed.op = graph::op::Real{std::make_shared<const PlannedFunction>(graph(), id)};
    unit.real_output = !has_codes(id);
  }
  // Whether an activation before the first codes ends where their type does. ONNX Runtime leaves it out then, and computes
  // the two in float otherwise.
  [[nodiscard]] bool ends_with_type(const Unit& unit) const {
    if (unit.output == unit.node || has_codes(unit.node) || !has_codes(unit.output)) return true;
    const Affine& y = codes(unit.output);
    return integer::clamp_bounds(target_.weighted_clamp, unit.deployed.activation, y.scale, y.zero_point, y.grid) == integer::Bounds{};
  }
  // Whether a mean of codes, which integers make under their scale alone, has that scale; else it is one of reals.
  [[nodiscard]] bool keeps_scale(const Unit& unit) const {
    return !graph::is<graph::op::AveragePool>(unit.op()) || codes(node(unit.node).inputs[0]) == codes(unit.output);
  }
  // A clamp between two scales is a table; within one it moves codes.
  void clamp_between(Unit& unit) const {
    const Activation own = graph::clamp_of(unit.op());
    if (own == Activation::none) return;
    const Affine &in = codes(node(unit.node).inputs[0]), &out = codes(unit.output);
    if (in == out) return;
    unit.deployed.op = graph::op::Custom{std::make_shared<const graph::LookupOp>(onnx::rescaling_table(in, out, own), in, out)};
  }

  // Finds the constants of a layer. False if it is to be kept in float: what was read made its constants, and they are no codes.
  bool layer(Unit& unit) {
    if (!unit.has_weights()) return true;
    const auto found = file_.layers.find(unit.node);
    if (found == file_.layers.end()) return false;
    const onnx::CodesOfLayer& from = found->second;
    const Tensor<float>& w = file_.model.find_parameter(unit.node, graph::Role::weight)->value;
    LayerConstants c;
    const int axis = unit.channel_axis();
    const std::int64_t channels = w.shape()[axis];
    if (axis == 0) {
      packed_.take(static_cast<std::size_t>(
          integer::ConvolutionWeights::packed_bytes(w.shape(), std::max<std::int64_t>(1, graph().input_shapes(unit.node)[0].back() / w.shape().back()))));
    }
    c.weight_scale = from.weight_scale;
    require(c.weight_scale.size() == 1 || static_cast<std::int64_t>(c.weight_scale.size()) == channels, Errc::unsupported,
            "its weights have {} scales for {} outputs", c.weight_scale.size(), channels);
    std::int64_t below = 1;
    for (int d = axis + 1; d < w.shape().rank(); ++d) below *= w.shape()[d];
    c.weights = Tensor<std::int8_t>::zeros(w.shape());
    const auto codes_of = c.weights.edit();
    for (std::size_t i = 0; i < codes_of.size(); ++i) {
      const float scale = c.scale(i / static_cast<std::size_t>(below) % static_cast<std::size_t>(channels)), real = w.span()[i];
      const float q = round_half_even(real / scale);
      require(q >= -128.0f && q <= 127.0f && rounded_product(scale, q) == real, Errc::unsupported,
              "its weights are no int8 codes about zero times one scale for each output: {} at scale {}", real, scale);
      codes_of[i] = static_cast<std::int8_t>(q);
    }
    bias(unit, from, channels, c);
    constants_[unit.node] = std::move(c);
    return true;
  }
  void bias(const Unit& unit, const onnx::CodesOfLayer& from, std::int64_t channels, LayerConstants& c) {
    c.bias = Tensor<std::int32_t>::zeros(Shape{channels});
    const Parameter* const real = file_.model.find_parameter(unit.node, graph::Role::bias);
    if (real == nullptr) return;
    require(static_cast<std::int64_t>(from.bias.size()) == channels, Errc::unsupported, "its bias is no int32 codes, one for each output");
    const float s_in = codes(node(unit.node).inputs[0]).scale;
    const auto to = c.bias.edit();
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] = from.bias[i];
      const double wanted = static_cast<double>(s_in) * static_cast<double>(c.scale(i));
      const double scale = static_cast<double>(from.bias_scale[from.bias_scale.size() == 1 ? 0 : i]);
      require(std::abs(scale - wanted) <= 1e-6 * wanted, Errc::unsupported,
              "its bias has the scale {} in channel {}, must be input scale times weight scale, {}", scale, i, wanted);
      require(real->value.span()[i] == rounded_product(from.bias_scale[from.bias_scale.size() == 1 ? 0 : i], static_cast<float>(to[i])), Errc::unsupported,
              "something is added to its bias, or multiplied with it, behind the codes");
    }
  }

  onnx::ModelOfCodes file_;
  const Target& target_;
  std::string where_;
  Budget packed_;  // of the weights as the engine will pack them
  std::vector<bool> taken_;
  std::vector<int> unit_of_;
  std::vector<Unit> units_;
  std::map<int, LayerConstants> constants_;
  Problems problems_;
};

}  // namespace stet::detail
