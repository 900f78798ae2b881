#pragma once
// Selection: where a model of a .tflite file ends, and which of its operators that needs.

#include <stet/core/error.hpp>
#include <stet/io/ending.hpp>
#include <stet/io/import_options.hpp>
#include <stet/io/tflite/names.hpp>
#include <stet/io/tflite/node_names.hpp>
#include <stet/io/tflite/schema.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace stet::tflite {

struct Selection {
  std::vector<std::int32_t> outputs{};  ///< tensors
  std::vector<bool> needed{};           ///< per operator
};

namespace detail {

inline Tail tail_of(Builtin code) {
  switch (code) {
    case Builtin::softmax:
    case Builtin::log_softmax:
    case Builtin::arg_max:
    case Builtin::topk_v2:
      return Tail::classifies;
    case Builtin::quantize:
    case Builtin::dequantize:
    case Builtin::cast:
    case Builtin::reshape:
    case Builtin::squeeze:
    case Builtin::expand_dims:
      return Tail::rearranges;
    default:
      return Tail::none;
  }
}

}  // namespace detail

/// What the options ask for of a file, whose numbers may still be anything.
/// Errors:    Errc::unsupported if no tensor has a name that is asked for
inline Selection select(const ModelInfo& model, const ImportOptions& options, const std::string& where) {
  const auto exists = [&](std::int32_t t) { return t >= 0 && static_cast<std::size_t>(t) < model.tensors.size(); };
  std::vector<const OperatorInfo*> maker(model.tensors.size(), nullptr);
  for (const OperatorInfo& o : model.operators) {
    for (const std::int32_t t : o.outputs) {
      if (exists(t)) maker[static_cast<std::size_t>(t)] = &o;
    }
  }
  const auto maker_of = [&](std::int32_t t) { return exists(t) ? maker[static_cast<std::size_t>(t)] : nullptr; };

  Selection chosen{model.outputs, std::vector<bool>(model.operators.size(), false)};
  if (!options.outputs.empty()) {
    chosen.outputs.clear();
    for (const std::string& name : options.outputs) {
      std::int32_t found = -1;
      for (std::size_t i = 0; i < model.tensors.size() && found < 0; ++i) {
        if (maker[i] != nullptr && (model.tensors[i].name == name || Names::clean(model.tensors[i].name) == name)) {
          found = static_cast<std::int32_t>(i);
        }
      }
      if (found < 0) {
        const bool ends = !model.operators.empty() && !model.operators.back().outputs.empty();
        fail(Errc::unsupported, "{}: no operator makes a tensor '{}' to end at; the last one makes '{}'", where, name,
             ends ? tensor_name(model, model.operators.back().outputs[0]) : std::string());
      }
      chosen.outputs.push_back(found);
    }
  } else if (options.ending == Ending::logits) {
    std::string cut;
    for (std::int32_t& output : chosen.outputs) {
      const auto step = [&](std::int32_t t, std::int32_t& input) {
        const OperatorInfo* const o = maker_of(t);
        if (o == nullptr || o->inputs.empty()) return Tail::none;
        input = o->inputs[0];
        const OperatorInfo* const before = maker_of(input);
        const bool of_input = before == nullptr || before->code == Builtin::quantize;
        const Tail tail = detail::tail_of(o->code);
        return tail == Tail::classifies && of_input ? Tail::none : tail;
      };
      output = before_softmax(output, step, [&](std::int32_t t) {
        if (cut.size() < 200) cut += (cut.empty() ? "" : ", ") + operator_name(*maker_of(t));
      });
    }
    if (!cut.empty()) {
      std::vector<bool> seen(model.tensors.size(), false);
      std::erase_if(chosen.outputs, [&](std::int32_t t) {
        if (!exists(t)) return false;
        const bool again = seen[static_cast<std::size_t>(t)];
        seen[static_cast<std::size_t>(t)] = true;
        return again;
      });
      warn_of_ending(where, "'" + tensor_name(model, chosen.outputs[0]) + "'", cut);
    }
  }

  std::vector<bool> wanted(model.tensors.size(), false);
  const auto want = [&](std::int32_t t) {
    if (exists(t)) wanted[static_cast<std::size_t>(t)] = true;
  };
  for (const std::int32_t t : chosen.outputs) want(t);
  for (std::size_t i = model.operators.size(); i-- > 0;) {
    const OperatorInfo& o = model.operators[i];
    bool needed = chosen.outputs == model.outputs;
    for (const std::int32_t t : o.outputs) needed = needed || (exists(t) && wanted[static_cast<std::size_t>(t)]);
    chosen.needed[i] = needed;
    if (!needed) continue;
    for (const std::int32_t t : o.inputs) want(t);
  }
  return chosen;
}

}  // namespace stet::tflite
