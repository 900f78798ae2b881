// How far a runtime may be from stet's float inference: a bound from the arithmetic of each format, carried through the
// network value by value. Nothing in it is adjusted to what was measured.
#pragma once

#include <stet/graph/model.hpp>
#include <stet/model/forward.hpp>
#include <stet/ops/broadcast.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace stet_test {

/// What a format does to weights and values.
enum class Format { float32, float16, dynamic, int16x8 };

/// Computes |y_runtime - y_stet| <= bound for every element of the outputs of a model without batch norms.
///   float32  two sums of n products in any order: 2 (n+4) 2^-24 sum |w||x|
///   float16  and weights off by 2^-11 |w| + 2^-25
///   dynamic  and weights off by half a step of max|w|/127, inputs of layers by a step of max|x|/127
///   int16x8  and such weights, every computed value off by 2 steps of its scale, biases by half a step
/// `scale_of` gives the scale of a node's value in the file, 0 if the file has no such value (it is fused into the next).
class ErrorBound {
 public:
  using T = stet::Tensor<float>;

  ErrorBound(const stet::Model& model, const std::vector<T>& inputs, Format format, std::function<float(const std::string&)> scale_of)
      : model_(model), format_(format), scale_of_(std::move(scale_of)) {
    (void)stet::infer(model, inputs, {.observe = [this](int, const T& v) { values_.push_back(v); }});
  }

  std::vector<T> run() {
    for (int id = 0; id < model_.graph().size(); ++id) errors_.push_back(node(id));
    std::vector<T> bounds;
    for (const int id : model_.graph().outputs()) bounds.push_back(errors_[at(id)]);
    return bounds;
  }

 private:
  static constexpr float u = 0x1p-24f;
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  template <class F>
  static T mapped(const T& x, F f) {
    T y = x;
    for (float& v : y.edit()) v = f(v);
    return y;
  }
  template <class F>
  static T joined(const T& a, const T& b, F f) {
    T y = a;
    const auto to = y.edit();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = f(to[i], b.span()[i]);
    return y;
  }
  // Of operands that broadcast.
  template <class F>
  static T broadcast(const T& a, const T& b, F f) {
    return stet::detail::broadcast_map(a, b, stet::broadcast_shape("ErrorBound", a.shape(), b.shape()), f);
  }
  static T sum(const T& a, const T& b) {
    return joined(a, b, [](float p, float q) { return p + q; });
  }
  static T magnitude(const T& x) {
    return mapped(x, [](float v) { return std::fabs(v); });
  }

  // One operator on other inputs, with other weights and without bias.
  T apply(int id, const std::vector<T>& inputs, const T* weights = nullptr) const {
    const stet::graph::Node& n = model_.graph().node(id);
    stet::Graph g;
    std::vector<int> ids;
    for (const T& x : inputs) ids.push_back(g.input(x.shape().unbatched()).id());
    g.output(g.add(n.op, ids, "one").id());
    stet::Model one(std::move(g), stet::Rng(1));
    if (weights != nullptr) one.parameter("one.weight").value = *weights;
    if (stet::Parameter* bias = one.find_parameter("one.bias")) std::ranges::fill(bias->value.edit(), 0.0f);
    return stet::infer(one, inputs)[0];
  }

  T node(int id) {
    namespace op = stet::graph::op;
    const stet::graph::Node& n = model_.graph().node(id);
    const T& y = values_[at(id)];
    std::vector<T> e;
    for (const int from : n.inputs) e.push_back(errors_[at(from)]);
    T error = y;
    if (stet::graph::is<op::Input>(n.op)) {
      error = T::zeros(y.shape());
    } else if (stet::graph::is<op::Conv2D>(n.op) || stet::graph::is<op::DepthwiseConv2D>(n.op) ||
               stet::graph::is<op::Linear>(n.op)) {
      error = layer(id, values_[at(n.inputs[0])], e[0]);
    } else if (stet::graph::is<op::Add>(n.op) || stet::graph::is<op::Sub>(n.op)) {
      error = joined(broadcast(e[0], e[1], std::plus<float>()), y, [](float a, float v) { return a + 2 * u * std::fabs(v); });
    } else if (stet::graph::is<op::Mul>(n.op)) {
      const T &a = values_[at(n.inputs[0])], &b = values_[at(n.inputs[1])];
      const auto product = [](float p, float q) { return std::fabs(p) * std::fabs(q); };
      error = sum(sum(broadcast(a, e[1], product), broadcast(b, e[0], product)), broadcast(e[0], e[1], product));
      error = joined(error, y, [](float s, float v) { return s + 2 * u * std::fabs(v); });
    } else if (stet::graph::is<op::Relu>(n.op) || stet::graph::is<op::Relu6>(n.op) || stet::graph::is<op::Clip>(n.op) ||
               stet::graph::is<op::Dropout>(n.op)) {
      error = e[0];
    } else if (stet::graph::is<op::AveragePool>(n.op) || stet::graph::is<op::GlobalAveragePool>(n.op) ||
               stet::graph::is<op::Mean>(n.op)) {
      const T& x = values_[at(n.inputs[0])];
      const auto taps = static_cast<float>(x.size() / std::max<std::int64_t>(1, x.shape()[0]));
      error =
          joined(apply(id, e), apply(id, {magnitude(x)}), [&](float a, float m) { return a + 2 * (taps + 4) * u * m; });
    } else {
      error = apply(id, e);  // moves values, or takes the largest
    }
    // The scale in the file is that of the value behind a fused activation; codes are off by at most two steps of it.
    const float step = format_ == Format::int16x8 ? 2 * scale_of_(n.name) : 0.0f;
    return mapped(error, [step](float v) { return v + step; });
  }

  // Largest |w| of the scale that each weight shares.
  T shared_magnitude(const T& w, bool depthwise) const {
    const bool per_tensor = w.shape().rank() == 2;
    const std::int64_t channels = per_tensor ? 1 : depthwise ? w.shape()[3] : w.shape()[0];
    const std::int64_t run = w.size() / channels;
    std::vector<float> most(at(static_cast<int>(channels)), 0.0f);
    const auto channel = [&](std::int64_t i) { return static_cast<std::size_t>(depthwise ? i % channels : i / run); };
    for (std::int64_t i = 0; i < w.size(); ++i) most[channel(i)] = std::max(most[channel(i)], std::fabs(w[i]));
    T y = w;
    const auto to = y.edit();
    for (std::int64_t i = 0; i < w.size(); ++i) to[static_cast<std::size_t>(i)] = most[channel(i)];
    return y;
  }

  T layer(int id, const T& x, const T& e) {
    const stet::graph::Node& n = model_.graph().node(id);
    const T w = model_.parameter(n.name + ".weight").value;
    const stet::Parameter* bias = model_.find_parameter(n.name + ".bias");
    const T wide = magnitude(w);
    const T products = apply(id, {magnitude(x)}, &wide);  // sum |w||x|
    const auto terms = static_cast<float>(w.size() / std::max<std::int64_t>(1, values_[at(id)].shape().dims().back()));
    T error = joined(apply(id, {e}, &wide), products, [&](float a, float m) { return a + 2 * (terms + 4) * u * m; });
    float bias_error = 0, largest_bias = 0;
    if (bias != nullptr) {
      for (const float b : bias->value.span()) largest_bias = std::max(largest_bias, std::fabs(b));
    }
    bias_error = 4 * u * largest_bias;

    const T off = sum(magnitude(x), e);  // the largest input that the runtime can have
    if (format_ == Format::float16) {
      const T dw = mapped(wide, [](float v) { return 0x1p-11f * v + 0x1p-25f; });
      error = sum(error, apply(id, {off}, &dw));
      bias_error += 0x1p-11f * largest_bias + 0x1p-25f;
    } else if (format_ == Format::dynamic || format_ == Format::int16x8) {
      const bool depthwise = stet::graph::is<stet::graph::op::DepthwiseConv2D>(n.op);
      const T dw = mapped(shared_magnitude(w, depthwise), [](float v) { return v / 127.0f / 2.0f; });
      T input = off;
      if (format_ == Format::dynamic) {
        T dx = off;
        const auto to = dx.edit();
        const std::size_t image = to.size() / static_cast<std::size_t>(off.shape()[0]);
        for (std::size_t first = 0; first < to.size(); first += image) {
          const float most = *std::max_element(to.begin() + static_cast<std::ptrdiff_t>(first),
                                               to.begin() + static_cast<std::ptrdiff_t>(first + image));
          std::fill_n(to.begin() + static_cast<std::ptrdiff_t>(first), image, most / 127.0f);
        }
        error = sum(error, apply(id, {dx}, &wide));
        input = sum(off, dx);
      } else {
        float step = 0;
        for (const float v : dw.span()) step = std::max(step, 2 * v);
        int from = n.inputs[0];  // dropout is left out of files
        while (stet::graph::is<stet::graph::op::Dropout>(model_.graph().node(from).op)) from = model_.graph().node(from).inputs[0];
        bias_error += 0.5f * scale_of_(model_.graph().node(from).name) * step;
      }
      error = sum(error, apply(id, {input}, &dw));
    }
    return mapped(error, [bias_error](float v) { return v + bias_error; });
  }

  const stet::Model& model_;
  Format format_;
  std::function<float(const std::string&)> scale_of_;
  std::vector<T> values_, errors_;
};

}  // namespace stet_test
