#pragma once
// Causes of a worse quantized model, planted one at a time, as docs/why.md has a section for each: what must be named first.

#include "../examples/fashion_mnist/networks.hpp"

#include <stet/diagnose/diagnose.hpp>
#include <stet/quant/min_max_observer.hpp>
#include <stet/quant/percentile_observer.hpp>
#include <stet/train/adam.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit_qat.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace planted {

using namespace stet;

/// A trained network and data, without a fault.
struct Healthy {
  std::string network;
  Model fp32;       ///< trained to its end
  Model early;      ///< the same run's beginning
  Dataset train;    ///< for fine-tuning
  Dataset validation;
  std::uint64_t seed = 1;
  int epochs = 2;
};

/// Everything that a question points at.
struct Case {
  explicit Case(const Healthy& h) : fp32(h.fp32), train(h.train), validation(h.validation), fit(options(h)) {}
  static FitOptions options(const Healthy& h) {
    return {.epochs = h.epochs, .optimizer = Adam{.lr = 1e-4}, .schedule = Cosine{}, .seed = h.seed, .progress = ProgressMode::quiet};
  }

  Model fp32;
  Recipe recipe = recipes::int8();
  Dataset train, validation;
  FitOptions fit;
  std::optional<Dataset> calibration{};
  std::optional<QatModel> qat{}, calibrated{};
  std::optional<Model> control{}, reference{};
  FitReport history{};

  /// QAT and its control, as the case says.
  void train_both() {
    Model c = fp32;
    (void)stet::fit(c, train, fit);
    control = std::move(c);
    QatModel q = prepare(fp32, recipe);
    calibrate(q, calibration ? *calibration : train);
    history = stet::fit(q, train, fit);
    qat = std::move(q);
  }
  /// @param retrain  whether causes in training may be looked for by training
  [[nodiscard]] Question question(bool retrain = true) const {
    Question q{.fp32 = fp32, .recipe = recipe, .train = train, .validation = validation};
    q.images = 5000;
    if (qat) q.qat = &*qat;
    if (control) q.control = &*control;
    if (reference) q.reference = &*reference;
    if (calibrated) q.calibrated = &*calibrated;
    q.calibration = calibration;
    if (retrain && qat) q.fit = fit;
    if (qat) q.history = &history;
    return q;
  }
};

struct Plant {
  std::string name;
  std::string cause;  ///< id that must stand first; empty: no complaint
  bool trains = false;
  std::function<void(Case&, const Healthy&)> plant;
};

/// Images with other numbers: f(pixel, position of the image).
inline Dataset changed(const Dataset& data, std::int64_t images, const std::function<float(float, std::int64_t)>& f) {
  Batch b = data.batch(0, std::min(images, data.size()));
  const std::int64_t each = b.x.size() / b.size();
  std::int64_t i = 0;
  for (float& x : b.x.edit()) x = f(x, i++ / each);
  return {b.x, b.labels, data.classes(), data.name()};
}

inline Dataset only(const Dataset& data, const std::function<bool(std::int32_t, std::int64_t)>& keep) {
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    if (keep(data.labels()[static_cast<std::size_t>(i)], i)) order.push_back(i);
  }
  return data.subset(order);
}

/// Multiplies the channels behind a batch norm by powers between 1/R and R, and divides in the layer that reads them: the float
/// network computes the same where all between is ReLU or pooling.
inline void rescale(Model& model, double r, std::uint64_t seed) {
  const Graph& g = model.graph();
  Rng rng(seed);
  for (int id = 0; id < g.size(); ++id) {
    if (!graph::is<graph::op::BatchNorm>(g.node(id).op)) continue;
    int at = id, reader = -1;
    bool plain = true;
    while (plain && reader < 0) {
      const std::vector<int> readers = g.consumers(at);
      plain = readers.size() == 1 && !g.is_output(at);
      if (!plain) break;
      const std::string kind(graph::kind(g.node(readers[0]).op));
      if (kind == "conv2d" || kind == "linear") {
        reader = readers[0];
      } else {
        plain = kind == "relu" || kind == "max_pool" || kind == "flatten" || kind == "global_average_pool";
        at = readers[0];
      }
    }
    if (reader < 0) continue;
    auto& gamma = model.parameter(g.node(id).name + ".gamma").value;
    auto& beta = model.parameter(g.node(id).name + ".beta").value;
    auto& w = model.parameter(g.node(reader).name + ".weight").value;
    const auto channels = static_cast<std::size_t>(gamma.size());
    const std::span<float> ga = gamma.edit(), be = beta.edit(), we = w.edit();
    std::vector<float> factor(channels);
    for (float& f : factor) f = static_cast<float>(std::exp((2 * rng.uniform() - 1) * std::log(r)));
    for (std::size_t c = 0; c < channels; ++c) {
      ga[c] *= factor[c];
      be[c] *= factor[c];
    }
    for (std::size_t i = 0; i < we.size(); ++i) we[i] /= factor[i % channels];
  }
}

inline void shift_statistics(Model& model, double sigmas, std::uint64_t seed) {
  Rng rng(seed);
  for (NamedBuffer& b : model.buffers()) {
    if (b.role != graph::Role::mean) continue;
    const std::string bn = b.name.substr(0, b.name.rfind('.'));
    const Tensor<float>& variance = model.buffer(bn + ".variance");
    const std::span<float> mean = b.value.edit();
    for (std::size_t c = 0; c < mean.size(); ++c) {
      mean[c] += static_cast<float>(sigmas) * (rng.uniform() < 0.5 ? -1.0f : 1.0f) * std::sqrt(variance[static_cast<std::int64_t>(c)]);
    }
  }
}

inline const std::string& first_layer(const Model& model) {
  for (const graph::Node& n : model.graph().nodes()) {
    if (graph::has_weights(n.op)) return n.name;
  }
  fail(Errc::range, "no layer");
}

/// All plants. Where a network cannot have one (ReLU6 cannot be rescaled), plant() leaves the case as it was and says so by an
/// exception of Errc::unsupported.
inline std::vector<Plant> all_plants() {
  const auto wrong_scale = [](float factor) {
    return [factor](Case& c, const Healthy& h) { c.calibration = changed(h.train, 1024, [=](float x, std::int64_t) { return x * factor; }); };
  };
  const auto hostile = [](double r, bool per_tensor) {
    return [=](Case& c, const Healthy& h) {
      require(h.network != "separable", Errc::unsupported, "ReLU6 cannot be rescaled");
      rescale(c.fp32, r, h.seed);
      if (per_tensor) c.recipe = recipes::int8_per_tensor();
    };
  };
  const auto statistics = [](double sigmas) {
    return [=](Case& c, const Healthy& h) {
      c.reference = h.fp32;
      shift_statistics(c.fp32, sigmas, h.seed);
    };
  };
  std::vector<Plant> plants{
      {"calibrated on x255", "calibration_scale", false, wrong_scale(255)},
      {"calibrated on x0.1", "calibration_scale", false, wrong_scale(0.1f)},
      {"one image x100, min-max", "calibration_outlier", false,
       [](Case& c, const Healthy& h) {
         c.recipe.calibration_observer = MinMaxObserver{};
         c.calibration = changed(h.train, 1024, [](float x, std::int64_t i) { return i == 77 ? x * 100 : x; });
       }},
      {"percentile observer at 90 %", "calibration_observer", false,
       [](Case& c, const Healthy&) { c.recipe.calibration_observer = PercentileObserver(Granularity::per_tensor(), 90.0); }},
      {"one node's range x0.15", "node_range", false,
       [](Case& c, const Healthy& h) {
         QatModel q = prepare(c.fp32, c.recipe);
         calibrate(q, c.train);
         const std::vector<Unit>& units = q.units();
         int layers = 0;
         for (std::size_t u = 0; u < units.size(); ++u) {
           if (!units[u].has_weights() || ++layers < 2) continue;
           Quantizer& quantizer = q.quantizer(units[u].quantizer);
           const Range r = quantizer.range();
           quantizer.fix(Range{r.lo * 0.15f, r.hi * 0.15f});
           break;
         }
         c.calibrated = std::move(q);
         (void)h;
       }},
      {"hostile rescale R=16, per tensor", "channel_disparity", false, hostile(16, true)},
      {"hostile rescale R=16, per channel", "channel_disparity", false, hostile(16, false)},
      {"first layer 2 bits", "first_layer_bits", false,
       [](Case& c, const Healthy&) { c.recipe.overrides = {{.node = first_layer(c.fp32), .weights = symmetric(2)}}; }},
      {"logits 2 bits", "last_layer_bits", false,
       [](Case& c, const Healthy&) { c.recipe.overrides = {{.node = "logits", .weights = symmetric(2, false)}}; }},
      {"weights 3 bits", "weight_bits", false,
       [](Case& c, const Healthy&) {
         c.recipe.weights = symmetric(3);
         c.recipe.linear_weights = symmetric(3, false);
       }},
      {"activations 3 bits", "activation_bits", false, [](Case& c, const Healthy&) { c.recipe.activations = Int8Activation(3); }},
      {"batch norm off by 0.3 sigma", "batch_norm_statistics", false, statistics(0.3)},
      {"batch norm off by 1 sigma", "batch_norm_statistics", false, statistics(1.0)},
      {"FP32 reference trained longer", "reference_trained_longer", true,
       [](Case& c, const Healthy& h) {
         c.reference = h.fp32;
         c.fp32 = h.early;
         c.train_both();
       }},
      {"learning rate 3e-2, constant", "learning_rate", true,
       [](Case& c, const Healthy&) {
         c.fit.optimizer = Adam{.lr = 3e-2};
         c.fit.schedule = Constant{};
         c.train_both();
       }},
      {"learning rate 1e-2, constant", "learning_rate", true,
       [](Case& c, const Healthy&) {
         c.fit.optimizer = Adam{.lr = 1e-2};
         c.fit.schedule = Constant{};
         c.train_both();
       }},
      {"W2A2 for few steps", "too_short", true,
       [](Case& c, const Healthy&) {
         c.recipe = recipes::w2a2_lsq();
         c.fit.epochs = 1;
         c.fit.batch = c.train.size() / 20;
         c.fit.optimizer = Adam{.lr = 1e-3};
         c.train_both();
       }},
      {"W2A2, never switched on", "never_quantized", true,
       [](Case& c, const Healthy&) {
         c.recipe = recipes::w2a2_lsq();
         c.recipe.schedule.quantize_at = 2;
         c.train_both();
       }},
      {"5 of 10 classes", "data_missing_classes", true,
       [](Case& c, const Healthy& h) {
         c.train = only(h.train, [](std::int32_t label, std::int64_t) { return label < 5; });
         c.train_both();
       }},
      {"100 images for long", "few_images", true,
       [](Case& c, const Healthy& h) {
         c.train = only(h.train, [](std::int32_t, std::int64_t i) { return i < 100; });
         c.fit.epochs = 100 * h.epochs;
         c.train_both();
       }},
      {"weight decay 100", "weight_decay", true,
       [](Case& c, const Healthy&) {
         c.fit.optimizer = AdamW{.lr = 2e-4, .weight_decay = 100.0};
         c.train_both();
       }},
      {"noise left on", "training_images_differ", true,
       [](Case& c, const Healthy& h) {
         auto rng = std::make_shared<Rng>(h.seed);
         c.train = changed(h.train, h.train.size(), [=](float x, std::int64_t) { return x + 0.5f * static_cast<float>(rng->normal()); });
         c.calibration = h.train;
         c.fit.optimizer = Adam{.lr = 1e-3};
         c.train_both();
       }},
      {"x255 and ranges frozen", "ranges_stuck", true,
       [wrong_scale](Case& c, const Healthy& h) {
         wrong_scale(255)(c, h);
         c.recipe.schedule.freeze_ranges_at = 0;
         c.train_both();
         c.calibration.reset();  // what they were, nobody kept
       }},
      {"batch norm of QAT off by 0.3 sigma", "batch_norm_statistics", true,
       [](Case& c, const Healthy& h) {
         c.train_both();
         shift_statistics(c.qat->model(), 0.3, h.seed);
       }},
  };
  return plants;
}

/// Healthy cases: nobody may complain.
inline std::vector<Plant> healthy_cases() {
  return {
      {"int8 without training", "", false, [](Case&, const Healthy&) {}},
      {"int8 QAT", "", true, [](Case& c, const Healthy&) { c.train_both(); }},
      {"int8 QAT, without a control", "", true,
       [](Case& c, const Healthy&) {
         c.train_both();
         c.control.reset();
       }},
      {"int8 QAT, another seed", "", true,
       [](Case& c, const Healthy&) {
         c.fit.seed += 100;
         c.train_both();
       }},
  };
}

}  // namespace planted
