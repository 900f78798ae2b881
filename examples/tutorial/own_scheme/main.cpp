// Tutorial 5: a quantization scheme of one's own: the laws find its mistake, a recipe trains and deploys it.
// tutorial_own_scheme [FOLDER]

#include "../plot.hpp"

#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/stet.hpp>
#include <stet/testing/laws.hpp>

#include <algorithm>
#include <cmath>

using namespace stet;

namespace {

// Weights of 3 bits. The scale of a channel is the one of least squared error, for codes found with the scale before it.
template <bool mended>
struct LeastSquares : AffineCodes<> {
  Grid grid() const { return Grid::narrow(3); }
  Granularity granularity() const { return Granularity::per_channel(0); }
  QParams qparams(std::span<const float> w, const Shape& shape) const {
    QParams p = weight_qparams(min_max(w, shape, granularity()), granularity(), grid());
    const ScaleMap channel = scale_map(granularity(), shape);
    for (int round = 0; round < 10; ++round) {
      std::vector<double> products(p.scale.size()), squares(p.scale.size());
      for (std::size_t i = 0; i < w.size(); ++i) {
        const auto k = static_cast<std::size_t>(channel.index(static_cast<std::int64_t>(i)));
        const double x = static_cast<double>(w[i]), scale = static_cast<double>(p.scale[k]);
        const double code = std::clamp(std::round(x / scale), -3.0, 3.0);
        products[k] += x * code;
        squares[k] += code * code;
      }
      for (std::size_t k = 0; k < p.scale.size(); ++k) {
        if (squares[k] == 0) continue;  // a channel of zeros keeps the scale that it has
        p.scale[k] = static_cast<float>(mended ? products[k] / squares[k] : squares[k] / products[k]);
      }
    }
    return p;
  }
  std::string describe() const { return "LeastSquares, 3 bits"; }
};

// A network quantized with weights of this scheme, trained, and run as integers.
void train(const Model& model, const AnyScheme& scheme, const DatasetSplit& data, const char* name) {
  Recipe recipe = recipes::int8();
  recipe.weights = recipe.linear_weights = scheme;
  QatModel qat = prepare(model, recipe);
  calibrate(qat, data.train);
  const double untrained = evaluate(qat, data.test).accuracy;
  fit(qat, data.train,
      {.epochs = 4, .optimizer = Adam{.lr = 1e-3}, .schedule = Cosine{}, .progress = ProgressMode::quiet});
  const Engine engine(convert(qat));
  const Tensor<float> images = data.test.batch(0, 1000).x;
  const Tensor<float> trained = infer(qat, images), deployed = infer(engine, images);
  int different = 0;
  for (std::int64_t i = 0; i < trained.size(); ++i) different += trained[i] != deployed[i] ? 1 : 0;
  fmt::print("{}: before training {:.1f} %, after {:.1f} %, {} of {} outputs of the engine differ\n", name,
             100 * untrained, 100 * evaluate(qat, data.test).accuracy, different, trained.size());
}

// The weights of a channel in order of size, every eighth, and what the two schemes make of them.
void draw(const Tensor<float>& w, const std::string& path) {
  std::vector<float> sorted(w.span().begin(), w.span().end());
  std::sort(sorted.begin(), sorted.end());
  const Shape shape{1, std::ssize(sorted)};
  const double end = std::ceil(10 * static_cast<double>(std::max(-sorted.front(), sorted.back()))) / 10;
  const auto coded = [&](const QParams& p) {
    const Tensor<float> y = fake_quantize(Tensor<float>(shape, sorted), p);
    tutorial::Points points;
    for (std::int64_t i = 7; i < y.size(); i += 8) points.emplace_back(i, y[i]);
    return points;
  };
  tutorial::Points real;
  for (std::size_t i = 7; i < sorted.size(); i += 8) real.emplace_back(i, sorted[i]);
  tutorial::Plot plot(0, static_cast<double>(sorted.size()), -end, end,
                      "The weights of one channel, and 3 bits of them");
  plot.dots(real, "#bbb", "weights");
  plot.line(coded(weight_qparams(min_max(sorted, shape, Granularity::per_channel(0)), Granularity::per_channel(0),
                                 Grid::narrow(3))),
            "#c0392b", "largest value");
  plot.line(coded(LeastSquares<true>{}.qparams(sorted, shape)), "#0b5cad", "least squares");
  plot.save(path);
}

}  // namespace

int main(int argc, char** argv) {
  fmt::print("the first attempt: {}", testing::check_scheme_laws(LeastSquares<false>{}).str());
  fmt::print("mended: {}", testing::check_scheme_laws(LeastSquares<true>{}).str());

  Graph g;
  auto x = g.input({28, 28, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2})));
  x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3, .stride = 2})));
  g.output(linear(flatten(x), {.units = 10}));
  Model model(std::move(g), Rng(1));
  const DatasetSplit data = make_shapes(1, 2000, 1000);
  fit(model, data.train,
      {.epochs = 6, .optimizer = Adam{.lr = 3e-3}, .schedule = Cosine{}, .progress = ProgressMode::quiet});
  fmt::print("float {:.1f} %\n", 100 * evaluate(model, data.test).accuracy);
  train(model, LeastSquares<false>{}, data, "the first attempt");
  train(model, LeastSquares<true>{}, data, "mended           ");
  train(model, symmetric(3, true), data, "largest value    ");

  const Tensor<float> channel(Shape{784}, model.parameter("linear_1.weight").value.span().first(784));  // of [10,784]
  draw(channel, (argc > 1 ? std::string(argv[1]) : ".") + "/own_scheme.svg");
}
