// Graphs drawn from a seed, with every operator that integers can run.
#pragma once

#include <stet/core/random.hpp>
#include <stet/graph/builder.hpp>
#include <stet/graph/graph.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

namespace stet_test {

inline int draw(stet::Rng& rng, int lo, int hi) {
  return lo + static_cast<int>(rng.below(static_cast<std::uint64_t>(hi - lo + 1)));
}
inline bool chance(stet::Rng& rng, double p) { return rng.uniform() < p; }

/// What NetworkGenerator draws.
struct NetworkOptions {
  bool with_dropout = true;
  bool large = false;  ///< more operators, more channels, larger images and windows
  bool floats = false;  ///< also what integers do not know: for recipes that keep it in float
  bool several = false;  ///< mostly several inputs, images and vectors, and several outputs
  int operators = -1;  ///< cuts the graph behind so many operators or blocks, those before stay the same; -1: all
};

/// Draws graphs of 2 to 7 operators or blocks on images, with logits at the end.
class NetworkGenerator {
 public:
  explicit NetworkGenerator(std::uint64_t seed, const NetworkOptions& options = {})
      : rng_(seed), with_dropout_(options.with_dropout), large_(options.large), floats_(options.floats), several_(options.several), operators_(options.operators) {}

  stet::Graph run() {
    using stet::graph::Value;
    stet::Graph g;
    const int side = large_ ? 14 : 9;
    Value x = g.input({draw(rng_, 4, side), draw(rng_, 4, side), draw(rng_, 1, 5)});
    depth_ = draw(rng_, 2, large_ ? 9 : 7) - 1;
    if (operators_ >= 0 && operators_ < depth_) depth_ = operators_;
    std::vector<Value> ends;
    for (int i = 0; i < depth_; ++i) {
      x = floats_ && chance(rng_, 0.25) ? in_float(x) : grow(x);
      if (several_ && chance(rng_, 0.25)) ends.push_back(x);
      if (several_ && chance(rng_, 0.3)) x = joined(g, x);
    }
    switch (draw(rng_, 0, 3)) {
      case 0:
        x = flatten(x);
        break;
      case 1:
        x = mean(x, {0, 1});
        break;
      default:
        x = global_average_pool(x);
    }
    if (several_ && chance(rng_, 0.5)) x = stet::concat({x, decorate(linear(g.input({draw(rng_, 1, 9)}), {.units = draw(rng_, 1, 6)}))});
    if (chance(rng_, 0.3)) x = decorate(linear(x, {.units = draw(rng_, 2, 9), .bias = chance(rng_, 0.5)}));
    if (several_ && chance(rng_, 0.6)) {
      const Value other = linear(x, {.units = draw(rng_, 1, 6)});
      ends.push_back(chance(rng_, 0.4) ? sigmoid(other) : other);
    }
    if (with_dropout_ && chance(rng_, 0.3)) x = dropout(x, {.rate = 0.25f});
    if (chance(rng_, 0.9)) x = linear(x, {.units = draw(rng_, 2, 5), .bias = chance(rng_, 0.7)});
    ends.insert(ends.begin() + (several_ ? draw(rng_, 0, static_cast<int>(ends.size())) : 0), x);
    for (const Value& end : ends) g.output(end);
    return g;
  }
  /// Operators or blocks that run() drew, without those that make the logits.
  [[nodiscard]] int operators() const { return depth_; }

 private:
  using Value = stet::graph::Value;

  Value decorate(Value x) {
    if (chance(rng_, 0.6)) x = batch_norm(x, {.eps = chance(rng_, 0.5) ? 1e-5f : 1e-3f});
    const int act = draw(rng_, 0, large_ ? 3 : 2);
    return act == 0 ? x : act == 1 ? relu(x) : act == 2 ? relu6(x) : clipped(x);
  }
  bool fits(const Value& x, stet::Pair kernel, stet::Pair dilation) const {
    return (kernel.height - 1) * dilation.height < x.shape()[0] && (kernel.width - 1) * dilation.width < x.shape()[1];
  }
  stet::Padding padding(bool valid_fits, int most) {
    const int kind = draw(rng_, 0, 2);
    if (kind == 0 && valid_fits) return stet::Padding::valid();
    if (kind == 1 && valid_fits) {
      return stet::Padding::of(draw(rng_, 0, most), draw(rng_, 0, most), draw(rng_, 0, most), draw(rng_, 0, most));
    }
    return stet::Padding::same();
  }
  Value convolution(const Value& x) {
    const int size = large_ ? 5 : 3;
    const stet::Pair kernel(draw(rng_, 1, size), draw(rng_, 1, size)), dilation(draw(rng_, 1, 2), draw(rng_, 1, 2));
    const auto channels = static_cast<int>(x.shape()[2]);
    const int groups = chance(rng_, 0.3) && channels % 2 == 0 ? 2 : chance(rng_, 0.1) ? channels : 1;
    return conv2d(x, {.filters = groups * draw(rng_, 1, large_ ? 20 : 6),
                      .kernel = kernel,
                      .stride = {draw(rng_, 1, 2), draw(rng_, 1, 2)},
                      .padding = padding(fits(x, kernel, dilation), 2),
                      .dilation = dilation,
                      .groups = groups,
                      .bias = chance(rng_, 0.5)});
  }
  Value depthwise(const Value& x) {
    const stet::Pair kernel(draw(rng_, 1, 3)), dilation(draw(rng_, 1, 2));
    return depthwise_conv2d(x, {.kernel = kernel,
                                .stride = draw(rng_, 1, 2),
                                .padding = padding(fits(x, kernel, dilation), 2),
                                .dilation = dilation,
                                .multiplier = draw(rng_, 1, 2),
                                .bias = chance(rng_, 0.5)});
  }
  Value transposed(const Value& x) {
    const stet::Pair stride(draw(rng_, 1, 2), draw(rng_, 1, 2));
    const stet::Pair kernel(draw(rng_, stride.height, 4), draw(rng_, stride.width, 4));
    const auto cut = [](int k, int s) { return k >= s + 2 && s == 2 ? (k - s) / 2 : 0; };
    const int h = cut(kernel.height, stride.height), w = cut(kernel.width, stride.width);
    const bool even = h > 0 && w > 0 && chance(rng_, 0.3);
    return conv_transpose(x, {.filters = draw(rng_, 1, large_ ? 20 : 6),
                              .kernel = kernel,
                              .stride = stride,
                              .padding = even                 ? stet::Padding::of(h, h, w, w)
                                         : chance(rng_, 0.5) ? stet::Padding::same()
                                                              : stet::Padding::valid(),
                              .bias = chance(rng_, 0.5)});
  }
  // An image with another input.
  Value joined(stet::Graph& g, const Value& x) {
    const std::int64_t h = x.shape()[0], w = x.shape()[1], c = x.shape()[2];
    switch (draw(rng_, 0, 2)) {
      case 0:
        return activated(x + g.input({h, w, c}));
      case 1:
        return stet::concat({g.input({h, w, draw(rng_, 1, 3)}), x}, 2);
      default:
        return x * reshape(sigmoid(linear(g.input({draw(rng_, 1, 5)}), {.units = static_cast<int>(c)})), {1, 1, c});
    }
  }
  // The same shape by another way.
  Value branch(const Value& x) {
    return decorate(conv2d(x, {.filters = static_cast<int>(x.shape()[2]), .kernel = draw(rng_, 1, 3)}));
  }
  Value grow(const Value& x) {
    const stet::Pair pool(draw(rng_, 1, 3), draw(rng_, 1, 3)), stride(draw(rng_, 1, 3), draw(rng_, 1, 3));
    switch (draw(rng_, 0, large_ ? 21 : 13)) {
      case 0:
      case 1:
      case 2:
        return decorate(convolution(x));
      case 3:
        return decorate(depthwise(x));
      case 4:
        return max_pool(x, {.size = pool, .stride = stride, .padding = padding(fits(x, pool, 1), 0)});
      case 5:
        return average_pool(x, {.size = pool, .stride = stride, .padding = padding(fits(x, pool, 1), 0)});
      case 6:
        return pad(x, {draw(rng_, 0, 2), draw(rng_, 0, 2), draw(rng_, 0, 2), draw(rng_, 0, 2)});
      case 7:
        return large_ && chance(rng_, 0.3) ? clipped(x) : chance(rng_, 0.5) ? relu(x) : relu6(x);
      case 8:
        return activated(branch(x) + x);
      case 9:
        return activated(chance(rng_, 0.3) ? x + x : x - branch(x));
      case 10:
        return activated(branch(x) * branch(x));
      case 11: {
        const int axis = draw(rng_, 0, 2);
        const Value y = branch(x);
        return chance(rng_, 0.5) ? stet::concat({x, y}, axis) : stet::concat({y, max_pool(x, {.size = 1}), y}, axis);
      }
      case 12:
        if (x.shape()[0] + x.shape()[1] > 24) return convolution(x);
        return chance(rng_, 0.5) ? transpose(x, {1, 0, 2}) : reshape(x, {x.shape()[0] * x.shape()[1], 1, x.shape()[2]});
      case 14:
        return function(x);
      case 15:
        return function(decorate(convolution(x)));
      case 16:
        return decorate(x.shape()[0] + x.shape()[1] <= 20 && chance(rng_, 0.5) ? transposed(x) : convolution(x));
      case 17:
        return activated(chance(rng_, 0.5) ? x * gate(x) : gate(x) * x);
      case 18:
        return activated(repeating(x));
      case 19:
        return resized(x);
      case 21:
        return x.shape()[0] * x.shape()[1] > 150 ? decorate(convolution(x)) : tokens(x);
      case 20:
        return chance(rng_, 0.25) ? pad_channels(x, draw(rng_, 0, 2), draw(rng_, 0, 3)) : parts(x);
      default:
        return with_dropout_ ? decorate(convolution(dropout(x, {.rate = 0.2f}))) : decorate(convolution(x));
    }
  }
  // An image of another size: larger by whole factors, or interpolated to any size.
  Value resized(const Value& x) {
    const stet::Pair factor(draw(rng_, 1, 2), draw(rng_, 1, 3));
    const auto h = static_cast<int>(x.shape()[0]), w = static_cast<int>(x.shape()[1]);
    if (chance(rng_, 0.6)) {
      const auto coordinates = static_cast<stet::Coordinates>(draw(rng_, 0, 2));
      if (h + w <= 16 && chance(rng_, 0.5)) return resize_bilinear(x, {factor.height * h, 2 * w}, coordinates);
      return resize_bilinear(x, {draw(rng_, 1, 16), draw(rng_, 1, 16)}, coordinates);
    }
    return h + w > 16 ? decorate(convolution(x)) : upsample(x, factor);
  }
  // What no target has a kernel of integers for: a norm of each pixel, a softmax, a memory of pixels, heads of
  // attention on them.
  Value in_float(const Value& x) {
    const std::int64_t h = x.shape()[0], w = x.shape()[1], c = x.shape()[2];
    const int kind = h * w > 60 ? draw(rng_, 0, 1) : draw(rng_, 0, 3);
    if (kind == 0) return layer_norm(x, {.eps = chance(rng_, 0.5) ? 1e-5f : 1e-3f});
    if (kind == 1) return activated(softmax(convolution(x)));
    const Value rows = reshape(x, {h * w, c});
    if (kind == 2) {
      const int units = draw(rng_, 1, 5);
      const bool reverse = chance(rng_, 0.4);
      const Value y = chance(rng_, 0.5) ? lstm(rows, {.units = units, .reverse = reverse}) : gru(rows, {.units = units, .reverse = reverse});
      return reshape(y, {h, w, units});
    }
    const std::int64_t heads = draw(rng_, 1, 3), depth = draw(rng_, 1, 4);
    const auto head = [&] {
      return transpose(reshape(linear(rows, {.units = static_cast<int>(heads * depth)}), {h * w, heads, depth}), {1, 0, 2});
    };
    const Value q = head(), k = head(), v = head();
    const Value mixed = matmul(softmax(matmul(q, transpose(k, {0, 2, 1}))), v);
    const Value y = linear(reshape(transpose(mixed, {1, 0, 2}), {h * w, heads * depth}), {.units = static_cast<int>(c)});
    return reshape(layer_norm(rows + y), {h, w, c});
  }
  // Linear layers on the pixels of an image as tokens, or on its channels.
  Value tokens(const Value& x) {
    const std::int64_t h = x.shape()[0], w = x.shape()[1], c = x.shape()[2];
    const auto layer = [&](const Value& y, std::int64_t units) {
      return activated(linear(y, {.units = static_cast<int>(units), .bias = chance(rng_, 0.7)}));
    };
    if (chance(rng_, 0.3)) return layer(x, draw(rng_, 1, 6));
    const Value rows = reshape(x, {h * w, c});
    if (chance(rng_, 0.5)) return reshape(transpose(layer(transpose(rows, {1, 0}), h * w), {1, 0}), {h, w, c});
    const std::int64_t units = draw(rng_, 1, 6);
    return reshape(layer(rows, units), {h, w, units});
  }
  // A number per channel out of the whole image, as squeeze-and-excitation makes them.
  Value gate(const Value& x) {
    const auto channels = static_cast<int>(x.shape()[2]), squeezed = draw(rng_, 1, 4);
    const auto act = [&](const Value& y) { return chance(rng_, 0.7) ? sigmoid(y) : relu6(y); };
    if (chance(rng_, 0.3)) {
      const Value y = relu(linear(global_average_pool(x), {.units = squeezed}));
      return reshape(act(linear(y, {.units = channels})), {1, 1, channels});
    }
    const Value y = chance(rng_, 0.5) ? global_average_pool(x, true) : mean(x, {0, 1}, true);
    return act(conv2d(relu(conv2d(y, {.filters = squeezed, .kernel = 1})), {.filters = channels, .kernel = 1}));
  }
  // A part of a value, or all parts, changed and put together again.
  Value parts(const Value& x) {
    const int axis = draw(rng_, 0, 2);
    const std::int64_t size = x.shape()[axis], cut = draw(rng_, 1, static_cast<int>(size));
    if (chance(rng_, 0.25))
      return chance(rng_, 0.4) ? flip(x, axis)
                               : slice(x, axis, draw(rng_, 0, static_cast<int>(size) - 1), size, draw(rng_, 1, 2 < size ? 2 : 1));
    if (size > 2 && chance(rng_, 0.1)) return slice(x, axis, size - 1, draw(rng_, -1, 0), -2);
    if (cut == size || chance(rng_, 0.3)) return slice(x, axis, size - cut, size);
    const std::vector<Value> both = stet::graph::split(x, {cut, size - cut}, axis);
    return stet::concat({both[1], branch(both[0])}, axis);
  }
  // Two values of which one or both are repeated over dimensions of size 1.
  Value repeating(const Value& x) {
    const auto h = static_cast<int>(x.shape()[0]), w = static_cast<int>(x.shape()[1]);
    const auto narrow = [&](const Value& y) {
      const bool rows = chance(rng_, 0.6);
      const bool columns = chance(rng_, 0.6) && (!rows || h * w <= 256);  // a max pool takes no more taps
      const Value z = max_pool(y, {.size = {rows ? h : 1, columns ? w : 1}});
      return chance(rng_, 0.3) ? conv2d(z, {.filters = 1, .kernel = 1}) : z;
    };
    const Value a = chance(rng_, 0.8) ? x : narrow(x), b = narrow(branch(x));
    const bool swapped = chance(rng_, 0.5);
    const Value &p = swapped ? b : a, &q = swapped ? a : b;
    switch (draw(rng_, 0, 4)) {
      case 0:
        return p + q;
      case 1:
        return p - q;
      case 2:
        return maximum(p, q);
      case 3:
        return minimum(p, q);
      default:
        return p * q;
    }
  }
  // A function that may have poles and a domain.
  Value elementary(const Value& x) {
    switch (draw(rng_, 0, 9)) {
      case 0:
        return abs(x);
      case 1:
        return square(x);
      case 2:
        return sqrt(abs(x));
      case 3:
        return rsqrt(clip(x, 0.1f, INFINITY));
      case 4:
        return reciprocal(clip(abs(x), 0.1f, 4));
      case 5:
        return exp(clip(x, -4, 2));
      case 6:
        return log(clip(x, 0.05f, INFINITY));
      case 7:
        return pow(abs(x), chance(rng_, 0.5) ? 1.5f : 3.0f);
      case 8:
        return selu(x);
      default:
        return mish(x);
    }
  }
  // What runs as a table of codes.
  Value function(const Value& x) {
    switch (draw(rng_, 0, 10)) {
      case 9:
      case 10:
        return elementary(x);
      case 0:
        return leaky_relu(x, {.alpha = chance(rng_, 0.5) ? 0.125f : 0.3f});
      case 1:
        return sigmoid(x);
      case 2:
        return tanh(x);
      case 3:
        return gelu(x);
      case 4:
        return chance(rng_, 0.6) ? hard_sigmoid(x) : hard_sigmoid(x, {.alpha = 0.3f, .beta = 0.2f});
      case 5:
        return silu(x);
      case 7:
        return chance(rng_, 0.3) ? softplus(x) : elu(x, {.alpha = chance(rng_, 0.5) ? 1.0f : 0.7f});
      case 6:
        return stet::graph::function(x, "own", [](double v) { return v * std::cos(v); });
      default:
        return hard_swish(x);
    }
  }
  Value clipped(const Value& x) {
    switch (draw(rng_, 0, 3)) {
      case 0:
        return clip(x, -1, 1);
      case 1:
        return clip(x, 0, static_cast<float>(rng_.uniform(0.2, 3)));
      case 2:
        return clip(x, static_cast<float>(rng_.uniform(-2, 0.3)), INFINITY);
      default:
        return clip(x, static_cast<float>(rng_.uniform(-1, 0.2)), static_cast<float>(rng_.uniform(0.3, 2)));
    }
  }
  Value activated(const Value& x) { return chance(rng_, 0.5) ? x : chance(rng_, 0.5) ? relu(x) : relu6(x); }

  stet::Rng rng_;
  bool with_dropout_, large_, floats_, several_;
  int operators_, depth_ = 0;
};

}  // namespace stet_test
