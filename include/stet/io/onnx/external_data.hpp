#pragma once
// Elements of tensors that lie in files beside the model, as exporters write large models. Names and numbers may be anything.

#include <stet/core/entry.hpp>
#include <stet/io/onnx/schema.hpp>

#include <string>

#if STET_DEFINE_ENTRIES
#include <stet/io/file.hpp>
#include <stet/io/onnx/decode.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>
#endif

namespace stet::onnx {

/// Fetches the tensors of a model that lie in other files, by names relative to the folder of `path`, the model's file. A
/// name must stay in that folder, also where it is a link; every tensor has bytes of its own, as many as its shape and type
/// need. Afterwards no tensor of the model is external.
/// Errors:    Errc::format if a name leads out of the folder, an offset or a length is no number or not that of the tensor,
///            tensors overlap or lie behind the end of a file; Errc::io if a file cannot be read
/// Source:    onnx.proto3, TensorProto.external_data
STET_ENTRY void read_external_data(ModelInfo& model, const std::string& path);

#if STET_DEFINE_ENTRIES
namespace detail {

// Every tensor of a model: initializers, and those of attributes.
template <class F>
void each_tensor(auto& model, F&& f) {
  for (auto& t : model.initializers) f(t);
  for (auto& n : model.nodes) {
    for (auto& a : n.attributes) {
      if (a.tensor) f(*a.tensor);
    }
  }
}

inline std::string external_entry(const TensorInfo& t, std::string_view key) {
  for (const Metadata& m : t.external) {
    if (m.first == key) return m.second;
  }
  return {};
}

// Reads tensors of one model.
class ExternalData {
 public:
  explicit ExternalData(const std::string& path) : path_(path) {
    const auto slash = path.rfind('/');
    folder_ = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  }

  void note(TensorInfo& t) {
    const std::uint64_t size = tensor_bytes(t, path_), offset = number(t, "offset").value_or(0);
    const std::uint64_t length = number(t, "length").value_or(size);
    require(length == size, Errc::format, "{}: tensor '{}' has {} bytes in another file, its shape and type need {}",
            path_, t.name, length, size);
    parts_[resolved(t)].push_back({&t, offset, size});
  }
  // Sizes are compared with those of the files before anything is taken for them.
  void read() {
    for (auto& [file, parts] : parts_) {
      const stet::detail::RegularFile opened = stet::detail::open_regular(file);
      require(opened.error == 0 && opened.kind == nullptr, Errc::io, "{}: cannot read its data from {}: {}", path_,
              file, opened.kind != nullptr ? opened.kind : opened.reason());
      require(opened.size <= default_file_limit, Errc::range, "{}: {} has {} bytes, at most {} are read", path_, file,
              opened.size, default_file_limit);
      std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
        return a.offset != b.offset ? a.offset < b.offset : a.size < b.size;
      });
      const Part* before = nullptr;
      for (const Part& p : parts) {
        require(p.offset <= opened.size && p.size <= opened.size - p.offset, Errc::format,
                "{}: tensor '{}' is said to have {} bytes from byte {} on, but {} has {}: it is damaged or of another "
                "model",
                path_, p.tensor->name, p.size, p.offset, file, opened.size);
        require(before == nullptr || before->offset + before->size <= p.offset, Errc::format,
                "{}: tensors '{}' and '{}' overlap in {}", path_, before == nullptr ? path_ : before->tensor->name,
                p.tensor->name, file);
        if (p.size > 0) before = &p;
      }
      for (const Part& p : parts) {
        p.tensor->data.resize(p.size);
        stet::detail::read_exactly(opened.descriptor, p.offset, p.tensor->data, file);
        p.tensor->where = DataLocation::inside;
        p.tensor->external.clear();
      }
    }
  }

 private:
  struct Part {
    TensorInfo* tensor;
    std::uint64_t offset, size;
  };

  [[nodiscard]] std::optional<std::uint64_t> number(const TensorInfo& t, const char* key) const {
    const std::string text = external_entry(t, key);
    if (text.empty()) return std::nullopt;
    std::uint64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    require(error == std::errc() && end == text.data() + text.size(), Errc::format,
            "{}: tensor '{}': its {} in another file is '{}'", path_, t.name, key, text.substr(0, 100));
    return n;
  }
  // Links are followed first: what counts is where the file lies.
  [[nodiscard]] std::string resolved(const TensorInfo& t) {
    const std::string name = external_entry(t, "location");
    if (const auto found = files_.find(name); found != files_.end()) return found->second;
    const auto allowed = [&](bool good) {
      require(
          good, Errc::format,
          "{}: tensor '{}' is said to lie in '{}'; only files in the folder of the model are read, by relative names",
          path_, t.name, name.substr(0, std::min<std::size_t>(name.find('\0'), 200)));
    };
    allowed(!name.empty() && name[0] != '/' && name.find('\0') == std::string::npos &&
            ("/" + name + "/").find("/../") == std::string::npos);
    const std::string folder = real(folder_), file = real(folder_ + "/" + name);
    allowed(file.starts_with(folder == "/" ? folder : folder + "/"));
    return files_.emplace(name, file).first->second;
  }
  [[nodiscard]] std::string real(const std::string& name) const {
    const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(name.c_str(), nullptr), &std::free);
    require(
        resolved != nullptr, Errc::io,
        "{}: its weights lie in {}, which cannot be opened ({}); keep the file beside the model, or save both in one "
        "(torch.onnx.export(..., external_data=False))",
        path_, name, std::strerror(errno));
    return resolved.get();
  }

  const std::string& path_;
  std::string folder_;
  std::map<std::string, std::string> files_;        // names in the model, where they lead
  std::map<std::string, std::vector<Part>> parts_;  // by file
};

}  // namespace detail

STET_ENTRY void read_external_data(ModelInfo& model, const std::string& path) {
  detail::ExternalData data(path);
  bool any = false;
  detail::each_tensor(model, [&](TensorInfo& t) {
    if (t.where != DataLocation::external) return;
    data.note(t);
    any = true;
  });
  if (any) data.read();
}
#endif

}  // namespace stet::onnx
