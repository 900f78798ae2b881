// Quantization-aware training inside an mlpack program: a layer that fake-quantizes activations, and a function object
// in the shape that ensmallen's optimizers call, which trains through quantized copies of the weights.
//
// Layout: Armadillo's columns are contiguous and a column is a sample, so a matrix is stet's [samples, features]. The
// weights of mlpack's Linear are outputs x inputs: in memory [inputs, outputs], with one scale per element of axis 1.

#include "../integrate/images.hpp"

#include <stet/core/random.hpp>
#include <stet/data/batches.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/fake_quantize.hpp>
#include <stet/quant/observer.hpp>

// The layers alone; <mlpack.hpp> has them too, and needs ensmallen for mlpack's own training loops.
#include <mlpack/prereqs.hpp>
#include <mlpack/core/util/arma_traits.hpp>
#include <mlpack/core/util/conv_to.hpp>
#include <mlpack/core/util/first_element_is_arma.hpp>
#include <mlpack/core/util/log.hpp>
#include <mlpack/core/util/using.hpp>
#include <mlpack/core/math/math.hpp>
#include <mlpack/methods/ann/layer/layer.hpp>

#include <cmath>
#include <memory>
#include <vector>

namespace {

using arma::fmat;

// Views of Armadillo's memory: no copy.
std::span<const float> values(const fmat& m) { return {m.memptr(), m.n_elem}; }
std::span<float> values(fmat& m) { return {m.memptr(), m.n_elem}; }

/// An mlpack layer: fake quantization of what the layer before it returns. While it is off it observes nothing.
class FakeQuantize : public mlpack::Layer<fmat> {
 public:
  struct State {
    bool on = false;
    stet::MovingAverageObserver range{stet::Granularity::per_tensor(), 0.05f};
    stet::QParams params{};
  };
  explicit FakeQuantize(std::shared_ptr<State> state) : state_(std::move(state)) {}
  FakeQuantize* Clone() const override { return new FakeQuantize(*this); }

  void Forward(const fmat& input, fmat& output) override {
    output = input;
    if (!state_->on) return;
    if (this->training) state_->range.observe(values(input));
    state_->params = stet::choose_qparams(state_->range.ranges(), stet::Grid::int8());
    stet::fake_quantize(values(input), state_->params, values(output));
  }
  void Backward(const fmat& input, const fmat&, const fmat& gy, fmat& g) override {
    g = gy;
    if (state_->on) stet::fake_quantize_backward(values(input), values(gy), state_->params, values(g));
  }

 private:
  std::shared_ptr<State> state_;
};

/// The network and its loss as ensmallen sees a function: parameters in, objective and gradient out.
class Perceptron {
 public:
  explicit Perceptron(const stet::Dataset& data) : data_(data) {
    net_.Add<mlpack::Linear<fmat>>(64);
    net_.Add<mlpack::ReLU<fmat>>();
    net_.Add<FakeQuantize>(hidden_);
    net_.Add<mlpack::Linear<fmat>>(10);
    net_.InputDimensions() = {784};
    net_.ComputeOutputDimensions();
  }
  void quantize() { quantized_ = hidden_->on = true; }

  fmat InitialPoint() const {
    stet::Rng rng(1);
    fmat parameters(net_.WeightSize(), 1, arma::fill::zeros);
    for (const Block& block : blocks) {
      const double bound = std::sqrt(6.0 / static_cast<double>(block.inputs));
      for (float& v : part(parameters, block)) v = static_cast<float>(rng.uniform(-bound, bound));
    }
    return parameters;
  }
  std::size_t NumFunctions() const { return static_cast<std::size_t>(data_.size()); }
  void Shuffle() { order_ = stet::shuffled_order(data_.size(), 1, epoch_++); }

  double EvaluateWithGradient(const fmat& parameters, std::size_t begin, fmat& gradient, std::size_t count) {
    const stet::Batch batch = data_.batch(std::span(order_).subspan(begin, count));
    const fmat x = images(batch);
    fmat logits, dx;
    forward(parameters, x, logits, true);
    // Softmax cross-entropy and its gradient.
    fmat error = arma::exp(logits.each_row() - arma::max(logits));
    error.each_row() /= arma::sum(error);
    double loss = 0;
    for (std::size_t n = 0; n < count; ++n) {
      float& likely = error(static_cast<arma::uword>(batch.labels[static_cast<std::int64_t>(n)]), n);
      loss -= std::log(std::max(likely, 1e-30f));
      likely -= 1.0f;
    }
    error /= static_cast<float>(count);
    net_.Backward(x, logits, error, dx);
    gradient.zeros(parameters.n_elem, 1);
    net_.Gradient(x, error, gradient);
    // The gradient of the quantized weights becomes that of the parameters, in place.
    for (const Block& block : blocks) {
      if (!quantized_) break;
      stet::fake_quantize_backward(part(parameters, block), part(gradient, block), block.shape(),
                                   weight_parameters(parameters, block), part(gradient, block));
    }
    return loss / static_cast<double>(count);
  }

  arma::urowvec classify(const fmat& parameters, const stet::Batch& batch) {
    fmat logits;
    forward(parameters, images(batch), logits, false);
    return arma::index_max(logits);
  }
  /// Weights as they were last used, and the scales of a layer's outputs.
  const fmat& used() const { return used_; }
  std::vector<float> scales(const fmat& parameters, int layer) const {
    return weight_parameters(parameters, blocks[layer]).scale;
  }
  static std::span<const float> weights(const fmat& parameters, int layer) { return part(parameters, blocks[layer]); }

 private:
  // Where a layer's weights lie among the parameters.
  struct Block {
    std::size_t first, inputs, outputs;
    stet::Shape shape() const { return {static_cast<std::int64_t>(inputs), static_cast<std::int64_t>(outputs)}; }
  };
  static constexpr Block blocks[] = {{0, 784, 64}, {784 * 64 + 64, 64, 10}};

  static std::span<float> part(fmat& m, const Block& b) { return values(m).subspan(b.first, b.inputs * b.outputs); }
  static std::span<const float> part(const fmat& m, const Block& b) {
    return values(m).subspan(b.first, b.inputs * b.outputs);
  }
  static stet::QParams weight_parameters(const fmat& parameters, const Block& block) {
    const auto outputs = stet::Granularity::per_channel(1);
    return stet::weight_qparams(stet::min_max(part(parameters, block), block.shape(), outputs), outputs);
  }
  fmat images(const stet::Batch& batch) const {
    fmat x(batch.x.data(), 784, static_cast<arma::uword>(batch.size()));
    if (quantized_) stet::fake_quantize(values(x), pixels_, values(x));
    return x;
  }
  void forward(const fmat& parameters, const fmat& x, fmat& logits, bool training) {
    used_ = parameters;
    for (const Block& block : blocks) {
      if (!quantized_) break;
      stet::fake_quantize(part(parameters, block), block.shape(), weight_parameters(parameters, block),
                          part(used_, block));
    }
    net_.SetWeights(used_);
    net_.Training() = training;
    logits.set_size(10, x.n_cols);
    net_.Forward(x, logits);
  }

  stet::Dataset data_;
  mlpack::MultiLayer<fmat> net_;
  std::shared_ptr<FakeQuantize::State> hidden_ = std::make_shared<FakeQuantize::State>();
  stet::QParams pixels_ = stet::choose_qparams(stet::Range{0.0f, 1.0f}, stet::Grid::int8());
  bool quantized_ = false;
  std::uint64_t epoch_ = 0;
  std::vector<std::int64_t> order_;
  fmat used_;  // the layers refer to it
};

// Stochastic gradient descent with momentum on any such function; ensmallen's optimizers take the same members.
template <class Function>
double descend(Function& function, fmat& parameters, int epochs, float rate) {
  fmat gradient, momentum(arma::size(parameters), arma::fill::zeros);
  constexpr std::size_t batch = 64;
  double loss = 0;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    function.Shuffle();
    const std::size_t steps = function.NumFunctions() / batch;
    loss = 0;
    for (std::size_t i = 0; i < steps; ++i) {
      loss += function.EvaluateWithGradient(parameters, i * batch, gradient, batch) / static_cast<double>(steps);
      momentum = 0.9f * momentum + gradient;
      parameters -= rate * momentum;
    }
  }
  return loss;
}

double accuracy(const arma::urowvec& classes, const stet::Batch& test) {
  double right = 0;
  for (std::int64_t i = 0; i < test.size(); ++i) {
    right += classes[static_cast<arma::uword>(i)] == static_cast<arma::uword>(test.labels[i]);
  }
  return 100.0 * right / static_cast<double>(test.size());
}

}  // namespace

int main() {
  const stet::DatasetSplit data = example::load_images(12000, 4000);
  const stet::Batch test = data.test.batch(0, data.test.size());
  Perceptron perceptron(data.train);
  fmat parameters = perceptron.InitialPoint();

  descend(perceptron, parameters, 5, 0.05f);
  descend(perceptron, parameters, 2, 0.01f);
  const double fp32 = accuracy(perceptron.classify(parameters, test), test);
  perceptron.quantize();
  const double loss = descend(perceptron, parameters, 2, 0.01f);
  const double qat = accuracy(perceptron.classify(parameters, test), test);

  // The weights that the network used are codes times scales, all of them.
  std::int64_t off_grid = 0, weights = 0;
  for (int layer = 0; layer < 2; ++layer) {
    const std::vector<float> scale = perceptron.scales(parameters, layer);
    const std::span<const float> used = Perceptron::weights(perceptron.used(), layer);
    for (std::size_t i = 0; i < used.size(); ++i) {
      const float s = scale[i % scale.size()];
      const float code = std::round(used[i] / s);
      off_grid += code * s != used[i] || std::abs(code) > 127.0f;
      ++weights;
    }
  }

  example::Checks check("integrate_mlpack");
  check(fp32 > 75, "the float network reaches 75 %");
  check(qat > fp32 - 1.5, "QAT keeps the accuracy within 1.5 points");
  check(off_grid == 0, "every weight that the network used is a code of -127..127 times its scale");
  return check.outcome(fmt::format("accuracy float {:.2f} %, QAT {:.2f} %, loss {:.3f}; {} of {} weights are off the grid",
                                   fp32, qat, loss, off_grid, weights));
}
