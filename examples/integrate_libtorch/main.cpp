// Quantization-aware training inside a libtorch program: stet's fake quantization as a torch::autograd::Function, on the
// memory of torch's tensors. It equals torch's own operator bit for bit, and what was trained runs in stet's engine.

#include "../integrate/images.hpp"
#include "fake_quantize.hpp"

#include <stet/data/batches.hpp>
#include <stet/engine/engine.hpp>
#include <stet/qat/fold.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/observer.hpp>

#include <torch/nn.h>
#include <torch/optim/adam.h>

namespace {

using example::fake_quantize;
using example::floats;

// A layer's output range: observed in training, used always.
struct OutputRange {
  stet::MovingAverageObserver range{stet::Granularity::per_tensor(), 0.05f};

  stet::QParams parameters() const { return stet::choose_qparams(range.ranges(), stet::Grid::int8()); }
  torch::Tensor operator()(const torch::Tensor& x, bool training) {
    if (training) range.observe(floats(x.detach()));
    return fake_quantize(x, parameters());
  }
};

// One scale per output channel, the first axis of torch's weights in any layout of the others.
stet::QParams weight_parameters(const torch::Tensor& w) {
  const auto outputs = stet::Granularity::per_channel(0);
  return stet::weight_qparams(stet::min_max(floats(w.detach()), example::shape(w), outputs), outputs);
}

struct Net : torch::nn::Module {
  torch::nn::Conv2d conv1{torch::nn::Conv2dOptions(1, 8, 3).stride(2).padding(1)};
  torch::nn::Conv2d conv2{torch::nn::Conv2dOptions(8, 16, 3).stride(2).padding(1)};
  torch::nn::Linear head{16 * 7 * 7, 10};
  stet::QParams p_x = stet::choose_qparams(stet::Range{0.0f, 1.0f}, stet::Grid::int8());
  OutputRange hidden1, hidden2, logits;
  bool quantized = false;

  Net() {
    register_module("conv1", conv1);
    register_module("conv2", conv2);
    register_module("head", head);
  }
  torch::Tensor weight(const torch::Tensor& w) const { return quantized ? fake_quantize(w, weight_parameters(w)) : w; }

  torch::Tensor forward(torch::Tensor x) {
    const auto quantize = [this](OutputRange& a, const torch::Tensor& y) { return quantized ? a(y, is_training()) : y; };
    if (quantized) x = fake_quantize(x, p_x);
    x = quantize(hidden1, torch::relu(torch::conv2d(x, weight(conv1->weight), conv1->bias, 2, 1)));
    x = quantize(hidden2, torch::relu(torch::conv2d(x, weight(conv2->weight), conv2->bias, 2, 1)));
    return quantize(logits, torch::linear(x.flatten(1), weight(head->weight), head->bias));
  }
};

// Tensors over stet's batch: no copy. One channel, so [N,28,28,1] and [N,1,28,28] are the same memory.
torch::Tensor images(stet::Batch& batch) { return torch::from_blob(batch.x.edit().data(), {batch.size(), 1, 28, 28}); }
torch::Tensor labels(stet::Batch& batch) {
  return torch::from_blob(batch.labels.edit().data(), {batch.size()}, torch::kInt32).to(torch::kInt64);
}

void train(Net& net, const stet::Dataset& data, int epochs, double rate) {
  torch::optim::Adam optimizer(net.parameters(), torch::optim::AdamOptions(rate));
  net.train();
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const stet::Batches batches(data.size(), {.size = 64, .drop_last = true}, static_cast<std::uint64_t>(epoch));
    for (std::int64_t i = 0; i < batches.size(); ++i) {
      stet::Batch batch = data.batch(batches[i]);
      optimizer.zero_grad();
      torch::nn::functional::cross_entropy(net.forward(images(batch)), labels(batch)).backward();
      optimizer.step();
    }
  }
  net.eval();
}

torch::Tensor predict(Net& net, stet::Batch& test) {
  const torch::NoGradGuard no_gradient;
  return net.forward(images(test));
}

double accuracy(const torch::Tensor& logits, stet::Batch& test) {
  return 100.0 * (logits.argmax(1) == labels(test)).to(torch::kDouble).mean().item<double>();
}

std::int64_t differences(const torch::Tensor& a, const torch::Tensor& b) { return a.ne(b).sum().item<std::int64_t>(); }

// Values and gradients of torch's own operators and of ours, on the same inputs: how many differ.
std::int64_t differences_from_torch(std::int64_t& compared) {
  torch::manual_seed(1);
  std::int64_t different = 0;
  const torch::Tensor x0 = 3 * torch::randn({64, 8, 9, 9});
  const torch::Tensor dy = torch::randn_like(x0);
  const auto compare = [&](const torch::Tensor& ours, const torch::Tensor& x1, const torch::Tensor& theirs,
                           const torch::Tensor& x2) {
    ours.backward(dy);
    theirs.backward(dy);
    different += differences(ours, theirs) + differences(x1.grad(), x2.grad());
    compared += 2 * x0.numel();
  };
  const auto leaf = [&] { return x0.clone().requires_grad_(true); };
  for (const std::int32_t zero_point : {0, -128, 17}) {
    for (const float scale : {0.01f, 0.037f, 0.5f}) {
      const torch::Tensor a = leaf(), b = leaf();
      compare(fake_quantize(a, stet::QParams::per_tensor(scale, zero_point)), a,
              torch::fake_quantize_per_tensor_affine(b, scale, zero_point, -128, 127), b);
    }
  }
  const stet::QParams p = weight_parameters(x0);
  const torch::Tensor zero_points = torch::tensor(p.zero_point, torch::kInt32);
  const torch::Tensor a = leaf(), b = leaf();
  compare(fake_quantize(a, p), a,
          torch::fake_quantize_per_channel_affine(b, torch::tensor(p.scale), zero_points, 0, -127, 127), b);
  return different;
}

// torch's weights as an IntegerModel: convolutions from OIHW to OHWI, the head's columns from CHW to HWC.
stet::IntegerModel integers(const Net& net) {
  using namespace stet;
  const auto folded = [](const torch::Tensor& weight, const torch::Tensor& bias, const QParams& in, const QParams& out) {
    const torch::Tensor w = weight.detach().contiguous();
    return fold("layer", quantize_weights(Tensor<float>(example::shape(w), floats(w)), 0, {}), 0, true,
                floats(bias.detach()), nullptr, affine(in), affine(out));
  };
  const auto convolution = [&](const torch::nn::Conv2d& layer, const QParams& in, const QParams& out) {
    return folded(layer->weight.permute({0, 2, 3, 1}), layer->bias, in, out);
  };
  const QParams p1 = net.hidden1.parameters(), p2 = net.hidden2.parameters(), p3 = net.logits.parameters();
  const torch::Tensor columns = net.head->weight.reshape({10, 16, 7, 7}).permute({0, 2, 3, 1}).reshape({10, 784});
  const LayerConstants head = folded(columns, net.head->bias, p2, p3);
  IntegerModel m;
  m.values = {{"image", {28, 28, 1}, affine(net.p_x)},
              {"hidden1", {14, 14, 8}, affine(p1)},
              {"hidden2", {7, 7, 16}, affine(p2)},
              {"flat", {784}, affine(p2)},
              {"logits", {10}, affine(p3)}};
  const auto conv = [](int filters) {
    return graph::op::Conv2D{.filters = filters, .kernel = 3, .stride = 2, .padding = Padding::of(1)};
  };
  m.nodes = {{"quantize", graph::op::Input{{28, 28, 1}}, {}, 0},
             {"conv1", conv(8), {0}, 1, Activation::relu, convolution(net.conv1, net.p_x, p1)},
             {"conv2", conv(16), {1}, 2, Activation::relu, convolution(net.conv2, p1, p2)},
             {"flatten", graph::op::Reshape{{784}}, {2}, 3},
             {"head", graph::op::Linear{.units = 10}, {3}, 4, Activation::none, head}};
  m.outputs = {4};
  return m;
}

bool refused(const torch::Tensor& x) {
  try {
    fake_quantize(x, stet::QParams::per_tensor(0.1f, 0));
  } catch (const stet::Error& e) {
    return e.code() == stet::Errc::unsupported;
  }
  return false;
}

}  // namespace

int main() {
  const stet::DatasetSplit data = example::load_images(12000, 4000);
  stet::Batch test = data.test.batch(0, data.test.size());
  example::Checks check("integrate_libtorch");
  std::int64_t compared = 0;
  const std::int64_t different = differences_from_torch(compared);
  check(different == 0, "values and gradients are those of torch's own operators, bit for bit");
  check(refused(torch::zeros({3, 4}).t()) && refused(torch::zeros({3}, torch::kDouble)),
        "tensors that are not contiguous or not float are refused");

  torch::manual_seed(1);
  Net net;
  train(net, data.train, 3, 1e-3);
  const double fp32 = accuracy(predict(net, test), test);
  net.quantized = true;
  train(net, data.train, 1, 3e-4);
  const torch::Tensor simulated = predict(net, test);
  const double qat = accuracy(simulated, test);

  const stet::Engine engine(integers(net));
  const stet::Tensor<float> logits = stet::infer(engine, test.x);
  const torch::Tensor deployed =
      torch::from_blob(const_cast<float*>(logits.data()), {test.size(), 10});  // read only; from_blob wants float*
  const double integer = accuracy(deployed, test);
  const std::int64_t classes = differences(simulated.argmax(1), deployed.argmax(1));
  const torch::Tensor steps = ((simulated - deployed) / net.logits.parameters().scale[0]).abs();

  check(fp32 > 75, "the float network reaches 75 %");
  check(qat > fp32 - 1.5, "QAT keeps the accuracy within 1.5 points");
  check(std::abs(integer - qat) < 0.5, "integers are as good as their simulation within half a point");
  check(steps.max().item<float>() < 3.5f, "no logit is more than 3 steps from its simulation");
  check(100 * classes <= test.size(), "at most 1 % of the classes differ");
  return check.outcome(fmt::format(
      "{} of {} values and gradients differ from torch's; accuracy float {:.2f} %, QAT {:.2f} %, engine {:.2f} %; {} of "
      "{} classes differ",
      different, compared, fp32, qat, integer, classes, test.size()));
}
