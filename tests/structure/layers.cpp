// Reads every #include line under <dir>/stet against the layer table of docs/design.md and reports each fault as
// file:line. Also: included files exist, only room eigen touches Eigen and only stet/mpi.hpp MPI, no file is longer than 400 lines, and a file of an
// operator is included by its stage's list, by operators and by the umbrella, and by nothing else.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

using Rooms = std::set<std::string>;

// What each room may include besides itself.
const std::map<std::string, Rooms> table = [] {
  std::map<std::string, Rooms> t = {
      {"core", {}},
      {"quant", {"core"}},
      {"autograd", {"core"}},
      {"data", {"core"}},
      {"integer", {"core", "quant"}},
      {"ops", {"core", "autograd"}},
      {"graph", {"core", "quant", "integer"}},
      {"qat", {"core", "quant", "integer", "autograd", "ops"}},
      {"engine", {"core", "quant", "integer", "graph"}},
      {"io", {"core", "quant", "integer", "graph"}},
  };
  for (const char* room : {"model", "train", "passes", "diagnose", "testing"}) {  // all above; nobody lists testing
    Rooms all;
    for (const auto& [name, may_include] : t) all.insert(name);
    t[room] = all;
  }
  t["lab"] = {"core", "quant", "integer", "autograd", "ops", "qat"};
  t["eigen"] = {"core", "quant", "autograd", "integer"};  // stet/eigen.hpp; nobody lists it
  return t;
}();

// The room whose rules a file of an operator keeps: operators/<family>/<stage>.hpp, and the list operators/<stage>.hpp.
const std::map<std::string, std::string> room_of_stage = {
    {"list", "graph"}, {"graph", "graph"},   {"build", "graph"}, {"resolve", "graph"}, {"float", "model"},
    {"quantized", "model"}, {"check", "model"}, {"engine", "engine"}, {"tflite", "io"},   {"onnx", "io"},       {"c", "io"}};

// Files of rooms that need dense linear algebra, and that the umbrella header does not reach.
const std::set<std::string> reads_eigen = {"stet/passes/gptq_codes.hpp"};

constexpr std::size_t longest_file = 400;

class Checker {
 public:
  explicit Checker(fs::path root) : root_(std::move(root)) {}

  void run() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(root_ / "stet"))
      if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), root_));
    std::sort(files.begin(), files.end());
    for (const auto& file : files) check(file);
    std::cout << files.size() << " files read, " << faults_ << " faults\n";
  }

  std::size_t faults() const { return faults_; }

 private:
  // "stet/ops/linear.hpp" -> "ops"; files directly in stet/ have no room.
  static std::string room_of(const fs::path& file) {
    const auto parent = file.parent_path();
    if (parent == "stet") return "";
    const std::string folder = std::next(file.begin())->string();
    if (folder != "operators") return folder;
    const auto stage = room_of_stage.find(file.stem().string());
    return stage == room_of_stage.end() ? "operators" : stage->second;
  }
  static bool of_an_operator(const fs::path& file) {
    return std::distance(file.begin(), file.end()) == 4 && *std::next(file.begin()) == "operators";
  }

  void fault(const fs::path& file, std::size_t line, const std::string& what) {
    std::cout << (root_ / file).string() << ":" << line << ": " << what << "\n";
    ++faults_;
  }

  void check(const fs::path& file) {
    const std::string room = room_of(file);
    const bool umbrella = file == "stet/stet.hpp" || file == "stet/eigen.hpp";
    if (!room.empty() && table.count(room) == 0) fault(file, 1, "room '" + room + "' is not in the layer table");
    if (room.empty() && !umbrella && file != "stet/version.hpp" && file != "stet/mpi.hpp") fault(file, 1, "a file outside the rooms");

    std::ifstream in(root_ / file);
    std::size_t number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      static const std::regex include_line("^\\s*#\\s*(?:include|define STET_ISA_BODY)\\s*([<\"])([^>\"]+)[>\"].*");
      std::smatch m;
      if (!std::regex_match(line, m, include_line)) continue;
      check_include(file, room, umbrella, number, m[1] == "\"", m[2]);
    }
    check_arguments(file);
    if (number > longest_file) fault(file, number, "longer than " + std::to_string(longest_file) + " lines");
  }

  // require takes its arguments whether it fails or not: one that makes text does so every time. fail is for that.
  void check_arguments(const fs::path& file) {
    std::ifstream in(root_ / file);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    static const std::regex statement("\\brequire\\((?:[^;\"]|\"(?:[^\"\\\\]|\\\\.)*\")*\\);");
    static const std::regex makes_text("\\b(describe|formatted|str|to_string)\\(");
    static const std::regex literal("\"(?:[^\"\\\\]|\\\\.)*\"");
    for (std::sregex_iterator it(text.begin(), text.end(), statement), end; it != end; ++it) {
      if (!std::regex_search(std::regex_replace(it->str(), literal, ""), makes_text)) continue;
      const auto line = 1 + std::count(text.begin(), text.begin() + it->position(), '\n');
      fault(file, static_cast<std::size_t>(line), "an argument of require makes text, whether it fails or not; use if and fail");
    }
  }

  void check_include(const fs::path& file, const std::string& room, bool umbrella, std::size_t line, bool quoted,
                     const std::string& name) {
    if (name.starts_with("Eigen/") || name.starts_with("unsupported/Eigen/")) {
      const bool reads = room == "eigen" || reads_eigen.count(file.string()) != 0;
      if (!reads) fault(file, line, "includes <" + name + ">; only room eigen may, and the files that the checker names");
      return;
    }
    if ((name == "mpi.h" || name == "stet/mpi.hpp") && file != "stet/mpi.hpp")
      return fault(file, line, "includes " + name + "; MPI is the user's to include");
    fs::path target = name;
    if (!name.starts_with("stet/")) {
      if (!quoted) return;  // a system header
      target = (file.parent_path() / name).lexically_normal();
    }
    if (!fs::exists(root_ / target)) return fault(file, line, "includes " + name + ", which does not exist");
    const std::string other = room_of(target);
    if (other == "testing" && room != "testing")
      return fault(file, line, "includes " + name + "; testing is included by no room");
    if (other == "lab" && room != "lab" && room != "testing")
      return fault(file, line, "includes " + name + "; lab is included by no room");
    if ((other == "eigen" || target == "stet/eigen.hpp") && room != "eigen" && file != "stet/eigen.hpp")
      return fault(file, line, "includes " + name + "; Eigen is the user's to include");
    if (umbrella && file != "stet/eigen.hpp" && reaches_eigen(target))
      return fault(file, line, "includes " + name + ", which reads Eigen; the umbrella does not");
    if (target == "stet/stet.hpp") return fault(file, line, "includes the umbrella header");
    if (of_an_operator(target) && !umbrella && *std::next(file.begin()) != "operators")
      return fault(file, line, "includes " + name + "; include the list of the stage, which names all operators");
    if (umbrella || other == room) return;
    if (file == "stet/mpi.hpp" && other != "core") return fault(file, line, "includes " + name + "; it needs core alone");
    if (other.empty()) return;  // version.hpp
    const auto entry = table.find(room);
    if (entry != table.end() && entry->second.count(other) == 0)
      fault(file, line, "room '" + room + "' may not include room '" + other + "' (" + name + ")");
  }

  // Whether a file is one that reads Eigen, or includes one, however many files lie between.
  bool reaches_eigen(const fs::path& file) {
    const auto [known, first] = reaches_.try_emplace(file.string(), reads_eigen.count(file.string()) != 0);
    if (!first || known->second) return known->second;
    std::ifstream in(root_ / file);
    static const std::regex include_line("^\\s*#\\s*include\\s*<(stet/[^>]+)>.*");
    bool reaches = false;
    std::smatch m;
    for (std::string line; !reaches && std::getline(in, line);) {
      reaches = std::regex_match(line, m, include_line) && reaches_eigen(m[1].str());
    }
    return reaches_[file.string()] = reaches;
  }

  fs::path root_;
  std::size_t faults_ = 0;
  std::map<std::string, bool> reaches_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || !fs::is_directory(fs::path(argv[1]) / "stet")) {
    std::cerr << "usage: stet_test_structure INCLUDE_DIR\n";
    return 2;
  }
  Checker checker(argv[1]);
  checker.run();
  return checker.faults() == 0 ? 0 : 1;
}
