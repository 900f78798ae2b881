#pragma once
// WeightsWriter: an IntegerModel as tables of C, in the conventions of CMSIS-NN.

#include <stet/graph/resolve.hpp>
#include <stet/io/c/text.hpp>
#include <stet/io/c/types.hpp>
#include <stet/io/fingerprint_text.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stet::c {

// Initializers of C.
inline std::string pair(std::int64_t w, std::int64_t h) { return formatted("{{{}, {}}}", w, h); }
inline std::string bounds(integer::Bounds b) { return formatted("{{{}, {}}}", b.lo, b.hi); }
inline std::string dims(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
  return formatted("{{{}, {}, {}, {}}}", n, h, w, c);
}

/// The tables of one model while they are written, node by node. Every array is static; the network's table alone is
/// visible outside.
class WeightsWriter {
 public:
  /// What the table of nodes says of the present node; what is not set is 0.
  struct Row {
    std::string op{}, params = "0", filter = "{0, 0, 0, 0}", weights = "0", bias = "0", multiplier = "0", shift = "0";
  };
  Row row{};

  WeightsWriter(const IntegerModel& model, std::string symbol) : model_(model), symbol_(std::move(symbol)) {
    model_.target = targets::tflite_micro;
  }

  /// Writes one node by write(operator, *this).
  template <class Write>
  void node(std::size_t i, Write write) {
    node_ = &model_.nodes[i];
    id_ = formatted("{}_{}_{}", symbol_, i, identifier(node_->name));
    row = {};
    site_.emplace(model_, *node_);
    write(*node_);
    const std::string inputs = node_->inputs.empty() ? "0" : array("int32_t", "inputs", node_->inputs);
    rows_ += formatted("  {{{}, {}, {}, {}, {}, {}, {}, {}, {}, {{{}, {}}}}},\n", row.op, literal(node_->name), inputs,
                       node_->inputs.size(), node_->output, row.params, row.filter, row.weights, row.bias, row.multiplier,
                       row.shift);
  }
  /// The source text, when all nodes are written.
  [[nodiscard]] std::string source() const {
    return head() + fingerprint_comment(stet::detail::fingerprint_text_of("save_c_weights", model_)) + std::string(types) + "\n" + arrays_ + tables();
  }

  [[nodiscard]] const IntegerModel& model() const { return model_; }
  /// The present node and what surrounds it.
  [[nodiscard]] const NodeSite& site() const { return *site_; }

  /// Defines an array and returns its name.
  template <class Range>
  std::string array(std::string_view type, std::string_view what, const Range& numbers) {
    const std::string name = formatted("{}_{}", id_, what);
    arrays_ += formatted("static const {} {}[] = {{\n", type, name);
    append_numbers(arrays_, numbers);
    arrays_ += "};\n";
    return name;
  }
  /// Defines the node's parameters.
  void params(std::string_view type, const std::string& fields) {
    row.params = formatted("&{}_params", id_);
    arrays_ += formatted("static const {} {}_params = {{{}}};\n", type, id_, fields);
  }
  [[nodiscard]] std::string offsets() const {
    return formatted("{}, {}", -site_->in().codes.zero_point, site_->out().codes.zero_point);
  }
  /// Writes weights, biases and multipliers of a layer; returns the bounds of its output.
  template <class Op>
  integer::Bounds layer(const Op& o, const char* name) {
    const Shape& k = node_->constants.weights.shape();
    const integer::Requantizer r = site_->resolve(o);
    const auto channels = [&](const std::vector<std::int32_t>& all) {
      return std::vector<std::int32_t>(all.begin(), all.begin() + k[Op::channel_axis]);
    };
    row.op = name;
    row.filter = k.rank() == 4 ? dims(k[0], k[1], k[2], k[3]) : dims(k[1], 1, 1, k[0]);
    row.weights = array("int8_t", "weights", node_->constants.weights.span());
    row.bias = array("int32_t", "bias", node_->constants.bias.span());
    row.multiplier = array("int32_t", "multiplier", channels(r.multiplier));
    row.shift = array("int32_t", "shift", channels(r.shift));
    return r.bounds;
  }
 private:
  static std::string dims_of(const Shape& s) {
    const int r = s.rank();
    return dims(1, r > 2 ? s[r - 3] : 1, r > 1 ? s[r - 2] : 1, s[r - 1]);
  }
    [[nodiscard]] std::string head() const {
    return formatted(
        "/* The integers of a quantized network in the conventions of CMSIS-NN: input_offset = -zero point of the "
        "input,\n"
        "   output_offset = +zero point of the output, multiplier and shift per output (shift > 0 is to the left),\n"
        "   padding = top and left. Arithmetic: {}.\n"
        "   Another file declares: extern const stet_network {}; */\n",
        targets::tflite_micro.runtime, symbol_);
  }
  [[nodiscard]] std::string tables() const {
    std::string text = formatted("\nstatic const stet_value {}_values[] = {{\n", symbol_);
    for (const IntegerValue& v : model_.values) {
      text += formatted("  {{{}, {}, {:.9e}f, {}}},\n", literal(v.name), dims_of(v.shape),
                          static_cast<double>(v.codes.scale), v.codes.zero_point);
    }
    text += formatted("}};\n\nstatic const stet_node {}_nodes[] = {{\n{}}};\n\n", symbol_, rows_);
    const auto ends = [&](const char* name, const std::vector<int>& values) {
      text += formatted("static const int32_t {}_{}[] = {{\n", symbol_, name);
      append_numbers(text, values);
      text += "};\n";
    };
    ends("inputs", model_.inputs());
    ends("outputs", model_.outputs);
    text += formatted("extern const stet_network {};\n", symbol_);
    text += formatted("const stet_network {0} = {{{0}_values, {0}_nodes, {0}_inputs, {0}_outputs, {1}, {2}, {3}, {4}}};\n", symbol_,
                        model_.values.size(), model_.nodes.size(), model_.inputs().size(), model_.outputs.size());
    return text;
  }

  IntegerModel model_;
  std::string symbol_, arrays_{}, rows_{}, id_{};
  const IntegerNode* node_ = nullptr;
  std::optional<NodeSite> site_{};  // of node_
};

// A function of one number is a table of codes, whichever it is.
template <graph::op::TableOp Op>
void write(const Op& o, WeightsWriter& w) {
  w.row.op = "STET_LOOKUP";
  w.row.weights = w.array("int8_t", "table", w.site().resolve(o));
}

}  // namespace stet::c
