#pragma once
// Layers with weights: from ONNX to stet.

#include <stet/io/onnx/importer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

/// Padding of a window from auto_pad and pads. Explicit numbers that do what SAME does become SAME, and none VALID, for
/// formats that know only these.
/// Errors:    Errc::unsupported if the numbers are not four, or negative
inline Padding read_padding(Attributes& a, const Shape& image, Pair kernel, Pair stride, Pair dilation) {
  const std::string mode = a.text("auto_pad", "NOTSET");
  const std::vector<std::int64_t> pads = a.integers("pads", {0, 0, 0, 0});
  if (mode == "VALID") return Padding::valid();
  if (mode == "SAME_UPPER") return Padding::same();
  const auto axis = [&](int i) {
    return window_axis("load_onnx", image[i], i == 0 ? kernel.height : kernel.width,
                       i == 0 ? stride.height : stride.width, i == 0 ? dilation.height : dilation.width,
                       Padding::Kind::same, 0, 0);
  };
  const auto total = [](const WindowAxis& w) {
    return static_cast<int>(std::max<std::int64_t>((w.out - 1) * w.stride + (w.kernel - 1) * w.dilation + 1 - w.in, 0));
  };
  const WindowAxis h = axis(0), w = axis(1);
  const int before_h = static_cast<int>(h.before), before_w = static_cast<int>(w.before);
  const Padding same = Padding::of(before_h, total(h) - before_h, before_w, total(w) - before_w);
  if (mode == "SAME_LOWER") {
    const Padding lower = Padding::of(same.bottom, same.top, same.right, same.left);
    return lower == same ? Padding::same() : lower;
  }
  require(mode == "NOTSET", Errc::unsupported, "attribute auto_pad is {}, which is not understood", mode);
  bool fits = pads.size() == 4;
  for (const std::int64_t p : pads) fits = fits && p >= 0 && p <= 65535;
  require(fits, Errc::unsupported, "attribute pads must be four numbers that are not negative");
  const auto n = [&](std::size_t i) { return static_cast<int>(pads[i]); };
  const Padding explicit_pads = Padding::of(n(0), n(2), n(1), n(3));
  if (explicit_pads == Padding::of(0)) return Padding::valid();
  return explicit_pads == same ? Padding::same() : explicit_pads;
}

inline Pair to_pair(const std::vector<std::int64_t>& v) { return {static_cast<int>(v[0]), static_cast<int>(v[1])}; }

namespace detail {

// Weights [O,I,kh,kw] as stet stores them: [O,kh,kw,I], or [1,kh,kw,O] of a depthwise convolution.
inline std::vector<float> weights_last(const Constant& w, bool depthwise) {
  return transposed(w, depthwise ? std::vector<std::int64_t>{1, 2, 3, 0} : std::vector<std::int64_t>{0, 2, 3, 1}).reals;
}

// Matrix [units,depth] for a linear layer that reads `x`; columns follow the order in which x has its elements.
inline void add_linear(Importer& g, const Arrangement& x, const Constant& weight, std::vector<float> matrix,
                       std::int64_t units, Bias bias, const std::string& output) {
  const std::int64_t depth = x.dims.back();
  const int from = x.reordered() ? x.node : g.arranger().arrange(x, natural_order(x.dims.size()));
  if (x.reordered()) {
    const std::vector<std::size_t> places = Arranger::places(x);
    std::vector<float> moved(matrix.size());
    for (std::size_t row = 0; row < static_cast<std::size_t>(units); ++row) {
      const std::size_t first = row * static_cast<std::size_t>(depth);
      for (std::size_t i = 0; i < places.size(); ++i) moved[first + places[i]] = matrix[first + i];
    }
    matrix = std::move(moved);
  }
  const int id = g.add(graph::op::Linear{static_cast<int>(units), !bias.values.empty()}, {from}, weight.name);
  g.assign(id, graph::Role::weight, std::move(matrix), weight.name);
  if (!bias.values.empty()) g.assign(id, graph::Role::bias, std::move(bias.values), bias.source);
  std::vector<std::int64_t> dims = x.dims;
  dims.back() = units;
  g.give(output, Arranger::make(id, dims, natural_order(dims.size())));
}

// A bias of one number for all, or one per unit.
inline Bias spread(const Constant& c, std::int64_t units, float factor) {
  const std::vector<std::int64_t> dims = c.trimmed();
  const bool one = c.size() == 1;
  require(one || (dims.size() == 1 && dims[0] == units), Errc::unsupported, "bias has {} numbers for {} outputs",
          c.size(), units);
  std::vector<float> v(static_cast<std::size_t>(units));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = factor * c.reals[one ? 0 : i];
  return {std::move(v), c.name};
}

}  // namespace detail

inline void import_conv(Importer& g, Attributes& a) {
  const Arrangement& x = g.value(0);
  const Constant& w = g.reals(1, "weight");
  require(w.dims.size() == 4 && w.size() > 0 && w.dims[2] <= 65535 && w.dims[3] <= 65535 && w.dims[0] <= 1 << 30,
          Errc::unsupported, "weight has {} dimensions; only convolutions of images, [O,I,kh,kw], are understood",
          w.dims.size());
  const int from = g.image(x);
  const Shape image = g.graph.node(from).shape;
  const Pair kernel = to_pair({w.dims[2], w.dims[3]});
  require(to_pair(a.pair("kernel_shape", {w.dims[2], w.dims[3]})) == kernel, Errc::unsupported,
          "attribute kernel_shape is not that of the weight");
  const Pair stride = to_pair(a.pair("strides")), dilation = to_pair(a.pair("dilations"));
  const Padding padding = read_padding(a, image, kernel, stride, dilation);
  const std::int64_t groups = a.integer("group", 1);
  const std::int64_t filters = w.dims[0];
  require(groups >= 1 && filters % groups == 0 && w.dims[1] * groups == image[2], Errc::unsupported,
          "attribute group is {} for {} channels and a weight [{},{},{},{}]", groups, image[2], w.dims[0], w.dims[1],
          w.dims[2], w.dims[3]);
  std::string output = g.node->outputs[0];
  Bias bias;
  if (g.has_input(2)) {
    const Constant& c = g.reals(2, "bias");
    require(static_cast<std::int64_t>(c.size()) == filters, Errc::unsupported, "bias has {} numbers for {} filters",
            c.size(), filters);
    bias = {c.reals, c.name};
  } else {
    bias = g.bias_behind(filters, 2, output);
  }
  const bool depthwise = groups == image[2] && groups > 1, biased = !bias.values.empty();
  const graph::Operator op =
      depthwise ? graph::Operator(graph::op::DepthwiseConv2D{kernel, stride, padding, dilation,
                                                             static_cast<int>(filters / groups), biased})
                : graph::Operator(graph::op::Conv2D{static_cast<int>(filters), kernel, stride, padding, dilation,
                                                    static_cast<int>(groups), biased});
  const int id = g.add(op, {from}, w.name);
  g.assign(id, graph::Role::weight, detail::weights_last(w, depthwise), w.name);
  if (biased) g.assign(id, graph::Role::bias, std::move(bias.values), bias.source);
  const Shape& y = g.graph.node(id).shape;
  g.give(output, Arranger::make(id, {y[2], y[0], y[1]}, usual_order(3)));
}

inline void import_gemm(Importer& g, Attributes& a) {
  const Arrangement& x = g.value(0);
  const Constant& w = g.reals(1, "B");
  require(x.dims.size() == 1 && w.dims.size() == 2, Errc::unsupported,
          "only [N,K] times a constant matrix is understood");
  a.expect("transA", 0);
  const bool turned = a.integer("transB", 0) != 0;
  const float alpha = a.real("alpha", 1.0f), beta = a.real("beta", 1.0f);
  const std::int64_t units = turned ? w.dims[0] : w.dims[1];
  require((turned ? w.dims[1] : w.dims[0]) == x.dims[0] && units >= 1 && units <= 1 << 30, Errc::unsupported,
          "matrix [{},{}] does not fit an input of {}", w.dims[0], w.dims[1], x.dims[0]);
  std::string output = g.node->outputs[0];
  Bias bias =
      g.has_input(2) ? detail::spread(g.reals(2, "C"), units, beta) : g.bias_behind(units, 0, output);
  std::vector<float> matrix = turned ? w.reals : transposed(w, {1, 0}).reals;
  if (alpha != 1.0f) {
    for (float& v : matrix) v *= alpha;
  }
  detail::add_linear(g, x, w, std::move(matrix), units, std::move(bias), output);
}

inline void import_matmul(Importer& g, Attributes&) {
  if (!g.is_constant(1)) {
    const Arrangement &x = g.value(0), &y = g.value(1);
    require(x.dims.size() == 2 && y.dims.size() == 2, Errc::unsupported,
            "a product of two values needs two dimensions besides the batch, got {} and {}", x.dims.size(),
            y.dims.size());
    const int left = g.arranger().arrange(x, {0, 1}), right = g.arranger().arrange(y, {0, 1});
    const int id = g.add(graph::op::Matmul{}, {left, right});
    g.give(Arranger::make(id, {x.dims[0], y.dims[1]}, {0, 1}));
    return;
  }
  const Arrangement& x = g.value(0);
  const Constant& w = g.reals(1, "B");
  require(!x.dims.empty() && w.dims.size() == 2 && w.dims[0] == x.dims.back() && w.dims[1] >= 1 && w.dims[1] <= 1 << 30,
          Errc::unsupported, "a constant factor must be a matrix with as many rows as the input's last dimension");
  std::string output = g.node->outputs[0];
  Bias bias = g.bias_behind(w.dims[1], 0, output);
  detail::add_linear(g, x, w, transposed(w, {1, 0}).reals, w.dims[1], std::move(bias), output);
}

inline void import_batch_norm(Importer& g, Attributes& a) {
  const Arrangement& x = g.value(0);
  require(!x.dims.empty(), Errc::unsupported, "input has no channels");
  // Running statistics are its inputs in either mode; before opset 14 more outputs than one say that it trains, before
  // opset 7 is_test.
  bool trains = a.integer("training_mode", 0) != 0;
  if (g.opset() > 0 && g.opset() < 7) trains = a.integer("is_test", 0) == 0;
  for (std::size_t i = 1; i < g.node->outputs.size(); ++i) trains = trains || !g.node->outputs[i].empty();
  if (trains) g.training.push_back(g.node->name.empty() ? g.node->outputs[0] : g.node->name);
  a.ignore("consumed_inputs");
  a.expect("spatial", 1);
  // To six decimals, because 1 - 0.9f is not 0.1f.
  const double momentum = std::round((1.0 - static_cast<double>(a.real("momentum", 0.9f))) * 1e6) / 1e6;
  const graph::op::BatchNorm op{a.real("epsilon", 1e-5f), static_cast<float>(momentum)};
  std::vector<int> order = natural_order(x.dims.size());
  std::rotate(order.begin(), order.begin() + 1, order.end());  // channels last
  const int from = x.reordered() ? x.node : g.arranger().arrange(x, order);
  require(static_cast<std::int64_t>(g.reals(1, "scale").size()) == x.dims[0], Errc::unsupported,
          "scale has {} numbers for {} channels", g.reals(1, "scale").size(), x.dims[0]);
  const std::vector<std::size_t> places = x.reordered() ? Arranger::places(x) : std::vector<std::size_t>();
  std::vector<std::vector<float>> numbers;
  for (std::size_t i = 1; i <= 4; ++i) {
    std::vector<float> v = g.reals(i, "scale, bias, mean or variance").reals;
    require(static_cast<std::int64_t>(v.size()) == x.dims[0], Errc::unsupported,
            "input {} has {} numbers for {} channels", i, v.size(), x.dims[0]);
    for (std::size_t j = 0; j < places.size(); ++j) v[places[j]] = g.reals(i, "scale").reals[j];
    numbers.push_back(std::move(v));
  }
  const int id = g.add(op, {from}, g.reals(1, "scale").name);
  const graph::Role roles[] = {graph::Role::gamma, graph::Role::beta, graph::Role::mean, graph::Role::variance};
  for (std::size_t i = 0; i < 4; ++i) g.assign(id, roles[i], std::move(numbers[i]), g.constant(i + 1, "input").name);
  if (x.reordered()) {
    Arrangement y = x;
    y.node = id;
    g.give(std::move(y));
  } else {
    g.give(Arranger::make(id, x.dims, order));
  }
}

}  // namespace stet::onnx
