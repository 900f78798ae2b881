#pragma once
// Readers of QuantizeLinear and DequantizeLinear, and what is between them.

#include <stet/io/int4.hpp>
#include <stet/io/onnx/importer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::onnx {

namespace detail {

inline DataType type_of(const Importer& g, std::size_t i, DataType otherwise) {
  if (!g.has_input(i)) return otherwise;
  const auto found = g.codes->tensors.find(g.node->inputs[i]);
  require(found != g.codes->tensors.end(), Errc::unsupported, "zero point '{}' is computed; only a constant is understood", g.node->inputs[i]);
  return found->second->type;
}
inline float scale_of(float s, const std::string& name) {
  require(std::isfinite(s) && s > 0.0f, Errc::unsupported, "scale '{}' is {}, must be positive and finite", name, s);
  return s;
}
// What codes mean by the scale and the zero point of the node that is read.
inline CodesInFile meaning(Importer& g, DataType type) {
  require(type == DataType::uint8 || type == DataType::int8, Errc::unsupported,
          "its codes have data type {}; integers of stet have uint8 or int8", static_cast<int>(type));
  CodesInFile c{{}, type};
  const float scale = g.one_real(1, "scale", 1.0f);
  const std::int64_t zero = g.one_integer(2, "zero point", 0) - c.shift();
  c.meaning.scale = scale_of(scale, g.input_name(1));
  require(zero >= -128 && zero <= 127, Errc::unsupported, "the zero point is {}, outside of its type", zero + c.shift());
  c.meaning.zero_point = static_cast<std::int32_t>(zero);
  return c;
}
inline void ignore_kinds(Attributes& a) {
  a.ignore("saturate");
  a.ignore("precision");
  a.expect("block_size", 0);
}
// Scale and zero point of each element of a constant: of all, or of each place along an axis.
struct PerElement {
  std::vector<float> scale;
  Ints zero;
  std::size_t below = 1;  // elements between neighbours of the axis
  [[nodiscard]] std::size_t place(std::size_t i) const { return i / below % scale.size(); }
  [[nodiscard]] std::int64_t zero_of(std::size_t i) const { return zero.empty() ? 0 : zero[place(i)]; }
};
inline PerElement per_element(Importer& g, Attributes& a, const Ints& dims) {
  PerElement p{g.reals(1, "scale").reals, {}, 1};
  const std::int64_t axis = a.integer("axis", 1);
  require(!p.scale.empty(), Errc::unsupported, "there is no scale");
  for (const float s : p.scale) (void)scale_of(s, g.input_name(1));
  if (g.has_input(2)) p.zero = g.integers(2, "zero point").integers;
  require(p.zero.empty() || p.zero.size() == p.scale.size(), Errc::unsupported, "{} scales and {} zero points", p.scale.size(), p.zero.size());
  if (p.scale.size() == 1) return p;
  const std::size_t along = axis_of(axis, dims.size());
  require(dims[along] == static_cast<std::int64_t>(p.scale.size()), Errc::unsupported, "{} scales along a dimension of {}", p.scale.size(), dims[along]);
  for (std::size_t d = along + 1; d < dims.size(); ++d) p.below *= at(dims[d]);
  return p;
}
inline std::int64_t codes_least(DataType type) { return type == DataType::uint8 ? 0 : -128; }

// The nodes that read a value all quantize it, and alike: nobody reads it as a real number.
inline void require_quantized_alone(Importer& g) {
  const std::string& x = g.input_name(0);
  if (!g.codes->quantized_alone.insert(x).second) return;
  require(!g.is_output(x), Errc::unsupported, "'{}' is also an output as real numbers; end at what its DequantizeLinear makes", x);
  for (const NodeInfo* reader : g.readers(x)) {
    const bool same = reader->op_type == "QuantizeLinear" && reader->inputs.size() == g.node->inputs.size() &&
                      std::equal(reader->inputs.begin() + 1, reader->inputs.end(), g.node->inputs.begin() + 1);
    require(same, Errc::unsupported, "'{}' is read by a {} too, as real numbers or other codes; integers know its codes alone", x, reader->op_type);
  }
}

// Gives an output the value of an input with another node, wherever its samples lie.
template <class F>
void give_with_node(Importer& g, const std::string& in, const std::string& out, F&& node_of) {
  if (const auto moved = g.views.find(in); moved != g.views.end()) {
    BatchView v = moved->second;
    v.node = node_of(v.node);
    return g.give_view(out, std::move(v));
  }
  Arrangement x = g.value();
  require(x.node >= 0, Errc::unsupported, "'{}' is a part of another operator", in);
  x.node = node_of(x.node);
  g.give(out, std::move(x));
}

}  // namespace detail

/// The node with the codes of another one under another scale and zero point.
inline int rescaled(Importer& g, int from, const Affine& to) {
  const Affine in = g.codes->of_node.at(from);
  if (in == to) return from;
  g.budget.take(2 * sizeof(integer::Table));
  const int id = g.graph.add(graph::op::Custom{std::make_shared<const graph::LookupOp>(rescaling_table(in, to), in, to)}, {from},
                             g.arranger.free_name(g.label() + "_rescaled")).id();
  g.codes->of_node[id] = to;
  return id;
}

/// Says what the codes of a value mean. One that has codes of another meaning already gets new ones by a table.
inline void read_quantize(Importer& g, Attributes& a) {
  detail::ignore_kinds(a);
  const std::int64_t wanted = a.integer("output_dtype", 0);
  const DataType type = detail::type_of(g, 2, wanted != 0 ? static_cast<DataType>(wanted) : DataType::uint8);
  const std::string& out = g.node->outputs[0];
  if (g.is_constant()) {
    require(type == DataType::uint8 || type == DataType::int8, Errc::unsupported, "constants become codes of uint8 or int8 alone");
    const Constant& x = g.reals(0, "input");
    const detail::PerElement p = detail::per_element(g, a, x.dims);
    Constant c{.name = out, .dims = x.dims};
    g.budget.take(x.size() * sizeof(std::int64_t));
    const auto least = static_cast<float>(detail::codes_least(type));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto zero = static_cast<float>(p.zero_of(i));
      const float steps = std::clamp(round_half_even(x.reals[i] / p.scale[p.place(i)]), least - zero, least + 255.0f - zero);
      require(std::isfinite(steps), Errc::unsupported, "the constant '{}' has the value {}", x.name, x.reals[i]);
      c.integers.push_back(static_cast<std::int64_t>(steps + zero));
    }
    return g.give(std::move(c));
  }
  a.ignore("axis");
  const CodesInFile c = detail::meaning(g, type);
  const std::string& in = g.input_name(0);
  require(!g.codes->on_codes.contains(in), Errc::unsupported, "'{}' is codes already", in);
  if (!g.codes->dequantized.contains(in)) detail::require_quantized_alone(g);
  g.codes->on_codes[out] = c;
  detail::give_with_node(g, in, out, [&](int node) {
    const auto [found, fresh] = g.codes->of_node.emplace(node, c.meaning);
    return fresh ? node : rescaled(g, node, c.meaning);
  });
}

/// The real values of codes: of constants, or of a value, which stays what it is.
inline void read_dequantize(Importer& g, Attributes& a) {
  detail::ignore_kinds(a);
  a.ignore("output_dtype");
  const std::string &in = g.input_name(0), &out = g.node->outputs[0];
  if (!g.is_constant()) {
    const auto codes = g.codes->on_codes.find(in);
    require(codes != g.codes->on_codes.end(), Errc::unsupported, "'{}' is no codes of a QuantizeLinear; the inputs of the file are to be real", in);
    a.ignore("axis");
    const CodesInFile now = codes->second;
    require(detail::meaning(g, now.type).meaning == now.meaning, Errc::unsupported,
            "it takes the codes of '{}' for others than they were made as: another scale or zero point", in);
    g.codes->dequantized.insert(out);
    return detail::give_with_node(g, in, out, [](int node) { return node; });
  }
  const auto found = g.codes->tensors.find(in);
  const TensorInfo* const t = found == g.codes->tensors.end() ? nullptr : found->second;  // else a QuantizeLinear made it
  const Constant whole = t == nullptr ? g.integers(0, "input") : Constant{.dims = t->dims};
  const detail::PerElement p = detail::per_element(g, a, whole.dims);
  const std::size_t count = t == nullptr ? whole.size() : at(product(whole.dims));
  g.budget.take(count * sizeof(float));
  DequantizedConstant& made = g.codes->dequantized_constants[out];
  std::vector<std::int32_t> codes;
  if (t == nullptr) {
    codes.assign(whole.integers.begin(), whole.integers.end());
  } else if (t->type == DataType::int8) {
    codes = detail::convert_elements<std::int8_t, std::int32_t>(t->data);
  } else if (t->type == DataType::uint8) {
    codes = detail::convert_elements<std::uint8_t, std::int32_t>(t->data);
  } else if (t->type == DataType::int32) {
    codes = detail::convert_elements<std::int32_t, std::int32_t>(t->data);
  } else {
    require(t->type == DataType::int4 && t->data.size() == (count + 1) / 2, Errc::unsupported,
            "constants of data type {} are not understood as codes; int8, uint8, int4 and int32 are", static_cast<int>(t->type));
    const std::vector<std::int8_t> unpacked = unpacked_int4(t->data, count);
    codes.assign(unpacked.begin(), unpacked.end());
  }
  require(codes.size() == count, Errc::unsupported, "'{}' has {} numbers for {}", in, codes.size(), count);
  Constant c{.name = out, .dims = whole.dims, .real = true};
  c.reals.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    c.reals.push_back(p.scale[p.place(i)] * static_cast<float>(codes[i] - p.zero_of(i)));
  }
  made.scale = p.scale;
  if (t != nullptr && t->type == DataType::int32) made.bias = std::move(codes);
  // As int8 codes: those of uint8 are 128 less, and so is their zero point.
  const bool uint8 = t != nullptr ? t->type == DataType::uint8 : detail::type_of(g, 2, DataType::uint8) == DataType::uint8;
  made.zero_point = static_cast<std::int32_t>(std::clamp<std::int64_t>(p.zero_of(0), -1024, 1024)) - (uint8 ? 128 : 0);
  g.constants[out] = std::move(c);
}

inline constexpr OperatorReader codes_readers[] = {{"QuantizeLinear", read_quantize}, {"DequantizeLinear", read_dequantize}};

/// The reader of a node that makes or reads codes; null of all others.
inline const OperatorReader* codes_reader_of(const NodeInfo& node) {
  const bool known = node.domain.empty() || node.domain == "ai.onnx" || node.domain == "com.microsoft";
  for (const OperatorReader& r : codes_readers) {
    if (known && r.op_type == node.op_type) return &r;
  }
  return nullptr;
}

}  // namespace stet::onnx
