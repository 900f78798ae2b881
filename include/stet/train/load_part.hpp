#pragma once
// load_part: what fits of another model's checkpoint, with a report of what does not.

#include <stet/graph/freeze.hpp>
#include <stet/train/checkpoint.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

/// What load_part takes, and under which names.
struct LoadPartOptions {
  /// Nodes that have another name in the model than in the file: {{"conv2d_1", "stem.conv"}}. What the file has under the first
  /// name goes to the second.
  std::vector<std::pair<std::string, std::string>> renamed{};
  std::vector<std::string> except{};  ///< nodes of the model that stay as they are; * stands for any characters
};

/// What became of a checkpoint of which a part was loaded.
struct LoadPartReport {
  struct Left {
    std::string name{}, why{};
  };
  std::vector<std::string> loaded{};  ///< parameters and buffers of the model that are now the file's
  std::vector<Left> not_loaded{};     ///< what the file has and the model did not take
  std::vector<Left> untouched{};      ///< what the model has and the file did not give: as it was

  /// A line for each, less what was loaded, which is counted.
  [[nodiscard]] std::string str() const {
    std::string text = formatted("{} parameters and buffers loaded\n", loaded.size());
    for (const Left& l : not_loaded) text += formatted("not loaded: {}: {}\n", l.name, l.why);
    for (const Left& l : untouched) text += formatted("as it was: {}: {}\n", l.name, l.why);
    return text;
  }
};

namespace detail {

// What checkpoints hold of a model: a name and where it goes.
struct ModelField {
  std::string name;
  FieldRef field;
};
STET_ENTRY LoadPartReport load_part(const std::string& path, const std::vector<ModelField>& fields, const LoadPartOptions& options,
                                    FunctionRef<std::string(const std::vector<std::pair<std::size_t, const SafetensorsFile::Entry*>>&)> fault);
#if STET_DEFINE_ENTRIES
STET_ENTRY LoadPartReport load_part(const std::string& path, const std::vector<ModelField>& fields, const LoadPartOptions& options,
                                    FunctionRef<std::string(const std::vector<std::pair<std::size_t, const SafetensorsFile::Entry*>>&)> fault) {
  const SafetensorsFile file = SafetensorsFile::load(path);
  const auto node_of = [](std::string_view name) { return name.substr(0, name.rfind('.')); };
  std::vector<bool> used(options.renamed.size(), false);
  const auto name_in_model = [&](const std::string& name) {
    for (std::size_t i = 0; i < options.renamed.size(); ++i) {
      if (node_of(name) != options.renamed[i].first) continue;
      used[i] = true;
      return options.renamed[i].second + name.substr(node_of(name).size());
    }
    return name;
  };
  const auto excepted = [&](const std::string& name) {
    return std::any_of(options.except.begin(), options.except.end(),
                       [&](const std::string& pattern) { return fits_pattern(pattern, node_of(name)) || fits_pattern(pattern, name); });
  };
  LoadPartReport report;
  std::vector<std::pair<std::size_t, const SafetensorsFile::Entry*>> assign;
  std::vector<const SafetensorsFile::Entry*> of(fields.size(), nullptr);
  std::vector<std::string> why(fields.size(), "the file has nothing of this name");
  std::size_t ranges = 0;
  for (const SafetensorsFile::Entry& e : file.entries()) {
    if (e.name.starts_with(training_prefix)) continue;
    if (e.name.starts_with(quantizer_prefix)) {
      ++ranges;
      continue;
    }
    const std::string name = name_in_model(e.name);
    const std::string shown = name == e.name ? name : e.name + " (" + name + ")";
    const auto at = std::find_if(fields.begin(), fields.end(), [&](const ModelField& f) { return f.name == name; });
    if (at == fields.end()) {
      report.not_loaded.push_back({shown, "the model has nothing of this name"});
      continue;
    }
    const auto k = static_cast<std::size_t>(at - fields.begin());
    require(of[k] == nullptr, Errc::state, "load_part: {}: '{}' and '{}' both go to '{}'; rename or leave out one of them", path,
            of[k] == nullptr ? "" : std::string_view(of[k]->name), e.name, name);
    of[k] = &e;
    if (excepted(name)) {
      why[k] = "it was to stay";
    } else if (!at->field.fits(e)) {
      why[k] = formatted("the file has {} {}, the model {}", stet::name(e.dtype), e.shape, at->field.wanted());
    } else if (const std::string bad = at->field.fault(name, e.bytes.span()); !bad.empty()) {
      fail(Errc::range, "load_part: {}: holds values that nothing can compute with: {}", path, bad);
    } else {
      assign.emplace_back(k, &e);
      report.loaded.push_back(name);
      continue;
    }
    report.not_loaded.push_back({shown, why[k]});
  }
  for (std::size_t i = 0; i < used.size(); ++i) {
    require(used[i], Errc::range, "load_part: {}: has no node '{}' to rename to '{}'", path, options.renamed[i].first, options.renamed[i].second);
  }
  for (const std::string& pattern : options.except) {
    const bool any = std::any_of(fields.begin(), fields.end(), [&](const ModelField& f) { return fits_pattern(pattern, node_of(f.name)) || fits_pattern(pattern, f.name); });
    require(any, Errc::range, "load_part: no node of the model is named '{}'; * stands for any characters", pattern);
  }
  if (ranges > 0) report.not_loaded.push_back({formatted("{}* ({} fields)", quantizer_prefix, ranges), "ranges belong to the whole network; calibrate it"});
  if (assign.empty()) fail(Errc::state, "load_part: nothing of {} fits the model:\n{}", path, report.str());
  const std::string wrong = fault(assign);
  require(wrong.empty(), Errc::range, "load_part: {}: holds values that nothing can compute with: {}", path, wrong);
  for (std::size_t k = 0; k < fields.size(); ++k) {
    const bool took = std::any_of(assign.begin(), assign.end(), [&](const auto& a) { return a.first == k; });
    if (!took) report.untouched.push_back({fields[k].name, why[k]});
  }
  for (const auto& [k, entry] : assign) fields[k].field.restore(*entry);
  return report;
}
#endif

}  // namespace detail

/// Loads what fits of a checkpoint of another model: by name and shape, with nodes renamed, less what is to stay. For a network
/// with another head, or one that was built with other names; load_checkpoint is for the same network, whole.
///
///   LoadPartReport report = load_part("flowers.safetensors", model, {.renamed = {{"conv2d_1", "stem"}}, .except = {"head"}});
///   fmt::print("{}", report.str());
///
/// Weights lie as stet has them (OHWI, linear [out, in]); files of other programs may have the same shape and another order. Of a
/// quantized model's file the parameters are taken and the ranges are not, and a quantized model keeps its own ranges.
/// Errors:    Errc::io, Errc::format if the file cannot be read or is damaged; Errc::state if nothing fits, or two names of the
///            file go to one of the model; Errc::range if a name to rename is not in the file, one to except not in the model,
///            or a value is NaN, infinite or a negative variance; the model is as it was then
template <class M>
LoadPartReport load_part(const std::string& path, M& model, const LoadPartOptions& options = {}) {
  const auto fields_of = [](M& m) {
    std::vector<detail::ModelField> fields;
    detail::checkpoint_fields(m, [&](std::string_view name, const detail::FieldRef& field) {
      if (!name.starts_with(detail::quantizer_prefix)) fields.push_back({std::string(name), field});
    });
    return fields;
  };
  return detail::load_part(path, fields_of(model), options, [&](const auto& assign) {
    M copy = model;  // shares all tensors until they are written
    const std::vector<detail::ModelField> fields = fields_of(copy);
    for (const auto& [k, entry] : assign) fields[k].field.restore(*entry);
    return detail::find_fault(copy);
  });
}

}  // namespace stet
