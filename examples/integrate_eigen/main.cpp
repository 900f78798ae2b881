// Quantization-aware training inside code written with Eigen: stet/eigen.hpp takes and gives matrices. At the end the
// weights become an IntegerModel, which stet's engine runs and which is written as a .tflite file. Images are the columns
// of a matrix of features x samples; weights are inputs x outputs.

#include "../integrate/images.hpp"

#include <stet/core/random.hpp>
#include <stet/data/batches.hpp>
#include <stet/eigen.hpp>
#include <stet/engine/engine.hpp>
#include <stet/io/file.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/qat/fold.hpp>
#include <stet/quant/observer.hpp>

#include <cmath>
#include <cstdlib>
#include <vector>

namespace {

using Eigen::MatrixXf;
using Eigen::VectorXf;
using Images = Eigen::Map<const MatrixXf>;

struct Layer {
  MatrixXf w, momentum_w;  // inputs x outputs
  VectorXf b, momentum_b;

  Layer(Eigen::Index inputs, Eigen::Index outputs, stet::Rng& rng)
      : w(inputs, outputs), momentum_w(MatrixXf::Zero(inputs, outputs)), b(VectorXf::Zero(outputs)),
        momentum_b(VectorXf::Zero(outputs)) {
    const double bound = std::sqrt(6.0 / static_cast<double>(inputs));
    for (float& v : w.reshaped()) v = static_cast<float>(rng.uniform(-bound, bound));
  }
  void step(const MatrixXf& dw, const VectorXf& db, float rate) {
    momentum_w = 0.9f * momentum_w + dw;
    momentum_b = 0.9f * momentum_b + db;
    w -= rate * momentum_w;
    b -= rate * momentum_b;
  }
};

struct Network {
  Layer hidden, output;
  bool quantized = false;
  stet::QParams p_x = stet::choose_qparams(stet::Range{0.0f, 1.0f}, stet::Grid::int8());  // pixels
  stet::MovingAverageObserver hidden_range{stet::Granularity::per_tensor(), 0.05f};
  stet::MovingAverageObserver logit_range{stet::Granularity::per_tensor(), 0.05f};

  struct Pass {
    stet::QParams p_w1, p_w2, p_h;
    MatrixXf x, w1, h, hq, w2, logits;
  };

  Pass forward(const Images& images, bool training) {
    Pass pass{{}, {}, {}, images, hidden.w, {}, {}, output.w, {}};
    if (quantized) {
      pass.p_w1 = stet::weight_qparams(hidden.w, stet::Granularity::per_column());  // one scale per output
      pass.p_w2 = stet::weight_qparams(output.w, stet::Granularity::per_column());
      pass.x = stet::fake_quantize(images, p_x);
      pass.w1 = stet::fake_quantize(hidden.w, pass.p_w1);
      pass.w2 = stet::fake_quantize(output.w, pass.p_w2);
    }
    pass.h = ((pass.w1.transpose() * pass.x).colwise() + hidden.b).cwiseMax(0.0f);
    pass.hq = pass.h;
    if (quantized) {
      if (training) stet::observe(hidden_range, pass.h);
      pass.p_h = stet::choose_qparams(hidden_range.ranges(), stet::Grid::int8());
      pass.hq = stet::fake_quantize(pass.h, pass.p_h);
    }
    pass.logits = (pass.w2.transpose() * pass.hq).colwise() + output.b;
    if (quantized && training) stet::observe(logit_range, pass.logits);
    return pass;
  }

  void backward(const Pass& pass, const MatrixXf& dlogits, float rate) {
    MatrixXf dw2 = pass.hq * dlogits.transpose();
    MatrixXf dh = pass.w2 * dlogits;
    if (quantized) dh = stet::fake_quantize_backward(pass.h, dh, pass.p_h);
    dh = (pass.h.array() > 0.0f).select(dh, 0.0f);
    MatrixXf dw1 = pass.x * dh.transpose();
    if (quantized) {
      dw1 = stet::fake_quantize_backward(hidden.w, dw1, pass.p_w1);
      dw2 = stet::fake_quantize_backward(output.w, dw2, pass.p_w2);
    }
    hidden.step(dw1, dh.rowwise().sum(), rate);
    output.step(dw2, dlogits.rowwise().sum(), rate);
  }
};

Images columns(const stet::Batch& batch) { return {batch.x.data(), batch.x.size() / batch.size(), batch.size()}; }

// Gradient of the mean cross-entropy with respect to the logits.
MatrixXf cross_entropy_gradient(const MatrixXf& logits, std::span<const std::int32_t> labels) {
  MatrixXf d = (logits.rowwise() - logits.colwise().maxCoeff()).array().exp();
  for (Eigen::Index n = 0; n < d.cols(); ++n) {
    d.col(n) /= d.col(n).sum();
    d(labels[static_cast<std::size_t>(n)], n) -= 1.0f;
  }
  return d / static_cast<float>(d.cols());
}

void train(Network& net, const stet::Dataset& data, int epochs, float rate) {
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const stet::Batches batches(data.size(), {.size = 64, .drop_last = true}, static_cast<std::uint64_t>(epoch));
    for (std::int64_t i = 0; i < batches.size(); ++i) {
      const stet::Batch batch = data.batch(batches[i]);
      const auto pass = net.forward(columns(batch), true);
      net.backward(pass, cross_entropy_gradient(pass.logits, batch.labels.span()), rate);
    }
  }
}

// Foreign weights and ranges as an IntegerModel: plain data, filled by hand.
stet::IntegerModel integers(const Network& net) {
  using namespace stet;
  const QParams p_h = choose_qparams(net.hidden_range.ranges(), Grid::int8());
  const QParams p_y = choose_qparams(net.logit_range.ranges(), Grid::int8());
  const auto constants = [](const Layer& layer, const QParams& in, const QParams& out) {
    const Tensor<float> w = to_tensor(layer.w.transpose());  // [outputs, inputs]
    return fold("linear", quantize_weights(w, 0, {}), 0, true, to_tensor(layer.b).span(), nullptr, affine(in), affine(out));
  };
  IntegerModel m;
  m.values = {{"image", {784}, affine(net.p_x)}, {"hidden", {64}, affine(p_h)}, {"logits", {10}, affine(p_y)}};
  m.nodes = {{"quantize", graph::op::Input{{784}}, {}, 0},
             {"hidden", graph::op::Linear{.units = 64}, {0}, 1, Activation::relu, constants(net.hidden, net.p_x, p_h)},
             {"output", graph::op::Linear{.units = 10}, {1}, 2, Activation::none, constants(net.output, p_h, p_y)}};
  m.outputs = {2};
  return m;
}

std::vector<int> classes_of(const MatrixXf& logits) {
  std::vector<int> best(static_cast<std::size_t>(logits.cols()));
  for (std::size_t n = 0; n < best.size(); ++n) logits.col(static_cast<Eigen::Index>(n)).maxCoeff(&best[n]);
  return best;
}

double accuracy(const std::vector<int>& classes, std::span<const std::int32_t> labels) {
  double right = 0;
  for (std::size_t i = 0; i < classes.size(); ++i) right += classes[i] == labels[i];
  return 100.0 * right / static_cast<double>(classes.size());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "integrate_eigen.tflite";
  stet::require_writable(path);  // before training, not after
  const stet::DatasetSplit data = example::load_images(12000, 4000);
  const stet::Batch test = data.test.batch(0, data.test.size());
  stet::Rng rng(1);
  Network net{Layer(784, 64, rng), Layer(64, 10, rng)};

  train(net, data.train, 5, 0.05f);
  train(net, data.train, 2, 0.01f);
  const double fp32 = accuracy(classes_of(net.forward(columns(test), false).logits), test.labels.span());
  net.quantized = true;
  train(net, data.train, 2, 0.01f);

  const stet::IntegerModel model = integers(net);
  stet::save_tflite(path, model);
  const MatrixXf simulated = stet::fake_quantize(net.forward(columns(test), false).logits, qparams(model.values[2].codes));
  const stet::Engine engine(model);
  const stet::Tensor<float> logits = stet::infer(engine, test.x.reshaped({test.size(), 784}));
  const MatrixXf deployed = stet::map(logits).transpose();

  const std::vector<int> expected = classes_of(simulated), classes = classes_of(deployed);
  int different_classes = 0;
  for (std::size_t i = 0; i < classes.size(); ++i) different_classes += expected[i] != classes[i];
  const float step = model.values[2].codes.scale;
  const auto distance = ((deployed - simulated) / step).array().abs();
  const auto different_codes = (distance > 0.5f).count();
  const double qat = accuracy(expected, test.labels.span()), integer = accuracy(classes, test.labels.span());

  example::Checks check("integrate_eigen");
  check(fp32 > 75, "the float network reaches 75 %");
  check(qat > fp32 - 1.5, "QAT keeps the accuracy within 1.5 points");
  check(std::abs(integer - qat) < 0.5, "integers are as good as their simulation within half a point");
  check(distance.maxCoeff() < 2.5f, "no logit is more than 2 steps from its simulation");
  check(100 * different_classes <= static_cast<int>(classes.size()), "at most 1 % of the classes differ");
  return check.outcome(fmt::format(
      "accuracy float {:.2f} %, QAT {:.2f} %, engine {:.2f} %; {} of {} classes differ, {} of {} logit codes; wrote {}",
      fp32, qat, integer, different_classes, classes.size(), different_codes, simulated.size(), path));
}
