#pragma once
// A float Model as a .tflite description, in any of the formats.

#include <stet/core/entry.hpp>
#include <stet/graph/finite.hpp>
#include <stet/io/tflite/float_constants.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace stet::tflite {

namespace detail {

class FloatExporter {
 public:
  FloatExporter(const Model& model, const TfliteOptions& options)
      : options_(options),
        plan_(model, options),
        graph_(plan_.graph()),
        writer_(options.batch),
        constants_(writer_, options),
        tensor_of_(graph_.nodes().size(), -1) {}

  ModelInfo run() {
    for (int id = 0; id < graph_.size(); ++id) {
      if (plan_.skipped(id)) continue;
      const auto unused = graph::match(
          graph_.node(id).op, [](const auto& o, FloatExporter& e, int n) { return e.write(o, n); }, *this, id);
      (void)unused;
    }
    for (const int id : graph_.outputs()) {
      const graph::Node& node = graph_.node(id);
      std::int32_t t = tensor_of_[index(id)];
      if (plan_.int16() && !options_.integer_ends) {
        const std::int32_t real = writer_.activation(node.name, node.shape, TensorType::float32);
        writer_.operation(Builtin::dequantize, {t}, real, {.type = OptionsType::dequantize});
        t = real;
      }
      writer_.output(t, node.name, node.shape);
    }
    return std::move(writer_).finish(options_.description);
  }

 private:
  static std::size_t index(int id) { return static_cast<std::size_t>(id); }
  const std::string& name(int id) const { return graph_.node(id).name; }
  const Shape& shape(int id) const { return graph_.node(id).shape; }
  std::int32_t input(int id, std::size_t i = 0) const { return tensor_of_[index(graph_.node(id).inputs[i])]; }
  const Shape& input_shape(int id) const { return shape(graph_.node(id).inputs[0]); }

  Quantization quantization(int id) const {
    if (!plan_.int16()) return {};
    return {{plan_.scale_of(id)}, {0}, 0};
  }
  TensorType type() const { return plan_.int16() ? TensorType::int16 : TensorType::float32; }
  // The tensor that a node makes, named after the activation that it takes along.
  std::int32_t make(int id) {
    const int value = plan_.value_of(id);
    const bool hidden = plan_.int16() && !options_.integer_ends && graph_.is_output(value);
    const std::int32_t y =
        writer_.activation(name(value) + (hidden ? ":codes" : ""), shape(value), type(), quantization(value));
    tensor_of_[index(id)] = tensor_of_[index(value)] = y;
    return y;
  }
  bool unary(Builtin code, int id, const Options& o = {}) {
    const std::int32_t x = input(id);
    writer_.operation(code, {x}, make(id), o);
    return true;
  }
  bool binary(Builtin code, OptionsType type, int id) {
    writer_.operation(code, {input(id, 0), input(id, 1)}, make(id),
                      {.type = type,
                       .fused_activation = plan_.activation_of(id),
                       .pot_scale_int16 = !plan_.int16() || type == OptionsType::mul});
    return true;
  }

  // One function per operator; all return a value because graph::match wants one type.
  bool write(const graph::op::Input& o, int id) {
    if (!plan_.int16() || options_.integer_ends) {
      writer_.input(make(id), name(id));
      return true;
    }
    const bool output = graph_.is_output(id);
    const std::int32_t real = writer_.activation(name(id) + (output ? ":input" : ""), o.shape, TensorType::float32);
    writer_.input(real, name(id));
    const std::int32_t codes = writer_.activation(name(id) + ":codes", o.shape, TensorType::int16, quantization(id));
    writer_.operation(Builtin::quantize, {real}, codes, {.type = OptionsType::quantize});
    tensor_of_[index(id)] = codes;
    return true;
  }

  std::vector<std::int32_t> layer(int id, std::int32_t x, int axis, bool per_channel) {
    const Model& model = plan_.model();
    const Parameter* bias = model.find_parameter(name(id) + ".bias");
    std::vector<std::int32_t> inputs = constants_.layer(
        name(id), model.parameter(name(id) + ".weight").value, bias == nullptr ? nullptr : &bias->value, axis,
        per_channel, shape(id).back(), plan_.int16() ? plan_.scale_of(graph_.node(id).inputs[0]) : 0.0f);
    inputs.insert(inputs.begin(), x);
    return inputs;
  }

  // Options of a window; x becomes the padded input where that needs an operator of its own.
  template <class Op>
  Options windowed(OptionsType type, const Op& o, Pair kernel, Pair stride, Pair dilation, int id, std::int32_t& x) {
    const WindowPlan p = plan_.window(id, kernel, stride, dilation, o.padding);
    if (p.explicit_pad) x = writer_.pad(x, name(id), input_shape(id), p);
    return {.type = type,
            .padding = p.padding,
            .stride_w = stride.width,
            .stride_h = stride.height,
            .dilation_w = dilation.width,
            .dilation_h = dilation.height,
            .fused_activation = plan_.activation_of(id)};
  }

  bool write(const graph::op::Conv2D& o, int id) {
    std::int32_t x = input(id);
    const Options options = windowed(OptionsType::conv_2d, o, o.kernel, o.stride, o.dilation, id, x);
    const auto inputs = layer(id, x, 0, true);
    writer_.operation(Builtin::conv_2d, inputs, make(id), options);
    return true;
  }
  bool write(const graph::op::DepthwiseConv2D& o, int id) {
    std::int32_t x = input(id);
    Options options = windowed(OptionsType::depthwise_conv_2d, o, o.kernel, o.stride, o.dilation, id, x);
    options.depth_multiplier = o.multiplier;
    const auto inputs = layer(id, x, 3, true);
    writer_.operation(Builtin::depthwise_conv_2d, inputs, make(id), options);
    return true;
  }
  bool write(const graph::op::Linear&, int id) {
    const auto inputs = layer(id, input(id), 0, options_.per_channel_linear);
    writer_.operation(Builtin::fully_connected, inputs, make(id),
                      {.type = OptionsType::fully_connected,
                       .fused_activation = plan_.activation_of(id),
                       .keep_num_dims = shape(id).rank() > 1,
                       .asymmetric_quantize_inputs = options_.format == TfliteFormat::dynamic_range});
    return true;
  }
  bool write(const graph::op::Matmul&, int id) {
    writer_.operation(Builtin::batch_matmul, {input(id, 0), input(id, 1)}, make(id),
                      {.type = OptionsType::batch_matmul});
    return true;
  }

  // A batch norm that no layer took in: y = k*x + b by MUL and ADD.
  bool write(const graph::op::BatchNorm&, int id) {
    const stet::detail::NormLine line = stet::detail::norm_line(plan_.model(), id);
    Tensor<float> k(Shape{shape(id).back()}), b(k.shape());
    for (std::size_t c = 0; c < line.k.size(); ++c) {
      k.edit()[c] = static_cast<float>(line.k[c]);
      b.edit()[c] = static_cast<float>(line.beta[c] - line.mean[c] * line.k[c]);
    }
    const std::int32_t factor = constants_.real(name(id) + ":factor", k),
                       offset = constants_.real(name(id) + ":offset", b);
    const std::int32_t scaled = writer_.activation(name(id) + ":scaled", shape(id), TensorType::float32);
    writer_.operation(Builtin::mul, {input(id), factor}, scaled, {.type = OptionsType::mul});
    writer_.operation(Builtin::add, {scaled, offset}, make(id), {.type = OptionsType::add});
    return true;
  }

  bool write(const graph::op::Add&, int id) { return binary(Builtin::add, OptionsType::add, id); }
  bool write(const graph::op::Sub&, int id) { return binary(Builtin::sub, OptionsType::sub, id); }
  bool write(const graph::op::Mul&, int id) { return binary(Builtin::mul, OptionsType::mul, id); }
  bool write(const graph::op::Relu&, int id) { return unary(Builtin::relu, id); }
  bool write(const graph::op::Relu6&, int id) { return unary(Builtin::relu6, id); }
  bool write(const graph::op::LeakyRelu& o, int id) {
    return unary(Builtin::leaky_relu, id, {.type = OptionsType::leaky_relu, .alpha = o.alpha});
  }
  bool write(const graph::op::Sigmoid&, int id) { return unary(Builtin::logistic, id); }
  bool write(const graph::op::Tanh&, int id) { return unary(Builtin::tanh, id); }
  bool write(const graph::op::HardSwish&, int id) {
    return unary(Builtin::hard_swish, id, {.type = OptionsType::hard_swish});
  }
  bool write(const graph::op::Softmax&, int id) {
    return unary(Builtin::softmax, id, {.type = OptionsType::softmax, .beta = 1.0f});
  }
  bool write(const graph::op::LogSoftmax&, int id) {
    return unary(Builtin::log_softmax, id, {.type = OptionsType::log_softmax});
  }
  // The identity after training.
  bool write(const graph::op::Dropout&, int id) {
    tensor_of_[index(id)] = input(id);
    return true;
  }

  bool write(const graph::op::MaxPool& o, int id) {
    const Pair stride = graph::op::pool_stride(o.size, o.stride);
    const WindowPlan p = plan_.window(id, o.size, stride, 1, o.padding);
    std::int32_t x = input(id);
    if (p.explicit_pad) {  // with what never wins a maximum
      const float lowest[] = {-std::numeric_limits<float>::infinity()};
      const std::int16_t code[] = {-32768};
      const int from = graph_.node(id).inputs[0];
      const std::int32_t constant =
          plan_.int16()
              ? writer_.constant<std::int16_t>(name(id) + ":lowest", TensorType::int16, {1}, code, quantization(from))
              : writer_.constant<float>(name(id) + ":lowest", TensorType::float32, {1}, lowest);
      const Shape& image = input_shape(id);
      const std::int32_t padded =
          writer_.like(x, name(id) + ":pad", {image[0] + p.top + p.bottom, image[1] + p.left + p.right, image[2]});
      writer_.operation(Builtin::padv2, {x, writer_.paddings(name(id), p), constant}, padded,
                        {.type = OptionsType::pad_v2});
      x = padded;
    }
    writer_.pool(Builtin::max_pool_2d, x, make(id), o.size, stride, p.padding, FusedActivation::none);
    return true;
  }

  bool write(const graph::op::AveragePool& o, int id) {
    const Pair stride = graph::op::pool_stride(o.size, o.stride);
    const Window w = plan_.resolved(id, o.size, stride, 1, o.padding);
    WindowPlan p = plan_window(w, o.padding);
    std::int32_t x = input(id);
    // AVERAGE_POOL_2D leaves out the padding of SAME. Where padding counts it must be there as zeros.
    if (o.count_padding && p.padding == Padding::same) p = zeros(w);
    if (p.explicit_pad) x = writer_.pad(x, name(id), input_shape(id), p);
    if (!p.explicit_pad || o.count_padding) {
      writer_.pool(Builtin::average_pool_2d, x, make(id), o.size, stride, p.padding, FusedActivation::none);
      return true;
    }
    // Zeros count as elements here; each mean is put right by the share of its window that is image.
    const std::int32_t mean = writer_.activation(name(id) + ":padded_mean", shape(id), TensorType::float32);
    writer_.pool(Builtin::average_pool_2d, x, mean, o.size, stride, p.padding, FusedActivation::none);
    Tensor<float> share(Shape{1, w.h.out, w.w.out, 1});
    const auto inside = [](const WindowAxis& a, std::int64_t out) {
      const std::int64_t first = out * a.stride - a.before;
      return static_cast<double>(std::min(first + a.kernel, a.in) - std::max<std::int64_t>(first, 0));
    };
    for (std::int64_t i = 0; i < share.size(); ++i) {
      share.edit()[static_cast<std::size_t>(i)] =
          static_cast<float>(static_cast<double>(w.taps()) / (inside(w.h, i / w.w.out) * inside(w.w, i % w.w.out)));
    }
    const std::int32_t factor = constants_.float32(name(id) + ":share", share);
    writer_.operation(Builtin::mul, {mean, factor}, make(id), {.type = OptionsType::mul});
    return true;
  }

  // The padding of a window as numbers.
  static WindowPlan zeros(const Window& w) {
    const auto after = [](const WindowAxis& a) {
      return static_cast<int>(std::max<std::int64_t>((a.out - 1) * a.stride + a.kernel - a.in - a.before, 0));
    };
    const WindowPlan p{Padding::valid, true, static_cast<int>(w.h.before), after(w.h), static_cast<int>(w.w.before),
                       after(w.w)};
    return p.top + p.bottom + p.left + p.right == 0 ? WindowPlan{} : p;
  }

  bool write(const graph::op::GlobalAveragePool&, int id) { return reduce(Builtin::mean, id, {0, 1}, false); }
  bool write(const graph::op::Mean& o, int id) { return reduce(Builtin::mean, id, o.axes, o.keep_dims); }
  bool write(const graph::op::Sum& o, int id) { return reduce(Builtin::sum, id, o.axes, o.keep_dims); }
  bool reduce(Builtin code, int id, const std::vector<int>& axes, bool keep_dims) {
    writer_.reduce(code, input(id), make(id), name(id), axes, keep_dims);
    return true;
  }

  bool write(const graph::op::Concat& o, int id) {
    std::vector<std::int32_t> inputs;
    for (const int from : graph_.node(id).inputs) inputs.push_back(tensor_of_[index(from)]);
    writer_.concat(std::move(inputs), make(id), o.axis);
    return true;
  }
  bool write(const graph::op::Pad& o, int id) {
    const WindowPlan p{Padding::valid, true, o.top, o.bottom, o.left, o.right};
    const std::int32_t paddings = writer_.paddings(name(id), p);
    writer_.operation(Builtin::pad, {input(id), paddings}, make(id), {.type = OptionsType::pad});
    return true;
  }
  bool write(const graph::op::Reshape&, int id) {
    writer_.reshape(input(id), make(id), name(id), shape(id));
    return true;
  }
  bool write(const graph::op::Flatten&, int id) {
    writer_.reshape(input(id), make(id), name(id), shape(id));
    return true;
  }
  bool write(const graph::op::Transpose& o, int id) {
    writer_.transpose(input(id), make(id), name(id), o.axes);
    return true;
  }
  bool write(const graph::op::Custom&, int id) {
    fail(Errc::unsupported, "save_tflite: {} has no TFLite operator", name(id));
  }

  const TfliteOptions& options_;
  FloatPlan plan_;
  const Graph& graph_;
  ModelWriter writer_;
  FloatConstants constants_;
  std::vector<std::int32_t> tensor_of_;
};

}  // namespace detail

/// Describes a float Model as a .tflite file.
/// Errors:    as save_tflite
STET_ENTRY ModelInfo describe(const Model& model, const TfliteOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY ModelInfo describe(const Model& model, const TfliteOptions& options) {
  check_finite("save_tflite", model);
  return detail::FloatExporter(model, options).run();
}
#endif

}  // namespace stet::tflite
