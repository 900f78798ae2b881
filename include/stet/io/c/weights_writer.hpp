#pragma once
// WeightsWriter: an IntegerModel as tables of C, in the conventions of CMSIS-NN.

#include <stet/graph/resolve.hpp>
#include <stet/io/c/text.hpp>
#include <stet/io/c/types.hpp>
#include <stet/io/integer_formats.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stet::c {

/// Writes the tables of one model. Every array is static; the network's table alone is visible outside.
class WeightsWriter {
 public:
  WeightsWriter(const IntegerModel& model, std::string symbol) : model_(model), symbol_(std::move(symbol)) {
    model_.target = targets::tflite_micro;
  }

  /// The source text.
  /// Errors:    Errc::unsupported listing all nodes that cannot be written
  std::string run() {
    const std::string problems = check_structure(model_).text() + fault_lines(format_faults(IntegerFormat::c, model_));
    require(problems.empty(), Errc::unsupported, "save_c_weights: this model cannot be written:{}", problems);
    for (std::size_t i = 0; i < model_.nodes.size(); ++i) write_node(i);
    return head() + std::string(types) + "\n" + arrays_ + tables();
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  [[nodiscard]] const IntegerValue& input(std::size_t i = 0) const { return model_.values[at(node_->inputs[i])]; }
  [[nodiscard]] const IntegerValue& result() const { return model_.values[at(node_->output)]; }
  void write_node(std::size_t i);
  // Defines an array or a parameter and returns its name.
  template <class Range>
  std::string array(std::string_view type, std::string_view what, const Range& numbers) {
    const std::string name = formatted("{}_{}", id_, what);
    arrays_ += formatted("static const {} {}[] = {{\n", type, name);
    append_numbers(arrays_, numbers);
    arrays_ += "};\n";
    return name;
  }
  void params(std::string_view type, const std::string& fields) {
    row_.params = formatted("&{}_params", id_);
    arrays_ += formatted("static const {} {}_params = {{{}}};\n", type, id_, fields);
  }
  static std::string pair(std::int64_t w, std::int64_t h) { return formatted("{{{}, {}}}", w, h); }
  static std::string bounds(integer::Bounds b) { return formatted("{{{}, {}}}", b.lo, b.hi); }
  static std::string dims(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
    return formatted("{{{}, {}, {}, {}}}", n, h, w, c);
  }
  static std::string dims(const Shape& s) {
    const int r = s.rank();
    return dims(1, r > 2 ? s[r - 3] : 1, r > 1 ? s[r - 2] : 1, s[r - 1]);
  }

  // Weights, biases and multipliers of a layer with `outputs` outputs.
  template <class Op>
  integer::Bounds layer(const Op& o, std::int64_t outputs) {
    const integer::Requantizer r = site_->resolve(o);
    const auto first = [&](const std::vector<std::int32_t>& all) {
      return std::vector<std::int32_t>(all.begin(), all.begin() + outputs);
    };
    row_.weights = array("int8_t", "weights", node_->constants.weights.span());
    row_.bias = array("int32_t", "bias", node_->constants.bias.span());
    row_.multiplier = "(int32_t *)" + array("int32_t", "multiplier", first(r.multiplier));
    row_.shift = "(int32_t *)" + array("int32_t", "shift", first(r.shift));
    return r.bounds;
  }
  static std::string tiles(const Window& w) {
    return pair(w.w.stride, w.h.stride) + ", " + pair(w.w.before, w.h.before) + ", " + pair(w.w.dilation, w.h.dilation);
  }
  [[nodiscard]] std::string offsets() const {
    return formatted("{}, {}", -input().codes.zero_point, result().codes.zero_point);
  }

  void write(const graph::op::Input&) {
    row_.op = "STET_INPUT";
    input_ = node_->output;
  }
  void write(const graph::op::Conv2D& o) {
    const Shape& k = node_->constants.weights.shape();
    const integer::Bounds b = layer(o, k[0]);
    row_.op = "STET_CONV";
    row_.filter = dims(k[0], k[1], k[2], k[3]);
    params("cmsis_nn_conv_params", offsets() + ", " + tiles(window(o, input().shape)) + ", " + bounds(b));
  }
  void write(const graph::op::DepthwiseConv2D& o) {
    const Shape& k = node_->constants.weights.shape();
    const integer::Bounds b = layer(o, k[3]);
    row_.op = "STET_DEPTHWISE_CONV";
    row_.filter = dims(k[0], k[1], k[2], k[3]);
    params("cmsis_nn_dw_conv_params",
           formatted("{}, {}, {}, {}", offsets(), o.multiplier, tiles(window(o, input().shape)), bounds(b)));
  }
  void write(const graph::op::Linear& o) {
    const Shape& k = node_->constants.weights.shape();
    const integer::Bounds b = layer(o, k[0]);
    row_.op = "STET_FULLY_CONNECTED";
    row_.filter = dims(k[1], 1, 1, k[0]);
    params("cmsis_nn_fc_params",
           formatted("{}, 0, {}, {}", -input().codes.zero_point, result().codes.zero_point, bounds(b)));
  }
  void sum(const char* name, const integer::AddParameters& p) {
    row_.op = name;
    params("stet_add_params", formatted("{}, {}, {}, {}, {}, {}, 20, {}, {}, {}, {}, {}", -p.z1, p.m1.multiplier,
                                          p.m1.shift, -p.z2, p.m2.multiplier, p.m2.shift, p.z_out, p.m_out.multiplier,
                                          p.m_out.shift, p.bounds.lo, p.bounds.hi));
  }
  void write(const graph::op::Add& o) { sum("STET_ADD", site_->resolve(o)); }
  void write(const graph::op::Sub& o) { sum("STET_SUB", site_->resolve(o)); }
  void write(const graph::op::Mul& o) {
    const integer::MultiplyParameters p = site_->resolve(o);
    row_.op = "STET_MUL";
    params("stet_mul_params", formatted("{}, {}, {}, {}, {}, {}, {}", -p.z1, -p.z2, p.z_out, p.m.multiplier,
                                          p.m.shift, p.bounds.lo, p.bounds.hi));
  }
  void pool(const char* op, const Window& w) {
    row_.op = op;
    row_.filter = dims(1, w.h.kernel, w.w.kernel, 1);
    params("cmsis_nn_pool_params", pair(w.w.stride, w.h.stride) + ", " + pair(w.w.before, w.h.before) + ", " +
                                       bounds({result().codes.grid.lo, result().codes.grid.hi}));
  }
  void write(const graph::op::MaxPool& o) { pool("STET_MAX_POOL", window(o, input().shape)); }
  void write(const graph::op::AveragePool& o) { pool("STET_AVERAGE_POOL", window(o, input().shape)); }
  void write(const graph::op::GlobalAveragePool& o) {
    const integer::MeanParameters p = site_->resolve(o);
    row_.op = "STET_MEAN";
    params("stet_mean_params", formatted("{}, {}, {}", offsets(), p.m.multiplier, p.m.shift));
  }
  void write(const graph::op::Concat& o) {
    row_.op = "STET_CONCAT";
    params("stet_concat_params", formatted("{}", 4 - result().shape.rank() + o.axis));
  }
  void write(const graph::op::Pad& o) {
    row_.op = "STET_PAD";
    params("stet_pad_params",
           formatted("{}, {}, {}, {}, {}", o.top, o.bottom, o.left, o.right, input().codes.zero_point));
  }
  void write(const graph::op::Reshape&) { row_.op = "STET_RESHAPE"; }
  void write(const graph::op::Transpose& o) {
    const int rank = result().shape.rank(), before = 4 - rank;
    std::array<int, 4> axes{0, 1, 2, 3};
    for (int i = 0; i < rank; ++i) axes[at(before + i)] = before + o.axes[at(i)];
    row_.op = "STET_TRANSPOSE";
    params("stet_transpose_params", formatted("{{{}, {}, {}, {}}}", axes[0], axes[1], axes[2], axes[3]));
  }
  void clamp(integer::Bounds b) {
    row_.op = "STET_CLAMP";
    params("cmsis_nn_activation", formatted("{}, {}", b.lo, b.hi));
  }
  void write(const graph::op::Relu& o) { clamp(site_->resolve(o).bounds); }
  void write(const graph::op::Relu6& o) { clamp(site_->resolve(o).bounds); }
  template <graph::op::TableOp Op>
  void write(const Op& o) {
    row_.op = "STET_LOOKUP";
    row_.weights = array("int8_t", "table", site_->resolve(o));
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
      text += formatted("  {{{}, {}, {:.9e}f, {}}},\n", literal(v.name), dims(v.shape),
                          static_cast<double>(v.codes.scale), v.codes.zero_point);
    }
    text += formatted("}};\n\nstatic const stet_node {}_nodes[] = {{\n{}}};\n\n", symbol_, rows_);
    text += formatted("extern const stet_network {};\n", symbol_);
    text += formatted("const stet_network {0} = {{{0}_values, {0}_nodes, {1}, {2}, {3}, {4}}};\n", symbol_,
                        model_.values.size(), model_.nodes.size(), input_, model_.outputs[0]);
    return text;
  }

  struct Row {
    std::string op{}, params = "0", filter = "{0, 0, 0, 0}", weights = "0", bias = "0", multiplier = "0", shift = "0";
  };

  IntegerModel model_;
  std::string symbol_, arrays_{}, rows_{}, id_{};
  const IntegerNode* node_ = nullptr;
  std::optional<NodeSite> site_{};  // of node_
  Row row_{};
  int input_ = -1;
};

// Behind the class: clang 16 loses member templates that a generic lambda instantiates before their bodies are parsed.
inline void WeightsWriter::write_node(std::size_t i) {
  node_ = &model_.nodes[i];
  id_ = formatted("{}_{}_{}", symbol_, i, identifier(node_->name));
  row_ = {};
  site_.emplace(model_, *node_);
  graph::match_integer(node_->op, [this](const auto& op) { write(op); });
  const std::string inputs = node_->inputs.empty() ? "0" : array("int32_t", "inputs", node_->inputs);
  rows_ += formatted("  {{{}, {}, {}, {}, {}, {}, {}, {}, {}, {{{}, {}}}}},\n", row_.op, literal(node_->name),
                       inputs, node_->inputs.size(), node_->output, row_.params, row_.filter, row_.weights, row_.bias,
                       row_.multiplier, row_.shift);
}

}  // namespace stet::c
