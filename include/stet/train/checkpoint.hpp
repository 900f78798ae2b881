#pragma once
// Checkpoints: the state of models, optimizers and runs as named fields of one safetensors file.

#include <stet/core/description.hpp>
#include <stet/core/join_some.hpp>
#include <stet/core/warning.hpp>
#include <stet/io/safetensors.hpp>
#include <stet/model/state_fields.hpp>
#include <stet/train/identity.hpp>

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

namespace stet {

namespace detail {

inline constexpr std::string_view checkpoint_format = "stet checkpoint 2";  // 1 had no checksum and no identity

// Whether the file is of another stage than the model, as a sentence; nearly every name would be missing or too many then.
template <class M>
std::string stage_difference(const SafetensorsFile& file, M& model) {
  if (file.entries().empty()) return {};
  const auto quantizer = [](std::string_view name) { return name.starts_with(quantizer_prefix); };
  bool wanted = false;
  checkpoint_fields(model, [&](std::string_view name, const FieldRef&) { wanted = wanted || quantizer(name); });
  const bool found =
      std::any_of(file.entries().begin(), file.entries().end(), [&](const auto& e) { return quantizer(e.name); });
  if (found == wanted) return {};
  return found ? "is of a quantized model, and this one is float: load it into the QatModel that prepare makes"
               : "is of a float model, and this one is quantized: load it into the Model, then prepare that";
}

}  // namespace detail

/// Fields whose name begins with this belong to the run (optimizer, epoch, ...), not to the model.
inline constexpr std::string_view training_prefix = "training/";

/// Collects named fields and writes them as one file with a checksum. A field is a Tensor, a number, bool or enumeration, or
/// a vector or std::array of numbers; all are stored exactly.
class CheckpointWriter {
 public:
  CheckpointWriter() {
    file_.seal();
    note("format", std::string(detail::checkpoint_format));
  }
  /// Errors:    Errc::state if the name is taken; Errc::range if a Tensor<float> has NaN or infinities: a checkpoint is to
  ///            return to, so nobody wants one in place of the last that was good
  template <class T>
  void field(std::string_view name, const T& value) {
    add(name, detail::FieldRef(value));
  }
  /// All that object.fields(f) names, each name behind the prefix.
  template <class Object>
  void fields(std::string_view prefix, Object& object) {
    detail::visit_fields(object, [&](std::string_view name, const detail::FieldRef& field) {
      add(std::string(prefix) + std::string(name), field);
    });
  }
  /// A model as save_checkpoint writes it, with its identity.
  /// Errors:    Errc::range if a value is NaN or infinite, a variance negative, or a quantizer's state impossible
  template <class M>
  void model(const M& model) {
    usable(detail::find_fault(model));
    for (const auto& [key, text] : identity(model)) note(key, text);
    M copy = model;  // shares all tensors; fields() is for changing them too
    detail::checkpoint_fields(copy, [&](std::string_view name, const detail::FieldRef& field) { add(name, field); });
  }
  /// A text for readers and for CheckpointReader::expect.
  void note(std::string key, std::string text) { file_.set_metadata(std::move(key), std::move(text)); }
  /// Writes the file; a crash leaves the old content or the new one.
  /// Errors:    Errc::io if it cannot be written
  void save(const std::string& path) const { file_.save(path); }

 private:
  void add(std::string_view name, const detail::FieldRef& field) {
    usable(field.fault(name, field.bytes()));
    file_.add(std::string(name), field.dtype(), field.shape(), field.bytes());
  }
  static void usable(const std::string& fault) {
    require(fault.empty(), Errc::range,
            "checkpoint: {}; training has diverged, so nothing is written: go on from the last checkpoint with a lower "
            "learning rate",
            fault);
  }

  SafetensorsFile file_;
};

/// Reads named fields back into the objects they came from. Nothing is changed before finish(), and nothing at all if
/// anything does not fit; so name all fields first, keep them where they are, then call finish().
class CheckpointReader {
 public:
  /// Warns of a file without a checksum, as other programs and earlier versions write them.
  /// Errors:    Errc::io if the file cannot be read; Errc::format if it is not a safetensors file, or is damaged
  explicit CheckpointReader(const std::string& path) : path_(path), file_(SafetensorsFile::load(path)) {
    const std::string* format = note("format");
    require(file_.sealed() || format == nullptr || *format != detail::checkpoint_format, Errc::format,
            "checkpoint {}: its checksum is missing; the file is damaged, or another program has rewritten it", path_);
    if (!file_.sealed()) warn("checkpoint {}: has no checksum, so damage would not be noticed; save it again", path_);
  }
  CheckpointReader(const CheckpointReader&) = delete;
  CheckpointReader& operator=(const CheckpointReader&) = delete;

  /// Whether there is a file of this name.
  static bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

  /// Wants a field: its type must be that of the file, and its shape as well (a vector takes any length).
  template <class T>
  void field(std::string_view name, T& value) {
    want(name, detail::FieldRef(value));
  }
  /// Wants all that object.fields(f) names, each name behind the prefix.
  template <class Object>
  void fields(std::string_view prefix, Object& object) {
    detail::visit_fields(object, [&](std::string_view name, const detail::FieldRef& field) {
      want(std::string(prefix) + std::string(name), field);
    });
  }
  /// Wants a model as save_checkpoint writes it, of this model's identity. Warns of a file that has none.
  template <class M>
  void model(M& model) {
    for (const auto& [key, text] : identity(model)) {
      unknown_ = unknown_ || note(key) == nullptr;
      if (note(key) != nullptr && *note(key) != text)
        other_.push_back(formatted("{}: {}", key, differences(*note(key), text)));
    }
    other_stage_ = detail::stage_difference(file_, model);
    detail::checkpoint_fields(model, [&](std::string_view name, const detail::FieldRef& field) { want(name, field); });
    // What the fields mean together is asked of a copy, because nothing may be changed if it is wrong.
    checks_.push_back([this, copy = model]() mutable {
      detail::checkpoint_fields(copy, [&](std::string_view name, const detail::FieldRef& field) {
        if (const auto* e = file_.find(name); e != nullptr && field.fits(*e)) field.restore(*e);
      });
      return detail::find_fault(copy);
    });
  }
  /// Errors:    Errc::state if the file is of a float model and the one that was wanted is quantized, or the reverse
  void require_stage() const { require(other_stage_.empty(), Errc::state, "checkpoint {}: {}", path_, other_stage_); }
  /// Takes a model of another identity as long as all names and shapes fit, with a warning that says what differs.
  void allow_differences() { allow_differences_ = true; }
  /// The text under a key, or null.
  [[nodiscard]] const std::string* note(std::string_view key) const { return file_.find_metadata(key); }
  /// Wants the text under a key to be this.
  void expect(std::string_view key, std::string_view text) {
    const std::string* found = note(key);
    if (found == nullptr || *found != text) {
      different_.push_back(formatted("{} ({})", key, differences(found == nullptr ? "none" : *found, text)));
    }
  }
  /// Leaves fields alone whose name begins so.
  void ignore(std::string_view prefix) { ignored_.emplace_back(prefix); }

  /// Assigns all fields that were named.
  /// Errors:    Errc::state listing the fields that are missing, differ in type or shape, or are in the file without
  ///            having been asked for, and where graph and recipe differ; Errc::range if a value cannot be used: NaN or
  ///            infinite in a Tensor<float>, a negative variance, a quantizer's scale, zero point or state that cannot be;
  ///            nothing is changed then
  void finish();

 private:
  void want(std::string_view name, const detail::FieldRef& field);
  void unusable(std::string fault) {
    if (!fault.empty()) unusable_.push_back(std::move(fault));
  }

  std::string path_, other_stage_{};
  SafetensorsFile file_;
  std::vector<std::string> used_, ignored_, missing_, different_, other_, unusable_;
  std::vector<std::pair<detail::FieldRef, const SafetensorsFile::Entry*>> assign_;
  std::vector<std::function<std::string()>> checks_;
  bool allow_differences_ = false, unknown_ = false;
};

#if STET_DEFINE_ENTRIES
STET_ENTRY void CheckpointReader::want(std::string_view name, const detail::FieldRef& field) {
  used_.emplace_back(name);
  const SafetensorsFile::Entry* e = file_.find(name);
  if (e == nullptr) {
    missing_.emplace_back(name);
  } else if (!field.fits(*e)) {
    different_.push_back(formatted("{} ({} {}, wanted {})", name, stet::name(e->dtype), e->shape, field.wanted()));
  } else {
    unusable(field.fault(name, e->bytes.span()));
    assign_.emplace_back(field, e);
  }
}
STET_ENTRY void CheckpointReader::finish() {
  require_stage();
  std::vector<std::string> unexpected;
  for (const auto& e : file_.entries()) {
    const auto prefixes = [&](const std::string& p) { return e.name.compare(0, p.size(), p) == 0; };
    const bool known = std::find(used_.begin(), used_.end(), e.name) != used_.end();
    if (!known && std::none_of(ignored_.begin(), ignored_.end(), prefixes)) unexpected.push_back(e.name);
  }
  std::string problems;
  const auto list = [&](const char* what, const std::vector<std::string>& items) {
    if (!items.empty()) problems += formatted("; {}: {}", what, detail::join_some(items));
  };
  list("missing", missing_);
  list("different", different_);
  list("unexpected", unexpected);
  const bool only_other = problems.empty();
  if (!allow_differences_) list("another model", other_);
  require(problems.empty(), Errc::state, "checkpoint {}: was saved from something else than what it is loaded into{}{}",
          path_, problems,
          only_other ? "; allow_differences takes it nevertheless, because all names and shapes fit" : "");
  for (const auto& check : checks_) unusable(check());
  require(unusable_.empty(), Errc::range, "checkpoint {}: holds values that nothing can compute with: {}", path_,
          detail::join_some(unusable_));
  if (unknown_)
    warn("checkpoint {}: does not say of which graph or recipe it is, so that is not checked; save it again", path_);
  if (!other_.empty()) warn("checkpoint {}: is of another model: {}", path_, detail::join_some(other_));
  for (const auto& [field, entry] : assign_) field.restore(*entry);
}
#endif

/// Writes parameters and buffers of a model (of a QatModel also its quantizers) as a safetensors file, one tensor per
/// name, with the model's identity and a checksum as metadata; a crash leaves the old content or the new one.
/// Errors:    Errc::io if it cannot be written; Errc::range as CheckpointWriter::model, and the old file stays
template <class M>
void save_checkpoint(const std::string& path, const M& model) {
  CheckpointWriter writer;
  writer.model(model);
  writer.save(path);
}

struct LoadOptions {
  /// Whether a checkpoint of another graph, recipe or target is taken as long as all names and shapes fit, with a warning.
  bool allow_differences = false;
};

/// Reads a model of the same identity back, from save_checkpoint or from a checkpoint of fit. Warns of a file without
/// checksum or identity.
/// Errors:    Errc::io, Errc::format if the file cannot be read or is damaged; Errc::state, Errc::range as
///            CheckpointReader::finish (the model is as it was then)
template <class M>
void load_checkpoint(const std::string& path, M& model, const LoadOptions& options = {}) {
  CheckpointReader reader(path);
  if (options.allow_differences) reader.allow_differences();
  reader.model(model);
  reader.ignore(training_prefix);
  reader.finish();
}

}  // namespace stet
