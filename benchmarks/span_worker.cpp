// A competitor of benchmarks/compare.py: one function on spans, or data on their way into training.
//   bench_span_worker WORK ELEMENTS
// WORK: memcpy, fake_quantize, fake_quantize_channels (64 scales along the last axis), fake_quantize_backward or quantize of so many
// floats, in steps of 16 Mi floats, or of one call if that is more; of so many images of 28x28: load (IDX files that it writes first),
// batches (of 128, made in the background as fit does it, while this thread is busy for a millisecond per batch) or busy (that alone).
// benchmarks/serve.hpp says what it answers.
#include "benchmarks/serve.hpp"

#include <stet/data/idx.hpp>
#include <stet/data/loader.hpp>
#include <stet/stet.hpp>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <unistd.h>

namespace {

using namespace stet;

std::function<void()> on_spans(const std::string& work, std::int64_t n) {
  Rng rng(1);
  Tensor<float> x(Shape{n / 64, 64}), dy(x.shape());
  for (float& v : x.edit()) v = static_cast<float>(rng.normal());
  for (float& v : dy.edit()) v = 1.0f;
  const QParams p = choose_qparams(min_max(x.span()), Grid::int8());
  QParams channels = QParams::per_tensor(0.02f, 0);
  channels.granularity = Granularity::per_channel(1);
  channels.scale.clear();
  for (int c = 0; c < 64; ++c) channels.scale.push_back(0.02f + 0.001f * static_cast<float>(c));
  channels.zero_point.assign(64, 0);
  const std::int64_t calls = std::max<std::int64_t>(1, (std::int64_t{16} << 20) / n);
  std::function<void()> one;
  auto y = std::make_shared<std::vector<float>>(static_cast<std::size_t>(n));
  auto codes = std::make_shared<std::vector<std::int8_t>>(static_cast<std::size_t>(n));
  if (work == "memcpy") one = [=] { std::memcpy(y->data(), x.data(), static_cast<std::size_t>(n) * sizeof(float)); };
  if (work == "fake_quantize") one = [=] { fake_quantize(x.span(), p, *y); };
  if (work == "fake_quantize_channels") one = [=] { fake_quantize(x.span(), x.shape(), channels, *y); };
  if (work == "fake_quantize_backward") one = [=] { fake_quantize_backward(x.span(), dy.span(), p, *y); };
  if (work == "quantize") one = [=] { quantize(x.span(), p, *codes); };
  require(one != nullptr, Errc::range, "bench_span_worker: there is no work {}", work);
  return [=] {
    for (std::int64_t i = 0; i < calls; ++i) {
      one();
      asm volatile("" ::: "memory");
    }
  };
}

// Random images in IDX files, as Fashion-MNIST has them, not compressed.
std::string write_idx(std::int64_t images) {
  const std::string folder = std::filesystem::temp_directory_path() / formatted("stet_idx_{}", getpid());
  std::filesystem::create_directories(folder);
  const auto write = [&](const std::string& name, std::uint8_t rank, const std::vector<std::uint32_t>& dims, std::uint64_t bytes) {
    std::ofstream file(folder + "/" + name, std::ios::binary);
    file.write("\0\0\x08", 3);
    file.put(static_cast<char>(rank));
    for (const std::uint32_t d : dims) {
      for (int shift = 24; shift >= 0; shift -= 8) file.put(static_cast<char>(d >> shift));
    }
    Rng rng(1);
    std::string content(bytes, '\0');
    for (char& c : content) c = static_cast<char>(rng.below(rank == 1 ? 10 : 256));
    file << content;
  };
  const auto n = static_cast<std::uint32_t>(images);
  write("images", 3, {n, 28, 28}, std::uint64_t{n} * 784);
  write("labels", 1, {n}, n);
  return folder;
}

// A millisecond per batch stands for a step of training.
void epoch(const Dataset& data, bool with_batches) {
  const Batches order(data.size(), {.size = 128}, 0);
  std::optional<BatchLoader> loader;
  if (with_batches) loader.emplace(data, order);
  for (std::int64_t i = 0; i < order.size(); ++i) {
    if (loader) static_cast<void>(loader->next());
    const auto start = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(1)) {
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "bench_span_worker WORK ELEMENTS\n");
    return 2;
  }
  const std::int64_t before = bench::peak_memory();
  const std::string work = argv[1];
  const std::int64_t n = std::atoll(argv[2]);
  try {
    if (work != "load" && work != "batches" && work != "busy") {
      set_threads(1);
      bench::serve(on_spans(work, n), before);
      return 0;
    }
    const std::string folder = write_idx(n);
    const auto load = [&] { return Dataset(load_idx_images(folder + "/images"), load_idx_labels(folder + "/labels"), 10, "drawn"); };
    const Dataset data = load();
    if (work == "load") {
      bench::serve([&] { static_cast<void>(load()); }, before);
    } else {
      bench::serve([&] { epoch(data, work == "batches"); }, before);
    }
    std::filesystem::remove_all(folder);
    return 0;
  } catch (const Error& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
