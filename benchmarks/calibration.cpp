// Accuracy of post-training quantization, in percent, by calibration observer: three networks, 8-bit activations and 4-bit
// ones (8 bits at both ends), and calibration data that are sorted by class, shuffled, or spoilt: 128 of 1024 images blank,
// or one of 1024 times 30. calibrate draws 1024 images. The first row is what calibrate did once: a moving average of
// batches of 128 in the order of the file, here of the first 1024 images. A second table has the accuracy by the number of
// images, mean and least of five draws. Prints Markdown.
//   bench_calibration [training images] [test images] [directory to keep the float networks in]

#include "examples/fashion_mnist/networks.hpp"

#include <stet/engine/engine.hpp>
#include <stet/model/quantize.hpp>
#include <stet/quant/histogram_observer.hpp>
#include <stet/quant/percentile_observer.hpp>
#include <stet/stet.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace stet;

struct Network {
  std::string name;
  Model fp32;
};
struct Candidate {
  std::string name;
  AnyObserver observer;
  bool in_file_order = false;
};

Network train(const std::string& name, const Dataset& data, const std::string& directory) {
  Network n{name, Model(example::make_network(name), Rng(1))};
  const std::string file = directory + "/" + name + ".safetensors";
  if (!directory.empty() && CheckpointReader::exists(file)) {
    load_checkpoint(file, n.fp32);
    return n;
  }
  fit(n.fp32, data,
      {.epochs = 2, .optimizer = Adam{.lr = 1e-3}, .schedule = Cosine{}, .progress = ProgressMode::quiet});
  if (!directory.empty()) save_checkpoint(file, n.fp32);
  return n;
}

// 1024 images drawn from all, one times a factor or many blank.
Dataset spoilt(const Dataset& data, std::int64_t first, std::int64_t last, float factor) {
  std::vector<std::int64_t> order = shuffled_order(data.size(), 7, 0);
  order.resize(1024);
  Batch all = data.batch(order);
  const std::int64_t pixels = all.x.size() / all.size();
  const auto x = all.x.edit();
  for (std::int64_t i = first * pixels; i < last * pixels; ++i) x[static_cast<std::size_t>(i)] *= factor;
  return {all.x, all.labels, data.classes(), data.name()};
}

// What calibrate did once.
void calibrate_in_file_order(QatModel& qat, const Dataset& data, const AnyObserver& prototype) {
  std::vector<AnyObserver> observers(qat.quantizers().size(), prototype);
  for (std::int64_t first = 0; first < std::min<std::int64_t>(data.size(), 1024); first += 128) {
    std::vector<Range> ranges(observers.size(), RangeScan{}.range);
    (void)infer(qat.model(), data.batch(first, std::min<std::int64_t>(first + 128, data.size())).x,
                {.observe = [&](int node, const Tensor<float>& value) {
                  for (const Unit& unit : qat.units()) {
                    Range& range = ranges[static_cast<std::size_t>(unit.quantizer)];
                    if (unit.output == node) range = unite(range, min_max(value.span()));
                  }
                }});
    for (std::size_t i = 0; i < observers.size(); ++i) observers[i].observe(ranges[i]);
  }
  for (std::size_t i = 0; i < observers.size(); ++i) qat.quantizers()[i].fix(observers[i].ranges()[0]);
}

Recipe recipe_of(int bits) {
  Recipe r = recipes::int8();
  r.activations = Int8Activation(bits);
  if (bits < 8) r.end_bits = 8;
  return r;
}

double accuracy(const QatModel& qat, const Dataset& test) {
  return 100 * evaluate(Engine(convert(qat)), test).accuracy;
}

double accuracy(const Network& n, const Candidate& c, int bits, const Dataset& calibration, const Dataset& test) {
  Recipe recipe = recipe_of(bits);
  if (!c.in_file_order) recipe.calibration_observer = c.observer;
  QatModel qat = prepare(n.fp32, recipe);
  if (c.in_file_order) {
    calibrate_in_file_order(qat, calibration, c.observer);
  } else {
    calibrate(qat, calibration);
  }
  return accuracy(qat, test);
}

double largest_disagreement(const Network& n, const Dataset& data) {
  QatModel qat = prepare(n.fp32, recipes::int8());
  calibrate(qat, data);
  double most = 1;
  for (const Quantizer& q : qat.quantizers()) most = std::max(most, q.calibration().disagreement());
  return most;
}

void by_images(const std::vector<Network>& networks, const Dataset& train, const Dataset& test) {
  fmt::print("\n| images |");
  for (const int bits : {8, 4}) {
    for (const Network& n : networks) fmt::print(" {}, {} bits |", n.name, bits);
  }
  fmt::print("\n|---|---|---|---|---|---|---|\n");
  for (const std::int64_t images : {1, 4, 16, 64, 256, 1024}) {
    fmt::print("| {} |", images);
    for (const int bits : {8, 4}) {
      for (const Network& n : networks) {
        double sum = 0, least = 100;
        for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
          QatModel qat = prepare(n.fp32, recipe_of(bits));
          calibrate(qat, train, {.images = images, .seed = seed});
          const double a = accuracy(qat, test);
          sum += a;
          least = std::min(least, a);
        }
        fmt::print(" {:.1f}, {:.1f} |", sum / 5, least);
        std::fflush(stdout);
      }
    }
    fmt::print("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  DatasetSplit data = load_fashion_mnist(fashion_mnist_directory);
  data.train = data.train.first(argc > 1 ? std::atoi(argv[1]) : 20000);
  data.test = data.test.first(argc > 2 ? std::atoi(argv[2]) : 2000);
  std::vector<Network> networks;
  for (const char* name : {"plain", "separable", "residual"})
    networks.push_back(train(name, data.train, argc > 3 ? argv[3] : ""));
  // Warnings are not the subject here.
  set_warning_handler([](const std::string&) {});

  std::vector<std::int64_t> sorted(static_cast<std::size_t>(data.train.size()));
  std::iota(sorted.begin(), sorted.end(), std::int64_t{0});
  const auto labels = data.train.labels();
  std::stable_sort(sorted.begin(), sorted.end(), [&](std::int64_t a, std::int64_t b) {
    return labels[static_cast<std::size_t>(a)] < labels[static_cast<std::size_t>(b)];
  });
  const std::vector<Dataset> sets{data.train.subset(sorted),
                                  data.train.subset(shuffled_order(data.train.size(), 7, 0)),
                                  spoilt(data.train, 0, 128, 0.0f), spoilt(data.train, 300, 301, 30.0f)};
  const std::vector<Candidate> candidates{
      {"`MovingAverageObserver`, in the order of the file", MovingAverageObserver(), true},
      {"`MovingAverageObserver`", MovingAverageObserver()},
      {"`MinMaxObserver`", MinMaxObserver()},
      {"`MedianObserver<>`", MedianObserver<>()},
      {"`PercentileObserver`, 99.999", PercentileObserver()},
      {"`PercentileObserver`, 99.99", PercentileObserver({}, 99.99)},
      {"`HistogramObserver`", HistogramObserver()},
      {"`MseObserver`", MseObserver()},
      {"`MedianObserver<MseObserver>`", MedianObserver<MseObserver>()}};
  for (const int bits : {8, 4}) {
    fmt::print("\n| {} bits |", bits);
    for (const Network& n : networks) fmt::print(" {}: sorted | shuffled | blank | outlier |", n.name);
    fmt::print("\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (const Candidate& c : candidates) {
      fmt::print("| {} |", c.name);
      for (const Network& n : networks) {
        for (const Dataset& set : sets) fmt::print(" {:.1f} |", accuracy(n, c, bits, set, data.test));
        std::fflush(stdout);
      }
      fmt::print("\n");
    }
  }
  by_images(networks, data.train, data.test);
  fmt::print("\n");
  for (const Network& n : networks) {
    fmt::print("{}: float {:.1f} %; one batch reaches up to {:.2f} times as far as a typical one", n.name,
               100 * evaluate(n.fp32, data.test).accuracy, largest_disagreement(n, sets[1]));
    fmt::print(", with the outlier {:.1f}, with blank images {:.2f}\n", largest_disagreement(n, sets[3]),
               largest_disagreement(n, sets[2]));
  }
}
