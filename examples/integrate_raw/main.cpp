// Quantization-aware training inside hand-written training code: a two-layer perceptron in plain loops over
// std::vector<float>. stet contributes functions on spans; at the end its integer arithmetic runs the trained codes.

#include "../integrate/images.hpp"

#include <stet/core/random.hpp>
#include <stet/data/batches.hpp>
#include <stet/integer/convolution.hpp>
#include <stet/integer/input_output.hpp>
#include <stet/integer/layer.hpp>
#include <stet/integer/requantize.hpp>
#include <stet/qat/fold.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/fake_quantize.hpp>
#include <stet/quant/observer.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace {

using Floats = std::vector<float>;

// Sixteen running sums, so that compilers vectorize the loop without -ffast-math.
float dot(const float* a, const float* b, std::size_t n) {
  float sums[16] = {};
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (std::size_t j = 0; j < 16; ++j) sums[j] += a[i + j] * b[i + j];
  }
  float sum = 0;
  for (const float s : sums) sum += s;
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// ---- The foreign code: a dense layer, its gradients and its optimizer. Nothing of stet in it.

struct Dense {
  std::size_t inputs, outputs;
  Floats w, b, dw, db, momentum_w, momentum_b;  // w is [outputs, inputs]

  Dense(std::size_t in, std::size_t out, stet::Rng& rng)
      : inputs(in), outputs(out), w(in * out), b(out), dw(in * out), db(out), momentum_w(in * out), momentum_b(out) {
    const double bound = std::sqrt(6.0 / static_cast<double>(in));
    for (float& v : w) v = static_cast<float>(rng.uniform(-bound, bound));
  }
  // y = x * weights^T + b, for any weights of this layer's shape.
  Floats forward(const Floats& x, const Floats& weights) const {
    const std::size_t rows = x.size() / inputs;
    Floats y(rows * outputs);
    for (std::size_t n = 0; n < rows; ++n) {
      for (std::size_t o = 0; o < outputs; ++o) {
        y[n * outputs + o] = b[o] + dot(&x[n * inputs], &weights[o * inputs], inputs);
      }
    }
    return y;
  }
  // Leaves the gradients of the weights that forward was given in dw, and db.
  void backward_weights(const Floats& x, const Floats& dy) {
    std::fill(dw.begin(), dw.end(), 0.0f);
    std::fill(db.begin(), db.end(), 0.0f);
    for (std::size_t n = 0; n < x.size() / inputs; ++n) {
      for (std::size_t o = 0; o < outputs; ++o) {
        const float g = dy[n * outputs + o];
        db[o] += g;
        if (g == 0.0f) continue;
        for (std::size_t i = 0; i < inputs; ++i) dw[o * inputs + i] += g * x[n * inputs + i];
      }
    }
  }
  Floats backward_input(const Floats& dy, const Floats& weights) const {
    const std::size_t rows = dy.size() / outputs;
    Floats dx(rows * inputs);
    for (std::size_t n = 0; n < rows; ++n) {
      for (std::size_t o = 0; o < outputs; ++o) {
        const float g = dy[n * outputs + o];
        for (std::size_t i = 0; i < inputs; ++i) dx[n * inputs + i] += g * weights[o * inputs + i];
      }
    }
    return dx;
  }
  void step(float rate) {
    const auto descend = [rate](Floats& x, const Floats& dx, Floats& momentum) {
      for (std::size_t i = 0; i < x.size(); ++i) {
        momentum[i] = 0.9f * momentum[i] + dx[i];
        x[i] -= rate * momentum[i];
      }
    };
    descend(w, dw, momentum_w);
    descend(b, db, momentum_b);
  }
};

// Gradient of the mean cross-entropy with respect to the logits.
Floats cross_entropy_gradient(const Floats& logits, std::span<const std::int32_t> labels) {
  const std::size_t classes = logits.size() / labels.size();
  Floats d(logits.size());
  for (std::size_t n = 0; n < labels.size(); ++n) {
    const float* row = &logits[n * classes];
    const float most = *std::max_element(row, row + classes);
    float sum = 0;
    for (std::size_t c = 0; c < classes; ++c) sum += d[n * classes + c] = std::exp(row[c] - most);
    for (std::size_t c = 0; c < classes; ++c) d[n * classes + c] /= sum * static_cast<float>(labels.size());
    d[n * classes + static_cast<std::size_t>(labels[n])] -= 1.0f / static_cast<float>(labels.size());
  }
  return d;
}

template <class T>
std::vector<int> classes_of(const std::vector<T>& logits, std::size_t classes) {
  std::vector<int> best;
  for (auto row = logits.begin(); row != logits.end(); row += static_cast<std::ptrdiff_t>(classes)) {
    best.push_back(static_cast<int>(std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row));
  }
  return best;
}

// ---- Quantization: the network, with stet's functions on its buffers.

struct Network {
  Dense hidden, output;
  bool quantized = false;
  stet::QParams p_x = stet::choose_qparams(stet::Range{0.0f, 1.0f}, stet::Grid::int8());  // pixels
  stet::MovingAverageObserver hidden_range{stet::Granularity::per_tensor(), 0.05f};
  stet::MovingAverageObserver logit_range{stet::Granularity::per_tensor(), 0.05f};

  // What the backward pass needs of a forward pass.
  struct Pass {
    stet::QParams p_w1, p_w2, p_h;
    Floats x, w1, h, hq, w2, logits;
  };

  static stet::Shape shape(const Dense& d) {
    return {static_cast<std::int64_t>(d.outputs), static_cast<std::int64_t>(d.inputs)};
  }
  // One scale per output, from the weights as they are now.
  static stet::QParams weight_parameters(const Dense& d) {
    const auto rows = stet::Granularity::per_channel(0);
    return stet::weight_qparams(stet::min_max(std::span<const float>(d.w), shape(d), rows), rows);
  }
  stet::QParams hidden_parameters() const { return stet::choose_qparams(hidden_range.ranges(), stet::Grid::int8()); }
  stet::QParams logit_parameters() const { return stet::choose_qparams(logit_range.ranges(), stet::Grid::int8()); }

  Pass forward(const Floats& x, bool training) {
    Pass pass{{}, {}, {}, x, hidden.w, {}, {}, output.w, {}};
    if (quantized) {
      pass.p_w1 = weight_parameters(hidden);
      pass.p_w2 = weight_parameters(output);
      stet::fake_quantize(x, p_x, pass.x);
      stet::fake_quantize(hidden.w, shape(hidden), pass.p_w1, pass.w1);
      stet::fake_quantize(output.w, shape(output), pass.p_w2, pass.w2);
    }
    pass.h = hidden.forward(pass.x, pass.w1);
    for (float& v : pass.h) v = std::max(v, 0.0f);
    pass.hq = pass.h;
    if (quantized) {
      if (training) hidden_range.observe(pass.h);
      pass.p_h = hidden_parameters();
      stet::fake_quantize(pass.h, pass.p_h, pass.hq);
    }
    pass.logits = output.forward(pass.hq, pass.w2);
    if (quantized && training) logit_range.observe(pass.logits);
    return pass;
  }

  void backward(const Pass& pass, const Floats& dlogits) {
    output.backward_weights(pass.hq, dlogits);
    Floats dh = output.backward_input(dlogits, pass.w2);
    // Gradients of what was quantized become gradients of the float buffers, in place.
    if (quantized) stet::fake_quantize_backward(pass.h, dh, pass.p_h, dh);
    for (std::size_t i = 0; i < dh.size(); ++i) dh[i] = pass.h[i] > 0.0f ? dh[i] : 0.0f;
    hidden.backward_weights(pass.x, dh);
    if (quantized) {
      stet::fake_quantize_backward(hidden.w, hidden.dw, shape(hidden), pass.p_w1, hidden.dw);
      stet::fake_quantize_backward(output.w, output.dw, shape(output), pass.p_w2, output.dw);
    }
  }
};

void train(Network& net, const stet::Dataset& data, int epochs, float rate) {
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const stet::Batches batches(data.size(), {.size = 64, .drop_last = true}, static_cast<std::uint64_t>(epoch));
    for (std::int64_t i = 0; i < batches.size(); ++i) {
      const stet::Batch batch = data.batch(batches[i]);
      const auto pass = net.forward(Floats(batch.x.span().begin(), batch.x.span().end()), true);
      net.backward(pass, cross_entropy_gradient(pass.logits, batch.labels.span()));
      net.hidden.step(rate);
      net.output.step(rate);
    }
  }
}

// ---- Deployment: codes of the weights and biases, and the target's integer arithmetic on them.

std::vector<std::int8_t> run_layer(const Dense& layer, const stet::QParams& in, const stet::QParams& out,
                                   stet::integer::Activation activation, const std::vector<std::int8_t>& x) {
  namespace integer = stet::integer;
  const stet::Tensor<float> w(Network::shape(layer), layer.w);
  const stet::LayerConstants codes =
      stet::fold("layer", stet::quantize_weights(w, 0, {}), 0, true, layer.b, nullptr,
                 affine(in), affine(out));
  const integer::Requantizer requantizer =
      integer::layer_requantizer(stet::targets::litert_default, stet::targets::litert_default.linear, affine(in),
                                 codes.weight_scale, codes.bias.span(), affine(out), activation);
  const integer::ConvolutionWeights packed(codes.weights);
  const auto outputs = static_cast<std::int64_t>(layer.outputs);
  const auto rows = static_cast<std::int64_t>(x.size() / layer.inputs);
  std::vector<std::int8_t> y(static_cast<std::size_t>(rows * outputs));
  integer::linear(integer::Codes({rows, packed.inputs()}, x), in.zero_point[0], packed,
                  [&](std::int64_t first, std::int64_t count, const std::int32_t* acc, std::int64_t stride) {
                    integer::requantize_rows(acc, stride, count, outputs, requantizer, y.data() + first * outputs);
                  });
  return y;
}

double accuracy(const std::vector<int>& classes, std::span<const std::int32_t> labels) {
  double right = 0;
  for (std::size_t i = 0; i < classes.size(); ++i) right += classes[i] == labels[i];
  return 100.0 * right / static_cast<double>(classes.size());
}

}  // namespace

int main() {
  const stet::DatasetSplit data = example::load_images(12000, 4000);
  const stet::Batch test = data.test.batch(0, data.test.size());
  const Floats images(test.x.span().begin(), test.x.span().end());
  stet::Rng rng(1);
  Network net{Dense(784, 64, rng), Dense(64, 10, rng)};

  train(net, data.train, 5, 0.05f);
  train(net, data.train, 2, 0.01f);
  const double fp32 = accuracy(classes_of(net.forward(images, false).logits, 10), test.labels.span());
  net.quantized = true;
  train(net, data.train, 2, 0.01f);
  const Floats logits = net.forward(images, false).logits;

  const stet::QParams p_h = net.hidden_parameters(), p_y = net.logit_parameters();
  std::vector<std::int8_t> codes(images.size());
  stet::integer::quantize_input(stet::targets::litert_default.input, images, net.p_x.scale[0], net.p_x.zero_point[0],
                                net.p_x.grid, codes);
  const auto hidden = run_layer(net.hidden, net.p_x, p_h, stet::integer::Activation::relu, codes);
  const auto output = run_layer(net.output, p_h, p_y, stet::integer::Activation::none, hidden);
  const std::vector<int> deployed = classes_of(output, 10);

  // The simulation against the integers: codes of its logits, and the classes that these codes say (8-bit logits tie now
  // and then; float logits do not).
  std::vector<std::int8_t> expected(logits.size());
  stet::quantize(logits, p_y, expected);
  const std::vector<int> simulated = classes_of(expected, 10);
  int different_classes = 0, different_codes = 0, furthest = 0;
  for (std::size_t i = 0; i < simulated.size(); ++i) different_classes += simulated[i] != deployed[i];
  for (std::size_t i = 0; i < output.size(); ++i) {
    const int distance = std::abs(output[i] - expected[i]);
    different_codes += distance > 0;
    furthest = std::max(furthest, distance);
  }
  const double qat = accuracy(simulated, test.labels.span()), integers = accuracy(deployed, test.labels.span());

  example::Checks check("integrate_raw");
  check(fp32 > 75, "the float network reaches 75 %");
  check(qat > fp32 - 1.5, "QAT keeps the accuracy within 1.5 points");
  check(std::abs(integers - qat) < 0.5, "integers are as good as their simulation within half a point");
  check(furthest <= 2, "no logit code is more than 2 steps from its simulation");
  check(100 * different_classes <= static_cast<int>(simulated.size()), "at most 1 % of the classes differ");
  return check.outcome(fmt::format(
      "accuracy float {:.2f} %, QAT {:.2f} %, integers {:.2f} %; {} of {} classes differ, {} of {} logit codes, by {} at "
      "most",
      fp32, qat, integers, different_classes, simulated.size(), different_codes, output.size(), furthest));
}
