#pragma once
// Checkpoints: the state of models, optimizers and runs as named fields of one safetensors file.

#include <stet/io/safetensors.hpp>
#include <stet/train/identity.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <unistd.h>

namespace stet {

namespace detail {

template <class T>
struct IsTensor : std::false_type {};
template <class T>
struct IsTensor<Tensor<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsArray : std::false_type {};
template <class T, std::size_t N>
struct IsArray<std::array<T, N>> : std::true_type {};

template <class T>
inline constexpr bool is_number = std::is_arithmetic_v<T> || std::is_enum_v<T>;

// Number type that the file holds for a field of type T.
template <class T>
auto stored_number() {
  if constexpr (std::is_enum_v<T>) {
    return std::int64_t{};
  } else if constexpr (std::is_same_v<T, bool>) {
    return std::uint8_t{};
  } else {
    return T{};
  }
}

// The elements of a field as the file holds them: a tensor as it is, numbers as a scalar, lists as one dimension.
template <class T>
auto stored_tensor(const T& value) {
  if constexpr (IsTensor<T>::value) {
    return value;
  } else if constexpr (is_number<T>) {
    using S = decltype(stored_number<T>());
    return Tensor<S>(Shape{}, {static_cast<S>(value)});
  } else {
    static_assert(IsVector<T>::value || IsArray<T>::value,
                  "stet: a checkpoint field is a Tensor, a number, an enumeration, or a vector or array of numbers");
    using S = typename T::value_type;
    return Tensor<S>(Shape{static_cast<std::int64_t>(value.size())}, std::span<const S>(value));
  }
}
template <class T>
void restore_field(T& value, const typename std::remove_cvref_t<decltype(stored_tensor(value))>& stored) {
  if constexpr (IsTensor<T>::value) {
    value = stored;
  } else if constexpr (is_number<T>) {
    value = static_cast<T>(stored[0]);
  } else if constexpr (IsVector<T>::value) {
    value.assign(stored.span().begin(), stored.span().end());
  } else {
    std::copy_n(stored.data(), value.size(), value.begin());
  }
}

// Calls f(name, field) for everything that makes up a model: parameters and buffers under their own names; of a model
// with quantizers also these, under "quantizer/".
template <class M, class F>
void checkpoint_fields(M& model, F&& f) {
  if constexpr (requires { model.model(); }) {
    model.model().fields(f);
    model.fields([&](std::string_view name, auto& field) { f("quantizer/" + std::string(name), field); });
  } else {
    model.fields(f);
  }
}

// Joins what went wrong, at most twelve items.
inline std::string join_some(const std::vector<std::string>& items) {
  std::string text;
  for (std::size_t i = 0; i < items.size() && i < 12; ++i) text += (i == 0 ? "" : ", ") + items[i];
  if (items.size() > 12) text += fmt::format(" and {} more", items.size() - 12);
  return text;
}

}  // namespace detail

/// Fields whose name begins with this belong to the run (optimizer, epoch, ...), not to the model.
inline constexpr std::string_view training_prefix = "training/";

/// Collects named fields and writes them as one file. A field is a Tensor, a number, bool or enumeration, or a vector
/// or std::array of numbers; all are stored exactly.
class CheckpointWriter {
 public:
  /// Errors:    Errc::state if the name is taken
  template <class T>
  void field(std::string_view name, const T& value) {
    file_.add(std::string(name), detail::stored_tensor(value));
  }
  /// All that object.fields(f) names, each name behind the prefix.
  template <class Object>
  void fields(std::string_view prefix, Object& object) {
    object.fields(
        [&](std::string_view name, const auto& value) { field(std::string(prefix) + std::string(name), value); });
  }
  /// A model as save_checkpoint writes it.
  template <class M>
  void model(const M& model) {
    M copy = model;  // shares all tensors; fields() is for changing them too
    detail::checkpoint_fields(copy, [&](std::string_view name, const auto& value) { field(name, value); });
  }
  /// A text for readers and for CheckpointReader::expect.
  void note(std::string key, std::string text) { file_.set_metadata(std::move(key), std::move(text)); }
  /// Writes the file; a crash leaves the old content or the new one.
  /// Errors:    Errc::io if it cannot be written
  void save(const std::string& path) const { file_.save(path); }

 private:
  SafetensorsFile file_;
};

/// Reads named fields back into the objects they came from. Nothing is changed before finish(), and nothing at all if
/// anything does not fit; so name all fields first, keep them where they are, then call finish().
class CheckpointReader {
 public:
  /// Errors:    Errc::io if the file cannot be read; Errc::format if it is not a safetensors file
  explicit CheckpointReader(const std::string& path) : path_(path), file_(SafetensorsFile::load(path)) {}
  CheckpointReader(const CheckpointReader&) = delete;
  CheckpointReader& operator=(const CheckpointReader&) = delete;

  /// Whether there is a file of this name.
  static bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

  /// Wants a field: its type must be that of the file, and its shape as well (a vector takes any length).
  template <class T>
  void field(std::string_view name, T& value) {
    used_.emplace_back(name);
    const SafetensorsFile::Entry* e = file_.find(name);
    if (e == nullptr) {
      missing_.emplace_back(name);
      return;
    }
    using Stored = std::remove_cvref_t<decltype(detail::stored_tensor(value))>;
    constexpr Dtype type = detail::DtypeOf<typename Stored::value_type>::value;
    const Shape shape = wanted_shape(value);
    const bool fits = detail::IsVector<T>::value ? e->shape.rank() == 1 : e->shape == shape;
    if (e->dtype != type || !fits) {
      different_.push_back(fmt::format("{} ({} {}, wanted {} {})", name, stet::name(e->dtype), e->shape,
                                       stet::name(type), detail::IsVector<T>::value ? "[any]" : shape.str()));
      return;
    }
    assign_.push_back(
        [this, e, &value] { detail::restore_field(value, file_.get<typename Stored::value_type>(e->name)); });
  }
  /// Wants all that object.fields(f) names, each name behind the prefix.
  template <class Object>
  void fields(std::string_view prefix, Object& object) {
    object.fields([&](std::string_view name, auto& value) { field(std::string(prefix) + std::string(name), value); });
  }
  /// Wants a model as save_checkpoint writes it.
  template <class M>
  void model(M& model) {
    detail::checkpoint_fields(model, [&](std::string_view name, auto& value) { field(name, value); });
  }
  /// The text under a key, or null.
  [[nodiscard]] const std::string* note(std::string_view key) const { return file_.find_metadata(key); }
  /// Wants the text under a key to be this.
  void expect(std::string_view key, std::string_view text) {
    const std::string* found = note(key);
    if (found == nullptr || *found != text) {
      different_.push_back(fmt::format("{} ({}, wanted {})", key, found == nullptr ? "none" : *found, text));
    }
  }
  /// Leaves fields alone whose name begins so.
  void ignore(std::string_view prefix) { ignored_.emplace_back(prefix); }

  /// Assigns all fields that were named.
  /// Errors:    Errc::state listing the fields that are missing, differ in type or shape, or are in the file without
  ///            having been asked for; nothing is changed then
  void finish() {
    std::vector<std::string> unexpected;
    for (const auto& e : file_.entries()) {
      const auto prefixes = [&](const std::string& p) { return e.name.compare(0, p.size(), p) == 0; };
      const bool known = std::find(used_.begin(), used_.end(), e.name) != used_.end();
      if (!known && std::none_of(ignored_.begin(), ignored_.end(), prefixes)) unexpected.push_back(e.name);
    }
    std::string problems;
    const auto list = [&](const char* what, const std::vector<std::string>& items) {
      if (!items.empty()) problems += fmt::format("; {}: {}", what, detail::join_some(items));
    };
    list("missing", missing_);
    list("different", different_);
    list("unexpected", unexpected);
    require(problems.empty(), Errc::state, "checkpoint {}: was saved from something else than what it is loaded into{}",
            path_, problems);
    for (const auto& assign : assign_) assign();
  }

 private:
  template <class T>
  static Shape wanted_shape(const T& value) {
    if constexpr (detail::IsTensor<T>::value) {
      return value.shape();
    } else if constexpr (detail::IsArray<T>::value || detail::IsVector<T>::value) {
      return {static_cast<std::int64_t>(value.size())};
    } else {
      return {};
    }
  }

  std::string path_;
  SafetensorsFile file_;
  std::vector<std::string> used_, ignored_, missing_, different_;
  std::vector<std::function<void()>> assign_;
};

/// Writes parameters and buffers of a model (of a QatModel also its quantizers) as a safetensors file, one tensor per
/// name; a crash leaves the old content or the new one.
/// Errors:    Errc::io if it cannot be written
template <class M>
void save_checkpoint(const std::string& path, const M& model) {
  CheckpointWriter writer;
  writer.model(model);
  writer.note("format", "stet checkpoint 1");
  writer.save(path);
}

/// Reads a model of the same structure back, from save_checkpoint or from a checkpoint of fit.
/// Errors:    Errc::io, Errc::format if the file cannot be read; Errc::state listing what is missing, unexpected or of
///            another shape (the model is as it was then)
template <class M>
void load_checkpoint(const std::string& path, M& model) {
  CheckpointReader reader(path);
  reader.model(model);
  reader.ignore(training_prefix);
  reader.finish();
}

}  // namespace stet
