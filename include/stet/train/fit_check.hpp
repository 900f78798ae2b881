#pragma once
// What fit refuses before the first batch: options that cannot work, and data that do not fit the model.

#include <stet/core/entry.hpp>
#include <stet/core/parallel.hpp>
#include <stet/data/dataset.hpp>
#include <stet/graph/freeze.hpp>
#include <stet/graph/graph.hpp>
#include <stet/model/data_sample.hpp>
#include <stet/train/fit_options.hpp>
#include <stet/train/log.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <string_view>

namespace stet::detail {

STET_ENTRY void check_fit(const Dataset& data, const FitOptions& o);
// Whether a pattern is of a parameter: of its own name, or of its node's.
inline bool fits_parameter(std::string_view pattern, std::string_view name) {
  return fits_pattern(pattern, name) || fits_pattern(pattern, name.substr(0, name.rfind('.')));
}
// Gives the parameters the rates of the options.
STET_ENTRY void set_rates(std::vector<ParameterRef>& parameters, const FitOptions& o);
// The same with the graph of the model. batch_norm_live(progress): whether a step at this part of the run normalizes with
// the statistics of its batch.
STET_ENTRY void check_fit_data(const Graph& graph, const Dataset& data, const FitOptions& o,
                               FunctionRef<bool(double progress)> batch_norm_live);
#if STET_DEFINE_ENTRIES
// The number of an output, where there are several.
inline std::string of_output(std::size_t output, std::size_t outputs) { return outputs > 1 ? formatted(" for output {}", output) : std::string(); }

inline void check_losses(const Dataset& data, const FitOptions& o) {
  require(!o.loss || o.losses.empty(), Errc::state, "fit: options.loss and options.losses are set; options.losses alone says it of each output");
  double weights = o.losses.empty() ? 1 : 0;
  for (const OutputLoss& one : o.losses) {
    require(one.weight >= 0 && std::isfinite(one.weight), Errc::range, "fit: the weight of a loss is {}, must be finite and not negative", one.weight);
    require(!one.loss.of_all(), Errc::state,
            "fit: a loss of a list of outputs stands in options.losses, which are of one output each; set it as options.loss");
    weights += one.weight;
  }
  require(weights > 0, Errc::range, "fit: all losses have weight 0; give one a positive weight");
  const std::size_t outputs = o.losses.empty() ? std::max<std::size_t>(1, data.answers()) : o.losses.size();
  for (std::size_t k = 0; k < outputs; ++k) {
    if (o.loss || (!o.losses.empty() && (o.losses[k].loss || o.losses[k].weight == 0))) continue;
    if (data.has_labels(k) || data.has_targets(k)) continue;
    const std::string which = of_output(k, outputs);
    fail(Errc::state, "fit: data set {} has neither labels nor targets{}, and there is no loss; give it one of them, or set options.{}", data.name(),
         which, o.losses.empty() ? "loss" : "losses");
  }
}

inline void check_validation(const Dataset& data, const Dataset& validation) {
  require(validation.inputs() == data.inputs(), Errc::shape, "fit: validation data have {} inputs, training data {}", validation.inputs(), data.inputs());
  for (std::size_t i = 0; i < data.inputs(); ++i) {
    require(validation.shape(i) == data.shape(i), Errc::shape, "fit: validation images are {}, training images {}", validation.shape(i), data.shape(i));
  }
  const std::size_t outputs = std::max(data.answers(), validation.answers());
  const auto answers = [](const Dataset& d, std::size_t k) {
    return d.has_labels(k) ? "labels" : d.has_targets(k) ? "targets" : "neither labels nor targets";
  };
  for (std::size_t k = 0; k < outputs; ++k) {
    if (validation.has_labels(k) == data.has_labels(k) && validation.has_targets(k) == data.has_targets(k)) continue;
    const std::string which = of_output(k, outputs);
    fail(Errc::state, "fit: training data have {}{}, validation data {}; give both the same", answers(data, k), which, answers(validation, k));
  }
}

// A step of samples without weight has no mean. Where they fall is known before the first of them.
inline void check_weights(const Dataset& data, const FitOptions& o) {
  const std::span<const float> weights = data.weights();
  std::int64_t none = 0;
  for (const float w : weights) none += w == 0.0f ? 1 : 0;
  if (none == 0) return;
  for (int epoch = 0; epoch < o.epochs; ++epoch) {
    const Batches batches(data.size(), batches_of(o), static_cast<std::uint64_t>(epoch));
    for (std::int64_t i = 0; i < batches.size(); ++i) {
      const auto step = batches[i];
      require(std::any_of(step.begin(), step.end(), [&](std::int64_t n) { return weights[static_cast<std::size_t>(n)] > 0; }), Errc::range,
              "fit: all samples of step {} of epoch {} have weight 0 ({} of {} have in data set {}); leave them out (Dataset::subset), or "
              "take larger batches",
              i + 1, epoch + 1, none, data.size(), data.name());
    }
  }
}

STET_ENTRY void check_fit(const Dataset& data, const FitOptions& o) {
  require(o.epochs >= 1, Errc::range, "fit: epochs is {}, must be at least 1", o.epochs);
  require(o.batch >= 1, Errc::range, "fit: batch is {}, must be at least 1", o.batch);
  (void)steps_per_epoch(data.size(), batches_of(o));
  require(o.part >= 1, Errc::range, "fit: part is {} samples, must be at least 1", o.part);
  require(o.clip_norm >= 0, Errc::range, "fit: clip_norm is {}, must not be negative", o.clip_norm);
  require(o.label_smoothing >= 0 && o.label_smoothing <= 1, Errc::range,
          "fit: label_smoothing is {}, must be in 0..1", o.label_smoothing);
  require(o.early_stop.patience >= 0, Errc::range, "fit: early_stop.patience is {}, must not be negative",
          o.early_stop.patience);
  require(std::isfinite(o.early_stop.min_delta), Errc::range, "fit: early_stop.min_delta is {}, must be finite",
          o.early_stop.min_delta);
  require((o.early_stop.patience == 0 && !o.early_stop.restore_best) || o.validation != nullptr, Errc::state,
          "fit: early_stop watches the validation data; set validation to a data set");
  require(!o.metric || o.validation != nullptr, Errc::state, "fit: metric '{}' is of validation data; set validation to a data set",
          o.metric.name);
  require(o.metric.name.empty() || o.metric, Errc::state, "fit: metric '{}' has no function", o.metric.name);
  check_losses(data, o);
  if (o.validation != nullptr) check_validation(data, *o.validation);
  bool labels = false;
  for (std::size_t k = 0; k < data.answers(); ++k) labels = labels || data.has_labels(k);
  require(labels || o.label_smoothing == 0, Errc::state,
          "fit: label_smoothing {} belongs to labels, and data set {} has none; leave it at 0", o.label_smoothing, data.name());
  require(!o.loss || o.label_smoothing == 0, Errc::state,
          "fit: label_smoothing {} belongs to softmax cross-entropy, which options.loss replaces", o.label_smoothing);
  for (const LayerRate& r : o.rates) {
    require(r.factor > 0 && std::isfinite(r.factor), Errc::range,
            "fit: the rate of '{}' is {} times that of the others, must be positive and finite; freeze(model, \"{}\") holds it", r.names, r.factor,
            r.names);
  }
  require(!o.resume || !o.replace, Errc::state, "fit: resume goes on with the run of the checkpoint, replace begins anew; set one");
  if (data.has_weights()) check_weights(data, o);
  for (std::size_t i = 0; i < o.state.size(); ++i) {
    const std::string& name = o.state[i].name();
    require(!name.empty() && name.substr(0, name.find('/')) != "optimizer", Errc::state,
            "fit: options.state has the name '{}', which the checkpoint needs for the run itself; take another", name);
    for (std::size_t k = 0; k < i; ++k) {
      require(o.state[k].name() != o.state[i].name(), Errc::state,
              "fit: options.state names {} twice; give every state a name of its own", o.state[i].name());
    }
  }
  require(o.log.empty() || log_format(o.log) != LogFormat::none, Errc::unsupported, "fit: the log {} ends neither in .csv nor in .jsonl", o.log);
  if (!o.log.empty()) (void)log_text(o, {.epochs = {{}}});  // a title that no file can hold
  require(!o.resume || !o.checkpoint.empty(), Errc::state, "fit: resume needs the name of a checkpoint file");
  require(o.stop_after >= 0, Errc::range, "fit: stop_after is {} epochs, must not be negative", o.stop_after);
  require(o.stop_after == 0 || o.run != nullptr || !o.checkpoint.empty(), Errc::state,
          "fit: stop_after leaves a run that has to go on from somewhere; set run or checkpoint");
}

STET_ENTRY void set_rates(std::vector<ParameterRef>& parameters, const FitOptions& o) {
  require(!parameters.empty(), Errc::state, "fit: nothing is left to train, all of the model is frozen; unfreeze a part of it");
  for (const LayerRate& rate : o.rates) {
    bool any = false;
    for (ParameterRef& p : parameters) {
      if (!fits_parameter(rate.names, p.name)) continue;
      p.lr_factor = rate.factor;
      any = true;
    }
    require(any, Errc::range, "fit: no parameter that is trained is named '{}'; * stands for any characters", rate.names);
  }
}

// Labels are class indices where they are compared with logits.
inline void check_classes(const Dataset& data, std::size_t k, const graph::Node& output) {
  require(output.shape.rank() == 1, Errc::shape,
          "fit: softmax cross-entropy compares classes with logits [N,classes], output '{}' is [N] + {}; flatten it, or train it "
          "with options.loss",
          output.name, output.shape);
  require(data.classes(k) <= output.shape[0], Errc::range,
          "fit: data set {} has {} classes, output '{}' makes {} logits; give the last layer as many units as there are "
          "classes (replace_head of a trained model)",
          data.name(), data.classes(k), output.name, output.shape[0]);
}

// As targets_like at every step, before the first.
inline void check_targets(const Dataset& data, std::size_t k, const graph::Node& output) {
  const Shape& wanted = data.target_shape(k);
  require(output.shape == wanted || (output.shape.rank() == wanted.rank() + 1 && output.shape.back() == 1 &&
                                     output.shape.elements() == wanted.elements()),
          Errc::shape, "fit: mean squared error compares targets [N] + {} of data set {} with output '{}', [N] + {}; give them one shape, or set options.loss",
          wanted, data.name(), output.name, output.shape);
}

// Losses, answers and the metric belong to outputs.
inline void check_outputs(const Graph& graph, const Dataset& data, const FitOptions& o) {
  const std::size_t outputs = graph.outputs().size();
  std::string names;
  for (const int id : graph.outputs()) names += (names.empty() ? "'" : ", '") + graph.node(id).name + "'";
  require(o.losses.empty() || o.losses.size() == outputs, Errc::shape,
          "fit: options.losses has {} losses, the model has {} outputs ({}); give one for each, in this order", o.losses.size(), outputs, names);
  require(!o.loss || o.loss.of_all() || outputs == 1, Errc::shape,
          "fit: options.loss is of one output, the model has {} ({}); set options.losses, one for each, or a loss of std::span<const "
          "Var<Tensor<float>>>",
          outputs, names);
  if (!o.loss) {
    require(data.answers() <= outputs, Errc::shape, "fit: data set {} has labels or targets for {} outputs, the model has {} ({})", data.name(),
            data.answers(), outputs, names);
    require(!o.losses.empty() || data.answers() == outputs, Errc::shape,
            "fit: the model has {} outputs ({}), data set {} has labels or targets for {}; add them with Dataset::with_labels and with_targets, "
            "in this order, or set options.losses",
            outputs, names, data.name(), data.answers());
  }
  require(!o.metric || o.metric.output >= 0 || outputs == 1, Errc::shape,
          "fit: metric '{}' is of one output, the model has {} ({}); name it: metric.of(0)", o.metric.name, outputs, names);
  require(o.metric.output < static_cast<int>(outputs), Errc::range, "fit: metric '{}' is of output {}, the model has {}", o.metric.name,
          o.metric.output, outputs);
}

STET_ENTRY void check_fit_data(const Graph& graph, const Dataset& data, const FitOptions& o,
                               FunctionRef<bool(double progress)> batch_norm_live) {
  require_data("fit", graph, data);
  check_outputs(graph, data, o);
  for (std::size_t k = 0; k < graph.outputs().size(); ++k) {
    if (o.loss || (!o.losses.empty() && (o.losses[k].loss || o.losses[k].weight == 0))) continue;
    const graph::Node& output = graph.node(graph.outputs()[k]);
    for (const Dataset* d : {&data, o.validation}) {
      if (d == nullptr) continue;
      if (d->has_labels(k)) check_classes(*d, k, output);
      if (d->has_targets(k)) check_targets(*d, k, output);
    }
  }

  // A step of a single image: its batch norm has one value per channel where nothing is left of the picture.
  const bool every = o.batch == 1 || data.size() == 1;
  if (!every && (o.drop_last || data.size() % o.batch != 1)) return;
  const std::int64_t steps = steps_per_epoch(data.size(), batches_of(o));
  const std::int64_t first = every ? 0 : steps - 1;
  if (!batch_norm_live(static_cast<double>(first) / static_cast<double>(steps * o.epochs))) return;
  for (const graph::Node& node : graph.nodes()) {
    if (!graph::is<graph::op::BatchNorm>(node.op) || node.shape.elements() != node.shape.back()) continue;
    require(every, Errc::range,
            "fit: {} images in batches of {} leave a last batch of 1, and batch norm '{}' needs two values per channel to "
            "have a variance; set drop_last, or take another batch size",
            data.size(), o.batch, node.name);
    fail(Errc::range,
         "fit: {} images in batches of {} are steps of one image, and batch norm '{}' needs two values per channel to have "
         "a variance; take batches of at least 2 images",
         data.size(), o.batch, node.name);
  }
}
#endif

}  // namespace stet::detail
