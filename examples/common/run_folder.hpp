#pragma once
// The folder of a run: one process at a time, one set of options, and nothing left of the run before.

#include <stet/core/error.hpp>
#include <stet/io/file.hpp>
#include <stet/io/file_lock.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace example {

/// Names and texts of what a run's results depend on.
using RunOptions = std::vector<std::pair<std::string, std::string>>;

/// What to do in a folder where a run has been.
enum class Begin {
  anew,      ///< replaces a finished run; refused where an unfinished one left checkpoints
  resume,    ///< goes on with the run, if there is one; refused with other options
  overwrite  ///< replaces any run
};

/// A folder that is locked as long as the object lives. run.json in it says which program wrote there, with which options,
/// which files are its own, and whether it came to its end; these files are removed when another run begins there, others
/// never. A name that ends in / is a subfolder, of which the .npy files are the run's own.
class RunFolder {
 public:
  /// All that can be refused is refused here, before any work, with the folder as it was.
  /// Errors:    Errc::io if the folder or one of the files cannot be written; Errc::state if another process runs there,
  ///            or what lies there must not be mixed with this run or replaced by it; Errc::format if run.json is damaged
  RunFolder(const std::string& path, std::string program, RunOptions options, std::vector<std::string> files,
            Begin begin)
      : path_(path), program_(std::move(program)), options_(std::move(options)), files_(std::move(files)) {
    for (const std::string& name : files_) {
      std::error_code error;
      std::filesystem::create_directories(std::filesystem::path(path_ + "/" + name).parent_path(), error);
      stet::require(!error, stet::Errc::io, "cannot create the folder {} of {}: {}; name another with --out", path_,
                    name, error.message());
    }
    lock_.emplace(path_ + "/run.lock", "the folder " + path_);
    for (const std::string& name : files_) stet::require_writable(path_ + "/" + name + (name.back() == '/' ? "x" : ""));
    if (begin == Begin::resume && joins()) return;
    if (begin != Begin::resume) check_replaceable(begin);
    remove_files();
    save(false);
  }

  /// Path of a file of the run.
  /// Errors:    Errc::state if the run did not name it among its files
  [[nodiscard]] std::string file(const std::string& name) const {
    stet::require(std::find(files_.begin(), files_.end(), name) != files_.end(), stet::Errc::state,
                  "{} is not among the files of the run in {}", name, path_);
    return path_ + "/" + name;
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Notes that all results are there.
  void finish() const { save(true); }

 private:
  struct Manifest {
    std::string program{};
    RunOptions options{};
    std::vector<std::string> files{};
    bool finished = false;
  };

  // Whether this run goes on with one that is there.
  [[nodiscard]] bool joins() const {
    const std::optional<Manifest> there = load();
    if (!there) {
      refuse_unknown_checkpoints();
      return false;
    }
    std::string differences;
    const auto compare = [&](const std::string& what, const std::string& was, const std::string& is) {
      if (was != is) differences += fmt::format("\n  {} was {}, is {}", what, was, is);
    };
    compare("the program", there->program, program_);
    for (const auto& [name, was] : there->options) compare(name, was, value_of(options_, name));
    for (const auto& [name, is] : options_) {
      if (value_of(there->options, name) == "nothing") compare(name, "nothing", is);
    }
    stet::require(
        differences.empty(), stet::Errc::state,
        "--resume: the run in {} was started otherwise, and two runs must not be mixed:{}\nResume with what it "
        "was started with, or start anew in another folder (--out) or over it (--overwrite)",
        path_, differences);
    return true;
  }
  // This run takes the place of what is there, if it may.
  void check_replaceable(Begin begin) {
    const std::optional<Manifest> there = load();
    if (!there) {
      if (begin == Begin::anew) refuse_unknown_checkpoints();
      return;
    }
    stet::require(there->program == program_, stet::Errc::state,
                  "the folder {} holds a run of {}; name another with --out", path_, there->program);
    const std::string checkpoint = existing_checkpoint(there->files);
    stet::require(begin == Begin::overwrite || there->finished || checkpoint.empty(), stet::Errc::state,
                  "the folder {} holds a run that did not come to its end ({}): --resume goes on with it, --overwrite "
                  "starts anew and removes it, --out names another folder",
                  path_, checkpoint);
    old_ = there->files;
  }
  void refuse_unknown_checkpoints() const {
    const std::string checkpoint = existing_checkpoint(files_);
    stet::require(
        checkpoint.empty(), stet::Errc::state,
        "{}/{} is of a run of which nothing says how it was made (there is no run.json): --overwrite starts anew "
        "over it, --out names another folder",
        path_, checkpoint);
  }
  [[nodiscard]] std::string existing_checkpoint(const std::vector<std::string>& names) const {
    for (const std::string& name : names) {
      if (is_checkpoint(name) && std::filesystem::exists(path_ + "/" + name)) return name;
    }
    return {};
  }
  static bool is_checkpoint(const std::string& name) { return name.ends_with(".checkpoint"); }
  static std::string value_of(const RunOptions& options, const std::string& name) {
    for (const auto& [key, text] : options) {
      if (key == name) return text;
    }
    return "nothing";
  }

  // The files of the run that was there, and checkpoints that a --resume would take for this one's.
  void remove_files() const {
    std::vector<std::string> names = old_;
    std::copy_if(files_.begin(), files_.end(), std::back_inserter(names), is_checkpoint);
    std::error_code ignored;
    for (const std::string& name : names) {
      if (name.empty() || name.front() == '/' || name.find("..") != name.npos)
        continue;  // run.json is not to be trusted
      if (name.back() != '/') {
        std::filesystem::remove(path_ + "/" + name, ignored);
        continue;
      }
      std::vector<std::filesystem::path> arrays;
      for (const auto& entry : std::filesystem::directory_iterator(path_ + "/" + name, ignored)) {
        if (entry.is_regular_file(ignored) && entry.path().extension() == ".npy") arrays.push_back(entry.path());
      }
      for (const auto& array : arrays) std::filesystem::remove(array, ignored);
    }
  }

  [[nodiscard]] std::string manifest_path() const { return path_ + "/run.json"; }
  [[nodiscard]] std::optional<Manifest> load() const {
    if (!std::filesystem::exists(manifest_path())) return std::nullopt;
    const std::vector<std::uint8_t> bytes = stet::read_file(manifest_path(), 1 << 20);
    try {
      const auto json = nlohmann::ordered_json::parse(bytes.begin(), bytes.end());
      Manifest m{json.at("program"), {}, json.at("files"), json.at("finished")};
      for (const auto& [name, text] : json.at("options").items()) m.options.emplace_back(name, text);
      return m;
    } catch (const nlohmann::json::exception& e) {
      stet::fail(stet::Errc::format, "{} is damaged ({}); name another folder with --out", manifest_path(), e.what());
    }
  }
  void save(bool finished) const {
    nlohmann::ordered_json json;
    json["program"] = program_;
    json["options"] = nlohmann::ordered_json::object();
    for (const auto& [name, text] : options_) json["options"][name] = text;
    json["files"] = files_;
    json["finished"] = finished;
    stet::write_file_atomically(manifest_path(), json.dump(2) + "\n");
  }

  std::string path_, program_;
  RunOptions options_;
  std::vector<std::string> files_, old_;
  std::optional<stet::FileLock> lock_;
};

}  // namespace example
