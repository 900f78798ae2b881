#pragma once
// Folders of files, one per class: what is in them, in an order that is the same everywhere.

#include <stet/core/error.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace stet {

/// Files with their classes.
struct ClassFiles {
  std::vector<std::string> classes{};  ///< names of the folders
  std::vector<std::string> paths{};
  std::vector<std::int32_t> labels{};  ///< of each file, the position of its class
};

namespace detail {
inline bool has_ending(const std::filesystem::path& path, std::initializer_list<std::string_view> endings) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::find(endings.begin(), endings.end(), ending) != endings.end();
}
}  // namespace detail

/// Lists a folder whose folders are classes: their names sorted by bytes, within each class its files sorted likewise. Files of
/// other endings, hidden ones and deeper folders are left out; so are folders without such files.
///
///   const ClassFiles files = list_class_folders("flowers", {".png", ".jpg", ".jpeg"});
///
/// @param endings  in small letters, with the point; the files' may be in capitals
/// Errors:    Errc::io if the folder cannot be read; Errc::format if no folder in it has such a file
inline ClassFiles list_class_folders(const std::string& folder, std::initializer_list<std::string_view> endings) {
  namespace fs = std::filesystem;
  std::error_code error;
  const auto list = [&](const fs::path& of, auto&& wanted) {
    std::vector<std::string> names;
    fs::directory_iterator at(of, error);
    for (; !error && at != fs::directory_iterator(); at.increment(error)) {
      if (at->path().filename().string().front() != '.' && wanted(*at)) names.push_back(at->path().filename().string());
    }
    if (error) fail(Errc::io, "list_class_folders: cannot read {}: {}", of.string(), error.message());
    std::sort(names.begin(), names.end());
    return names;
  };
  ClassFiles all;
  std::error_code ignored;
  for (const std::string& name : list(folder, [&](const fs::directory_entry& e) { return e.is_directory(ignored); })) {
    const std::vector<std::string> files =
        list(fs::path(folder) / name, [&](const fs::directory_entry& e) { return e.is_regular_file(ignored) && detail::has_ending(e.path(), endings); });
    if (files.empty()) continue;
    for (const std::string& file : files) {
      all.paths.push_back((fs::path(folder) / name / file).string());
      all.labels.push_back(static_cast<std::int32_t>(all.classes.size()));
    }
    all.classes.push_back(name);
  }
  std::string wanted;
  for (const std::string_view e : endings) wanted += (wanted.empty() ? "" : ", ") + std::string(e);
  require(!all.paths.empty(), Errc::format, "list_class_folders: no folder in {} has files that end in {}; there is one folder per class", folder, wanted);
  return all;
}

}  // namespace stet
