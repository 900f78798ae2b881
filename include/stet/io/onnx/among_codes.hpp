#pragma once
// Operators of .onnx files of integers: read as those of floats, with what they read and make told apart as codes, what codes
// mean, and other reals.

#include <stet/io/onnx/read_codes.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::onnx {

namespace detail {

inline bool one_of(const std::string& op_type, std::initializer_list<std::string_view> types) {
  return std::ranges::find(types, std::string_view(op_type)) != types.end();
}

/// Values and constants that a node sees in place of those of the file, as long as this lives.
class LentOperands {
 public:
  explicit LentOperands(Importer& g) : g_(g) {}
  LentOperands(const LentOperands&) = delete;
  LentOperands& operator=(const LentOperands&) = delete;
  ~LentOperands() {
    for (auto& [name, value] : values_) value ? void(g_.values[name] = std::move(*value)) : void(g_.values.erase(name));
    for (auto& [name, constant] : constants_) constant ? void(g_.constants[name] = std::move(*constant)) : void(g_.constants.erase(name));
  }
  void value(const std::string& name, Arrangement a) {
    keep(values_, g_.values, name);
    g_.values[name] = std::move(a);
  }
  void constant(const std::string& name, Constant c) {
    keep(constants_, g_.constants, name);
    g_.constants[name] = std::move(c);
  }
  void no_constant(const std::string& name) {
    keep(constants_, g_.constants, name);
    g_.constants.erase(name);
  }

 private:
  template <class T>
  static void keep(std::map<std::string, std::optional<T>>& kept, std::map<std::string, T>& now, const std::string& name) {
    const auto found = now.find(name);
    kept.try_emplace(name, found == now.end() ? std::optional<T>() : std::optional<T>(std::move(found->second)));
  }

  Importer& g_;
  std::map<std::string, std::optional<Arrangement>> values_{};
  std::map<std::string, std::optional<Constant>> constants_{};
};

// Codes of a constant operand as a value of so many dimensions.
inline Arrangement constant_value(Importer& g, const std::string& name, const Constant& c, std::size_t rank) {
  const DequantizedConstant& d = g.codes->dequantized_constants.at(name);
  Ints dims = c.dims;
  while (dims.size() > rank && dims[0] == 1) dims.erase(dims.begin());
  require(dims.size() <= rank && c.size() > 0, Errc::unsupported, "the constant '{}' has {} dimensions; it must be the same for every sample", name, c.dims.size());
  dims.insert(dims.begin(), rank - dims.size(), 1);
  const std::vector<int> order = usual_order(rank);
  const auto [found, fresh] = g.codes->operands.try_emplace({name, rank}, -1);
  if (!fresh) return Arranger::make(found->second, dims, order);
  g.budget.take(6 * c.size());
  Constant sample = c;
  sample.dims = dims;
  Ints perm(order.begin(), order.end());
  sample = transposed(sample, perm);
  const Shape shape(sample.dims);
  Tensor<std::int8_t> codes = Tensor<std::int8_t>::zeros(shape);
  const auto to = codes.edit();
  for (std::size_t i = 0; i < to.size(); ++i) {
    const float q = round_half_even(sample.reals[i] / d.scale[0]) + static_cast<float>(d.zero_point);
    require(q >= -128.0f && q <= 127.0f, Errc::unsupported, "the constant '{}' has codes that are not of 8 bits", name);
    to[i] = static_cast<std::int8_t>(q);
  }
  const int id = g.graph.add(graph::op::Constant{shape}, {}, g.arranger.free_name(name)).id();
  g.codes->of_node[id] = {d.scale[0], d.zero_point, Grid::int8()};
  g.codes->constants[id] = std::move(codes);
  found->second = id;
  return Arranger::make(id, dims, order);
}

// Constants of one scale become values where integers add, multiply, compare or join them.
inline void lend_operands(Importer& g, LentOperands& lent) {
  if (!one_of(g.node->op_type, {"Add", "Sub", "Mul", "Max", "Min", "Concat"})) return;
  std::size_t rank = 0;
  for (const std::string& in : g.node->inputs) {
    const auto found = g.values.find(in);
    if (found != g.values.end()) rank = std::max(rank, found->second.dims.size());
  }
  if (rank == 0) return;
  for (const std::string& in : g.node->inputs) {
    const auto c = g.constants.find(in);
    const auto d = g.codes->dequantized_constants.find(in);
    if (c == g.constants.end() || d == g.codes->dequantized_constants.end() || d->second.scale.size() != 1 || !d->second.bias.empty()) continue;
    Arrangement value = constant_value(g, in, c->second, rank);
    lent.no_constant(in);
    lent.value(in, std::move(value));
  }
}

// The only QuantizeLinear that reads a value, directly.
inline const NodeInfo* quantizer_behind(const Importer& g, const std::string& value) {
  const std::vector<const NodeInfo*> list = g.readers(value);
  return list.size() == 1 && list[0]->op_type == "QuantizeLinear" && !g.is_output(value) ? list[0] : nullptr;
}
// Values of different scales are joined after they have that of the result.
inline void lend_joined(Importer& g, LentOperands& lent) {
  const NodeInfo* const quantizer = g.node->op_type == "Concat" ? quantizer_behind(g, g.node->outputs.at(0)) : nullptr;
  if (quantizer == nullptr) return;
  const NodeInfo* const joins = std::exchange(g.node, quantizer);
  const CodesInFile to = meaning(g, type_of(g, 2, DataType::uint8));
  g.node = joins;
  for (const std::string& in : joins->inputs) {
    const auto x = g.values.find(in);
    if (x == g.values.end() || x->second.node < 0 || !g.codes->of_node.contains(x->second.node)) continue;
    Arrangement same = x->second;
    same.node = rescaled(g, same.node, to.meaning);
    if (same.node != x->second.node) lent.value(in, std::move(same));
  }
}

// Codes cut to bounds, which are codes too.
inline void read_clip_of_codes(Importer& g, const CodesInFile& c) {
  const auto bound = [&](std::size_t i, std::int64_t otherwise) { return std::clamp<std::int64_t>(g.one_integer(i, "bound", otherwise + c.shift()) - c.shift(), -128, 127); };
  const std::int64_t lo = bound(1, -128), hi = bound(2, 127);
  require(lo <= hi, Errc::unsupported, "clips codes to {}..{}, which are not ascending", lo, hi);
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const auto real = [&](std::int64_t q) { return c.meaning.scale * static_cast<float>(q - c.meaning.zero_point); };
  const integer::Activation bounds{lo == -128 ? -infinity : real(lo), hi == 127 ? infinity : real(hi)};
  graph::Operator op = graph::op::Clip{bounds};
  if (bounds == integer::Activation::relu) op = graph::op::Relu{};
  if (lo == hi) {  // one code for all, which no clip of real numbers has
    integer::Table table{};
    table.fill(static_cast<std::int8_t>(lo));
    op = graph::op::Custom{std::make_shared<const graph::LookupOp>(table, c.meaning, c.meaning)};
  }
  give_with_node(g, g.input_name(0), g.node->outputs[0], [&](int from) {
    if (bounds == integer::Activation::none) return from;
    const int id = g.add(std::move(op), {from});
    g.codes->of_node[id] = c.meaning;
    return id;
  });
}

// The one node that reads a value, if it is of this kind.
inline const NodeInfo* sole_reader(const Importer& g, const std::string& value, std::string_view op_type) {
  const std::vector<const NodeInfo*> list = g.readers(value);
  const bool one = list.size() == 1 && list[0]->op_type == op_type && list[0]->outputs.size() == 1 && !g.is_output(value);
  return one ? list[0] : nullptr;
}
// What the codes of a value mean by a DequantizeLinear that reads it, or what only moves it.
inline CodesInFile meaning_behind(Importer& g, const std::string& value, DataType type) {
  std::vector<std::string> left{value};
  for (std::size_t i = 0; i < left.size() && left.size() < 1024; ++i) {
    for (const NodeInfo* reader : g.readers(left[i])) {
      if (reader->op_type == "DequantizeLinear") {
        const NodeInfo* const now = std::exchange(g.node, reader);
        const CodesInFile found = meaning(g, type);
        g.node = now;
        return found;
      }
      left.insert(left.end(), reader->outputs.begin(), reader->outputs.end());
    }
  }
  fail(Errc::unsupported, "no DequantizeLinear says what the codes of '{}' mean", value);
}

// Codes as indices of a table of 256 codes: Cast, Gather, and of int8 codes an Add of 128 between them.
inline void read_lookup(Importer& g, const CodesInFile& c) {
  const NodeInfo* at_end = g.node;
  if (c.type == DataType::int8) {
    at_end = sole_reader(g, at_end->outputs[0], "Add");
    const bool shifts = at_end != nullptr && at_end->inputs.size() == 2 && g.constants.contains(at_end->inputs[1]) &&
                        g.constants.at(at_end->inputs[1]).integers == Ints{128};
    require(shifts, Errc::unsupported, "only a lookup of codes is understood: Cast to int32, an Add of 128 if they are int8, Gather");
    g.done.insert(at_end);
  }
  const NodeInfo* const gather = sole_reader(g, at_end->outputs[0], "Gather");
  const TensorInfo* table = nullptr;
  if (gather != nullptr && gather->inputs.size() == 2 && gather->inputs[1] == at_end->outputs[0]) {
    const auto found = g.codes->tensors.find(gather->inputs[0]);
    table = found == g.codes->tensors.end() ? nullptr : found->second;
  }
  require(table != nullptr && table->dims == Ints{256} && table->data.size() == 256 && (table->type == DataType::uint8 || table->type == DataType::int8),
          Errc::unsupported, "only a lookup of codes is understood: Cast to int32, Gather from a constant of 256 codes of 8 bits");
  Attributes attributes(*gather);
  attributes.expect("axis", 0);
  attributes.finish();
  const std::string& out = gather->outputs[0];
  const CodesInFile to = meaning_behind(g, out, table->type);
  integer::Table codes{};
  for (std::size_t i = 0; i < 256; ++i) codes[i] = static_cast<std::int8_t>(static_cast<std::uint8_t>(table->data[i] - (table->type == DataType::uint8 ? 128 : 0)));
  g.done.insert(gather);
  g.codes->on_codes[out] = to;
  give_with_node(g, g.input_name(0), out, [&](int from) {
    const int id = g.graph.add(graph::op::Custom{std::make_shared<const graph::LookupOp>(codes, c.meaning, to.meaning)}, {from},
                               g.arranger.free_name(gather->name.empty() ? out : gather->name)).id();
    g.codes->of_node[id] = to.meaning;
    return id;
  });
}

}  // namespace detail

/// Reads the importer's node, which may read codes or what they mean. `read` reads it as one of reals.
/// Errors:    Errc::unsupported if it computes with codes as numbers
inline void read_among_codes(Importer& g, const std::function<void()>& read, void (*read_numbers)(Importer&)) {
  if (codes_reader_of(*g.node) != nullptr) return read();
  const auto& codes = g.codes->on_codes;
  const CodesInFile* c = nullptr;
  for (const std::string& in : g.node->inputs) {
    const auto found = codes.find(in);
    if (found == codes.end()) continue;
    require(c == nullptr || (c->meaning == found->second.meaning && c->type == found->second.type), Errc::unsupported,
            "moves codes of different scales, zero points or types together");
    c = &found->second;
  }
  detail::LentOperands lent(g);
  if (c == nullptr) {
    detail::lend_operands(g, lent);
    detail::lend_joined(g, lent);
    return read();
  }
  const CodesInFile own = *c;
  const std::string& type = g.node->op_type;
  if (type == "Cast") {
    Attributes a(*g.node);
    const auto to = static_cast<DataType>(a.integer("to", 0));
    return to == DataType::float32 ? read_numbers(g) : detail::read_lookup(g, own);
  }
  for (const std::string& out : g.node->outputs) g.codes->on_codes[out] = own;
  if (type == "Clip") return detail::read_clip_of_codes(g, own);
  require(detail::one_of(type, {"Concat", "Dropout", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Pad", "Reshape", "Resize", "Slice", "Split",
                                "Squeeze", "Transpose", "Unsqueeze", "DepthToSpace", "SpaceToDepth", "Upsample"}),
          Errc::unsupported, "computes with codes; only operators that move them stand between QuantizeLinear and DequantizeLinear");
  if (type == "Pad" && g.has_input(2)) {
    require(g.one_integer(2, "constant_value", 0) == own.meaning.zero_point + own.shift(), Errc::unsupported,
            "pads codes with {}, must be their zero point {}", g.one_integer(2, "constant_value", 0), own.meaning.zero_point + own.shift());
    lent.constant(g.node->inputs[2], Constant{.name = g.node->inputs[2], .real = true, .reals = {0.0f}});
  } else if (type == "Pad") {
    require(own.meaning.zero_point + own.shift() == 0, Errc::unsupported, "pads codes with 0, must be their zero point {}", own.meaning.zero_point + own.shift());
  }
  read();
}

/// Says of the nodes that were made of a node of the file, from `before` on, and of its outputs what they are.
inline void settle_codes(Importer& g, const NodeInfo& node, int before) {
  CodesOfFile& codes = *g.codes;
  const bool makes_codes = codes_reader_of(node) != nullptr;
  bool reals = false;
  for (const std::string& in : node.inputs) {
    const bool computed = g.values.contains(in) || g.views.contains(in);
    reals = reals || (computed && !codes.on_codes.contains(in) && !codes.dequantized.contains(in));
  }
  if (!makes_codes && reals) {
    for (int id = before; id < g.graph.size(); ++id) codes.on_reals.insert(id);
  }
  codes.pass_on(g.graph, before);
  // A sum of one value says that what reads it is one of reals.
  if (makes_codes || reals || (node.op_type == "Sum" && node.inputs.size() == 1)) return;
  for (const std::string& out : node.outputs) {
    const auto value = g.values.find(out);
    const auto moved = g.views.find(out);
    const int id = value != g.values.end() ? value->second.node : moved != g.views.end() ? moved->second.node : -1;
    if (id >= 0 && codes.of_node.contains(id) && !codes.on_codes.contains(out)) codes.dequantized.insert(out);
  }
}

}  // namespace stet::onnx
