#pragma once
// Identity: what a model is, as text that checkpoints keep, and what models and data hold, as one number.

#include <stet/core/hash.hpp>
#include <stet/data/dataset.hpp>
#include <stet/graph/model.hpp>
#include <stet/graph/print.hpp>
#include <stet/model/state_fields.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

/// Named texts that say what a model is, not which numbers it holds.
using Identity = std::vector<std::pair<std::string, std::string>>;

/// What a checkpoint of a model must fit: "graph", the operators with attributes, names and shapes; "recipe", of a model
/// that has one, with its observer, estimator, schemes, schedule, overrides and target. A model type of your own gives what
/// it has: graph(), or a model() with one, and recipe().
template <class M>
Identity identity(const M& model) {
  Identity parts;
  if constexpr (requires { graph::describe(model.graph()); }) {
    parts.emplace_back("graph", graph::describe(model.graph()));
  } else if constexpr (requires { graph::describe(const_cast<M&>(model).model().graph()); }) {
    parts.emplace_back("graph", graph::describe(const_cast<M&>(model).model().graph()));
  }
  if constexpr (requires { model.recipe().describe(); }) parts.emplace_back("recipe", model.recipe().describe());
  return parts;
}

namespace detail {
// Adds name, shape and value of every field of a model to the hash that hash_of(name) gives.
template <class M, class HashOf>
void hash_fields(const M& model, const HashOf& hash_of) {
  M copy = model;  // shares all tensors; fields() is for changing them too
  checkpoint_fields(copy, [&](std::string_view name, const FieldRef& field) {
    hash_of(name).text(name).text(field.shape().str()).bytes(field.bytes());
  });
}
}  // namespace detail

/// Hash of the names, shapes and values of all parameters and buffers, for the weights with which a run starts.
STET_ENTRY std::uint64_t content_hash(const Model& model);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::uint64_t content_hash(const Model& model) {
  Hash64 hash;
  const auto add = [&](const std::string& name, const Tensor<float>& value) {
    hash.text(name).text(value.shape().str()).numbers(value.span());
  };
  for (const NamedParameter& p : model.parameters()) add(p.name, p.parameter.value);
  for (const NamedBuffer& b : model.buffers()) add(b.name, b.value);
  return hash.value();
}
#endif

/// Hash of the inputs, shapes, labels and numbers of classes or targets of a data set; its name does not count.
STET_ENTRY std::uint64_t content_hash(const Dataset& data);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::uint64_t content_hash(const Dataset& data) {
  Hash64 hash;
  for (std::size_t i = 0; i < data.inputs(); ++i) hash.text(data.shape(i).str());
  hash.number(data.classes());
  for (std::size_t k = 1; k < data.answers(); ++k) hash.number(data.classes(k));
  data.add_answers(hash);
  data.add_inputs(hash);
  return hash.value();
}
#endif

}  // namespace stet
