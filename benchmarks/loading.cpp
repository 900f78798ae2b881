// What loading a model costs: the time of the fastest of several runs, and the memory of a process that loads it once.
//   bench_loading MODEL.onnx|MODEL.tflite [H,W,C]
// H,W,C is the shape of one sample, where the file leaves it open. Memory is the largest that the process ever had, of its
// code and libraries too, relative to the file with the weights beside it.
#include <stet/core/shape.hpp>
#include <stet/core/warning.hpp>
#include <stet/graph/model.hpp>
#include <stet/io/import_options.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

namespace {

using namespace stet;

std::int64_t elements_of(const std::string& path, const ImportOptions& options) {
  return (path.ends_with(".onnx") ? load_onnx(path, options) : load_tflite(path, options)).parameter_count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fmt::print(stderr, "usage: bench_loading MODEL.onnx|MODEL.tflite [H,W,C]\n");
    return 2;
  }
  const std::string path = argv[1];
  ImportOptions options{.shared = SharedConstants::untie};
  set_warning_handler([](const std::string&) {});
  try {
    std::vector<std::int64_t> dims;
    for (std::string rest = argc > 2 ? argv[2] : ""; !rest.empty();) {
      dims.push_back(std::stoll(rest));
      const std::size_t comma = rest.find(',');
      rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    }
    if (!dims.empty()) options.input = Shape(dims);
    std::int64_t elements = elements_of(path, options);
    rusage used{};
    getrusage(RUSAGE_SELF, &used);  // before other runs, whose memory is not given back
    double best = 1e9;
    for (int run = 0; run < 5; ++run) {
      const auto start = std::chrono::steady_clock::now();
      elements = elements_of(path, options);
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    auto bytes = static_cast<double>(std::filesystem::file_size(path));
    if (std::filesystem::exists(path + ".data")) bytes += static_cast<double>(std::filesystem::file_size(path + ".data"));
    fmt::print("{}: {:.1f} MB, {} parameters\n  loaded in {:.3f} s, {:.2f} ms per MB\n  memory {:.2f} times the file\n", path, bytes / 1e6,
               elements, best, best * 1e9 / bytes, static_cast<double>(used.ru_maxrss) * 1024 / bytes);
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench_loading: {}\n", e.what());
    return 1;
  }
}
