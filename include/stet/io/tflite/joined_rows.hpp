#pragma once
// Dense layers on images and tokens as Keras writes them: a RESHAPE to rows whose number the file computes, the layer, and a
// RESHAPE back. They become one layer along the last dimension.

#include <stet/core/error.hpp>
#include <stet/io/tflite/schema.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace stet::tflite {

namespace detail {

class JoinedRows {
 public:
  explicit JoinedRows(ModelInfo& model) : model_(model) {
    for (std::size_t i = 0; i < model_.operators.size(); ++i) {
      for (const std::int32_t t : model_.operators[i].inputs) {
        if (exists(t)) readers_[t].push_back(i);
      }
    }
    for (const std::int32_t t : model_.outputs) readers_[t].push_back(model_.operators.size());
  }

  void run() {
    for (const OperatorInfo& o : model_.operators) note(o);
    for (std::size_t i = 0; i < model_.operators.size(); ++i) join(i);
    leave_out();
  }

 private:
  /// A number of a shape: times the number of samples or not.
  struct Number {
    std::int64_t n = 0;
    bool samples = false;
    friend bool operator==(const Number&, const Number&) = default;
  };
  using Numbers = std::vector<Number>;
  static constexpr std::size_t most = 64;

  [[nodiscard]] bool exists(std::int32_t t) const { return t >= 0 && static_cast<std::size_t>(t) < model_.tensors.size(); }
  TensorInfo& tensor(std::int32_t t) { return model_.tensors[static_cast<std::size_t>(t)]; }
  // A short list that is a constant of the file, or has been computed.
  std::optional<Numbers> numbers(std::int32_t t) {
    if (!exists(t)) return std::nullopt;
    if (const auto found = known_.find(t); found != known_.end()) return found->second;
    const TensorInfo& info = tensor(t);
    if (info.type != TensorType::int32 || info.data.empty() || info.data.size() > 4 * most || info.data.size() % 4 != 0) return std::nullopt;
    Numbers list(info.data.size() / 4);
    for (std::size_t i = 0; i < list.size(); ++i) {
      std::int32_t n = 0;
      std::memcpy(&n, info.data.data() + 4 * i, 4);
      list[i].n = n;
    }
    return list;
  }

  // What an operator on shapes makes, if it is known.
  void note(const OperatorInfo& o) {
    if (o.outputs.size() != 1 || !exists(o.outputs[0]) || o.inputs.empty()) return;
    if (std::optional<Numbers> made = computed(o); made && made->size() <= most) known_[o.outputs[0]] = std::move(*made);
  }
  std::optional<Numbers> computed(const OperatorInfo& o) {
    Numbers made;
    switch (o.code) {
      case Builtin::shape: {
        if (!exists(o.inputs[0]) || tensor(o.inputs[0]).shape.size() > most) return std::nullopt;
        const TensorInfo& x = tensor(o.inputs[0]);
        for (std::size_t i = 0; i < x.shape.size(); ++i) made.push_back({i == 0 ? 1 : x.shape[i], i == 0});
        return made;
      }
      case Builtin::gather: {
        const std::optional<Numbers> from = numbers(o.inputs[0]), which = o.inputs.size() == 2 ? numbers(o.inputs[1]) : std::nullopt;
        if (!from || !which || o.options.axis != 0) return std::nullopt;
        for (const Number& i : *which) {
          if (i.samples || i.n < 0 || i.n >= static_cast<std::int64_t>(from->size())) return std::nullopt;
          made.push_back((*from)[static_cast<std::size_t>(i.n)]);
        }
        return made;
      }
      case Builtin::reduce_prod: {
        const std::optional<Numbers> from = numbers(o.inputs[0]);
        if (!from) return std::nullopt;
        Number all{1, false};
        for (const Number& f : *from) {
          if ((all.samples && f.samples) || f.n < 1 || all.n > (std::int64_t{1} << 40) / f.n) return std::nullopt;
          all = {all.n * f.n, all.samples || f.samples};
        }
        return Numbers{all};
      }
      case Builtin::concatenation:
      case Builtin::pack:
        if (o.inputs.size() > most || o.options.axis != 0) return std::nullopt;
        for (const std::int32_t t : o.inputs) {
          const std::optional<Numbers> part = numbers(t);
          if (!part || made.size() + part->size() > most) return std::nullopt;
          made.insert(made.end(), part->begin(), part->end());
        }
        return made;
      default:
        return std::nullopt;
    }
  }

  // The operator that alone reads a tensor; null if there is none such.
  OperatorInfo* sole_reader(std::int32_t t) {
    const auto found = readers_.find(t);
    if (found == readers_.end() || found->second.size() != 1 || found->second[0] >= model_.operators.size()) return nullptr;
    return &model_.operators[found->second[0]];
  }
  // RESHAPE to [samples * rows, depth], FULLY_CONNECTED, RESHAPE to [samples, ..., units].
  void join(std::size_t i) {
    OperatorInfo& first = model_.operators[i];
    const auto reshapes = [&](const OperatorInfo* o) { return o != nullptr && o->code == Builtin::reshape && o->inputs.size() == 2 && o->outputs.size() == 1 && exists(o->outputs[0]); };
    if (!reshapes(&first) || !exists(first.inputs[0])) return;
    OperatorInfo* const layer = sole_reader(first.outputs[0]);
    if (layer == nullptr || layer->code != Builtin::fully_connected || layer->outputs.size() != 1 || layer->inputs[0] != first.outputs[0]) return;
    OperatorInfo* const last = sole_reader(layer->outputs[0]);
    if (!reshapes(last) || last->inputs[0] != layer->outputs[0]) return;
    const std::optional<Numbers> rows = known(first.inputs[1]), whole = known(last->inputs[1]);
    const TensorInfo &x = tensor(first.inputs[0]), &y = tensor(last->outputs[0]);
    if (!rows || !whole || rows->size() != 2 || whole->size() != x.shape.size() || x.shape.size() < 3 || y.shape.size() != x.shape.size()) return;
    std::int64_t count = 1;
    for (std::size_t d = 1; d + 1 < x.shape.size(); ++d) {
      if (x.shape[d] < 1 || count > (std::int64_t{1} << 40) / x.shape[d] || !((*whole)[d] == Number{x.shape[d], false}) || y.shape[d] != x.shape[d]) return;
      count *= x.shape[d];
    }
    const bool fits = (*rows)[0] == Number{count, true} && (*rows)[1] == Number{x.shape.back(), false} && (*whole)[0] == Number{1, true} &&
                      whole->back() == Number{y.shape.back(), false};
    if (!fits) return;
    // What lies between is read by nobody any more.
    for (const std::int32_t between : {first.outputs[0], layer->outputs[0]}) {
      tensor(between).shape_signature.clear();
    }
    layer->inputs[0] = first.inputs[0];
    layer->outputs[0] = last->outputs[0];
    layer->options.type = OptionsType::fully_connected;
    layer->options.keep_num_dims = true;
    for (OperatorInfo* const gone : {&first, last}) {
      gone->outputs.clear();
      gone->inputs.clear();
    }
  }
  // Operators that were joined, and those on shapes that nobody reads any more.
  void leave_out() {
    std::map<std::int32_t, int> read;
    for (const std::int32_t t : model_.outputs) ++read[t];
    for (const OperatorInfo& o : model_.operators) {
      for (const std::int32_t t : o.inputs) ++read[t];
    }
    std::vector<bool> keeps(model_.operators.size(), true);
    for (std::size_t i = keeps.size(); i-- > 0;) {
      const OperatorInfo& o = model_.operators[i];
      keeps[i] = !o.outputs.empty() && (!known_.contains(o.outputs[0]) || read[o.outputs[0]] > 0);
      for (const std::int32_t t : o.inputs) read[t] -= keeps[i] ? 0 : 1;
    }
    std::vector<OperatorInfo> left;
    for (std::size_t i = 0; i < keeps.size(); ++i) {
      if (keeps[i]) left.push_back(std::move(model_.operators[i]));
    }
    model_.operators = std::move(left);
  }
  std::optional<Numbers> known(std::int32_t t) {
    const auto found = known_.find(t);
    return found == known_.end() ? std::nullopt : std::optional<Numbers>(found->second);
  }

  ModelInfo& model_;
  std::map<std::int32_t, std::vector<std::size_t>> readers_{};
  std::map<std::int32_t, Numbers> known_{};
};

}  // namespace detail

/// Whether a file computes products of a shape's numbers.
inline bool computes_rows(const ModelInfo& model) {
  return std::ranges::any_of(model.operators, [](const OperatorInfo& o) { return o.code == Builtin::reduce_prod; });
}
/// The same file with layers in place of the layers on rows, as far as their rows are known.
inline ModelInfo with_joined_rows(const ModelInfo& model) {
  ModelInfo joined = model;
  detail::JoinedRows(joined).run();
  return joined;
}

}  // namespace stet::tflite
