#pragma once
// WeightsWriter: an IntegerModel as tables of C, in the conventions of CMSIS-NN.

#include <stet/integer/elementwise_parameters.hpp>
#include <stet/integer/layer.hpp>
#include <stet/integer/lookup.hpp>
#include <stet/integer/pooling.hpp>
#include <stet/integer/reduction.hpp>
#include <stet/io/c/text.hpp>
#include <stet/io/c/types.hpp>
#include <stet/io/integer_formats.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
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
    // The numbers are asked for by the writing itself, of the same functions.
    problems_ = check_structure(model_).text() +
                fault_lines(format_faults(IntegerFormat::c, model_, FormatQuestion::shapes));
    const bool sound = problems_.empty();
    for (std::size_t i = 0; sound && i < model_.nodes.size(); ++i) write_node(i);
    require(problems_.empty(), Errc::unsupported, "save_c_weights: this model cannot be written:{}", problems_);
    return head() + std::string(types) + "\n" + arrays_ + tables();
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  [[nodiscard]] const IntegerValue& input(std::size_t i = 0) const { return model_.values[at(node_->inputs[i])]; }
  [[nodiscard]] const IntegerValue& result() const { return model_.values[at(node_->output)]; }
  [[nodiscard]] integer::Quantized quantized(std::size_t i) const {
    return {input(i).params.scale[0], input(i).params.zero_point[0]};
  }
  [[nodiscard]] integer::QuantizedOutput output(Activation activation) const {
    const QParams& p = result().params;
    return {p.scale[0], p.zero_point[0], activation, p.grid};
  }

  void write_node(std::size_t i) {
    node_ = &model_.nodes[i];
    id_ = fmt::format("{}_{}_{}", symbol_, i, identifier(node_->name));
    row_ = {};
    try {
      std::visit([this](const auto& op) { write(op); }, node_->op);
    } catch (const Error& e) {
      problems_ += "\n  " + node_->name + ": " + e.what();
      return;
    }
    const std::string inputs = node_->inputs.empty() ? "0" : array("int32_t", "inputs", node_->inputs);
    rows_ += fmt::format("  {{{}, {}, {}, {}, {}, {}, {}, {}, {}, {{{}, {}}}}},\n", row_.op, literal(node_->name),
                         inputs, node_->inputs.size(), node_->output, row_.params, row_.filter, row_.weights, row_.bias,
                         row_.multiplier, row_.shift);
  }

  // Defines an array or a parameter and returns its name.
  template <class Range>
  std::string array(std::string_view type, std::string_view what, const Range& numbers) {
    const std::string name = fmt::format("{}_{}", id_, what);
    arrays_ += fmt::format("static const {} {}[] = {{\n", type, name);
    append_numbers(arrays_, numbers);
    arrays_ += "};\n";
    return name;
  }
  void params(std::string_view type, const std::string& fields) {
    row_.params = fmt::format("&{}_params", id_);
    arrays_ += fmt::format("static const {} {}_params = {{{}}};\n", type, id_, fields);
  }
  static std::string pair(std::int64_t w, std::int64_t h) { return fmt::format("{{{}, {}}}", w, h); }
  static std::string bounds(integer::Bounds b) { return fmt::format("{{{}, {}}}", b.lo, b.hi); }
  static std::string dims(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
    return fmt::format("{{{}, {}, {}, {}}}", n, h, w, c);
  }
  static std::string dims(const Shape& s) {
    const int r = s.rank();
    return dims(1, r > 2 ? s[r - 3] : 1, r > 1 ? s[r - 2] : 1, s[r - 1]);
  }
  void require_image() const {
    require(input().shape.rank() == 3 && result().shape.rank() == 3, Errc::shape,
            "reads {} and makes {}, needs [H,W,C]", input().shape, result().shape);
  }

  // Weights, biases and multipliers of a layer with `outputs` outputs.
  template <class Op>
  integer::Bounds layer(const Op& o, integer::LayerKind kind, std::int64_t outputs) {
    const integer::Requantizer r = integer::layer_requantizer(model_.target, kind, input().params, o.weight_scale,
                                                              o.bias.span(), result().params, o.activation);
    const auto first = [&](const std::vector<std::int32_t>& all) {
      return std::vector<std::int32_t>(all.begin(), all.begin() + outputs);
    };
    row_.weights = array("int8_t", "weights", o.weights.span());
    row_.bias = array("int32_t", "bias", o.bias.span());
    row_.multiplier = "(int32_t *)" + array("int32_t", "multiplier", first(r.multiplier));
    row_.shift = "(int32_t *)" + array("int32_t", "shift", first(r.shift));
    return r.bounds;
  }
  template <class Op>
  Window window(const Op& o) const {
    const Shape &w = o.weights.shape(), &x = input().shape;
    require(w.rank() == 4, Errc::shape, "has weights {}, wants four dimensions", w);
    const Window made = make_window("window", x[0], x[1], Pair(static_cast<int>(w[1]), static_cast<int>(w[2])),
                                    o.stride, o.dilation, o.padding);
    require(made.h.out == result().shape[0] && made.w.out == result().shape[1], Errc::shape,
            "makes {}x{} pixels, its value is {}", made.h.out, made.w.out, result().shape);
    return made;
  }
  static std::string tiles(const Window& w) {
    return pair(w.w.stride, w.h.stride) + ", " + pair(w.w.before, w.h.before) + ", " + pair(w.w.dilation, w.h.dilation);
  }
  [[nodiscard]] std::string offsets() const {
    return fmt::format("{}, {}", -input().params.zero_point[0], result().params.zero_point[0]);
  }

  void write(const integer_op::Quantize&) {
    require(input_ < 0, Errc::unsupported, "is a second input; a table names one");
    row_.op = "STET_INPUT";
    input_ = node_->output;
  }
  void write(const integer_op::Conv2D& o) {
    require_image();
    const Window w = window(o);
    const Shape& k = o.weights.shape();
    require(k[0] == result().shape[2] && o.groups >= 1 && k[3] * o.groups == input().shape[2], Errc::shape,
            "has weights {} in {} groups for {} -> {}", k, o.groups, input().shape, result().shape);
    const integer::Bounds b = layer(o, integer::LayerKind::convolution, k[0]);
    row_.op = "STET_CONV";
    row_.filter = dims(k[0], k[1], k[2], k[3]);
    params("cmsis_nn_conv_params", offsets() + ", " + tiles(w) + ", " + bounds(b));
  }
  void write(const integer_op::DepthwiseConv2D& o) {
    require_image();
    const Window w = window(o);
    const Shape& k = o.weights.shape();
    require(k[0] == 1 && k[3] == result().shape[2] && k[3] == input().shape[2] * o.multiplier, Errc::shape,
            "has weights {} and multiplier {} for {} -> {}", k, o.multiplier, input().shape, result().shape);
    const integer::Bounds b = layer(o, integer::LayerKind::depthwise, k[3]);
    row_.op = "STET_DEPTHWISE_CONV";
    row_.filter = dims(k[0], k[1], k[2], k[3]);
    params("cmsis_nn_dw_conv_params", fmt::format("{}, {}, {}, {}", offsets(), o.multiplier, tiles(w), bounds(b)));
  }
  void write(const integer_op::Linear& o) {
    const Shape& k = o.weights.shape();
    require(k.rank() == 2 && input().shape == Shape{k[1]} && result().shape == Shape{k[0]}, Errc::shape,
            "has weights {} for {} -> {}", k, input().shape, result().shape);
    const integer::Bounds b = layer(o, integer::LayerKind::linear, k[0]);
    row_.op = "STET_FULLY_CONNECTED";
    row_.filter = dims(k[1], 1, 1, k[0]);
    params("cmsis_nn_fc_params",
           fmt::format("{}, 0, {}, {}", -input().params.zero_point[0], result().params.zero_point[0], bounds(b)));
  }
  void add(Activation activation, bool subtract) {
    require_equal_shapes();
    const integer::AddParameters p =
        integer::make_add(model_.target, quantized(0), quantized(1), output(activation), subtract);
    row_.op = subtract ? "STET_SUB" : "STET_ADD";
    params("stet_add_params", fmt::format("{}, {}, {}, {}, {}, {}, 20, {}, {}, {}, {}, {}", -p.z1, p.m1.multiplier,
                                          p.m1.shift, -p.z2, p.m2.multiplier, p.m2.shift, p.z_out, p.m_out.multiplier,
                                          p.m_out.shift, p.bounds.lo, p.bounds.hi));
  }
  void require_equal_shapes() const {
    require(input(0).shape == input(1).shape && input(0).shape == result().shape, Errc::shape,
            "reads {} and {} and makes {}, which must be equal", input(0).shape, input(1).shape, result().shape);
  }
  void write(const integer_op::Add& o) { add(o.activation, false); }
  void write(const integer_op::Sub& o) { add(o.activation, true); }
  void write(const integer_op::Mul& o) {
    require_equal_shapes();
    const auto p = integer::make_multiply(model_.target, quantized(0), quantized(1), output(o.activation));
    row_.op = "STET_MUL";
    params("stet_mul_params", fmt::format("{}, {}, {}, {}, {}, {}, {}", -p.z1, -p.z2, p.z_out, p.m.multiplier,
                                          p.m.shift, p.bounds.lo, p.bounds.hi));
  }
  template <class Op>
  void pool(const char* op, const Op& o) {
    require_image();
    const Window w = make_window("window", input().shape[0], input().shape[1], o.size, o.stride, 1, o.padding);
    require(result().shape == Shape({w.h.out, w.w.out, input().shape[2]}), Errc::shape,
            "makes {}x{} pixels, its value is {}", w.h.out, w.w.out, result().shape);
    row_.op = op;
    row_.filter = dims(1, w.h.kernel, w.w.kernel, 1);
    params("cmsis_nn_pool_params", pair(w.w.stride, w.h.stride) + ", " + pair(w.w.before, w.h.before) + ", " +
                                       bounds({result().params.grid.lo, result().params.grid.hi}));
  }
  void write(const integer_op::MaxPool& o) { pool("STET_MAX_POOL", o); }
  void write(const integer_op::AveragePool& o) { pool("STET_AVERAGE_POOL", o); }
  void write(const integer_op::Mean&) {
    const Shape& x = input().shape;
    require(x.rank() == 3 && result().shape == Shape{x[2]}, Errc::shape, "reads {} and makes {}", x, result().shape);
    const auto in = quantized(0);
    const auto out = output(Activation::none);
    const auto p =
        integer::make_mean(model_.target, in.scale, in.zero_point, out.scale, out.zero_point, x[0] * x[1], out.grid);
    row_.op = "STET_MEAN";
    params("stet_mean_params", fmt::format("{}, {}, {}", offsets(), p.m.multiplier, p.m.shift));
  }
  void write(const integer_op::Concat& o) {
    const int rank = result().shape.rank();
    std::int64_t joint = 0;
    for (std::size_t i = 0; i < node_->inputs.size(); ++i) {
      const Shape& part = input(i).shape;
      require(
          o.axis >= 0 && o.axis < rank && part.rank() == rank && part.with(o.axis, 0) == result().shape.with(o.axis, 0),
          Errc::shape, "joins {} along axis {} into {}", part, o.axis, result().shape);
      joint += part[o.axis];
    }
    require(joint == result().shape[o.axis], Errc::shape, "joins {} along axis {} into {}", joint, o.axis,
            result().shape);
    row_.op = "STET_CONCAT";
    params("stet_concat_params", fmt::format("{}", 4 - rank + o.axis));
  }
  void write(const integer_op::Pad& o) {
    require_image();
    const Shape& x = input().shape;
    require(o.top >= 0 && o.bottom >= 0 && o.left >= 0 && o.right >= 0 &&
                result().shape == Shape({x[0] + o.top + o.bottom, x[1] + o.left + o.right, x[2]}),
            Errc::shape, "pads {} into {}", x, result().shape);
    row_.op = "STET_PAD";
    params("stet_pad_params",
           fmt::format("{}, {}, {}, {}, {}", o.top, o.bottom, o.left, o.right, input().params.zero_point[0]));
  }
  void write(const integer_op::Reshape&) {
    require(input().shape.elements() == result().shape.elements(), Errc::shape, "cannot make {} of {}", result().shape,
            input().shape);
    row_.op = "STET_RESHAPE";
  }
  void write(const integer_op::Transpose& o) {
    const int rank = result().shape.rank(), before = 4 - rank;
    bool fits = static_cast<int>(o.axes.size()) == rank && input().shape.rank() == rank;
    std::array<int, 4> axes{0, 1, 2, 3};
    for (int i = 0; fits && i < rank; ++i) {
      const int from = o.axes[at(i)];
      fits = from >= 0 && from < rank && input().shape[from] == result().shape[i];
      axes[at(before + i)] = before + from;
    }
    require(fits, Errc::shape, "cannot make {} of {}", result().shape, input().shape);
    row_.op = "STET_TRANSPOSE";
    params("stet_transpose_params", fmt::format("{{{}, {}, {}, {}}}", axes[0], axes[1], axes[2], axes[3]));
  }
  void write(const integer_op::Clamp& o) {
    require(input().shape == result().shape, Errc::shape, "cannot make {} of {}", result().shape, input().shape);
    const integer::Bounds b = integer::make_clamp(model_.target, output(o.activation)).bounds;
    row_.op = "STET_CLAMP";
    params("cmsis_nn_activation", fmt::format("{}, {}", b.lo, b.hi));
  }
  void write(const integer_op::Lookup& o) {
    require(input().shape == result().shape, Errc::shape, "cannot make {} of {}", result().shape, input().shape);
    const integer::Quantized from = quantized(0);
    const integer::QuantizedOutput to = output(Activation::none);
    row_.op = "STET_LOOKUP";
    row_.weights = array("int8_t", "table",
                         integer::make_table(model_.target, {o.function, o.alpha, from.scale, from.zero_point, to.scale,
                                                             to.zero_point, to.grid}));
  }

  [[nodiscard]] std::string head() const {
    return fmt::format(
        "/* The integers of a quantized network in the conventions of CMSIS-NN: input_offset = -zero point of the "
        "input,\n"
        "   output_offset = +zero point of the output, multiplier and shift per output (shift > 0 is to the left),\n"
        "   padding = top and left. Arithmetic: {}.\n"
        "   Another file declares: extern const stet_network {}; */\n",
        targets::tflite_micro.runtime, symbol_);
  }
  [[nodiscard]] std::string tables() const {
    std::string text = fmt::format("\nstatic const stet_value {}_values[] = {{\n", symbol_);
    for (const IntegerValue& v : model_.values) {
      text += fmt::format("  {{{}, {}, {:.9e}f, {}}},\n", literal(v.name), dims(v.shape),
                          static_cast<double>(v.params.scale[0]), v.params.zero_point[0]);
    }
    text += fmt::format("}};\n\nstatic const stet_node {}_nodes[] = {{\n{}}};\n\n", symbol_, rows_);
    text += fmt::format("extern const stet_network {};\n", symbol_);
    text += fmt::format("const stet_network {0} = {{{0}_values, {0}_nodes, {1}, {2}, {3}, {4}}};\n", symbol_,
                        model_.values.size(), model_.nodes.size(), input_, model_.outputs[0]);
    return text;
  }

  struct Row {
    std::string op{}, params = "0", filter = "{0, 0, 0, 0}", weights = "0", bias = "0", multiplier = "0", shift = "0";
  };

  IntegerModel model_;
  std::string symbol_, problems_{}, arrays_{}, rows_{}, id_{};
  const IntegerNode* node_ = nullptr;
  Row row_{};
  int input_ = -1;
};

}  // namespace stet::c
