// Two parts of tests/soak.sh that need a program of their own.
//   stet_soak DIR flips N        flips one random bit at a time in a checkpoint of a quantized model: loading must refuse each
//   stet_soak DIR steps SECONDS  trains a quantized model: its memory must not grow
// The last line is what was counted; the status is 1 if a flip went unnoticed or memory grew.
#include <stet/data/shapes.hpp>
#include <stet/stet.hpp>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

using namespace stet;

namespace {

QatModel trained(const Dataset& data) {
  Graph g;
  auto x = relu(batch_norm(conv2d(g.input(data.batch(0, 1).x.shape().unbatched()), {.filters = 8, .kernel = 3, .bias = false})));
  x = relu(batch_norm(conv2d(max_pool(x), {.filters = 12, .kernel = 3, .bias = false})));
  g.output(linear(global_average_pool(x), {.units = data.classes()}));
  QatModel qat = prepare(Model(std::move(g), Rng(1)), recipes::w4a4_lsq());
  calibrate(qat, data);
  (void)fit(qat, data, {.epochs = 1, .progress = ProgressMode::quiet});
  return qat;
}

int flips(const std::string& folder, std::int64_t count) {
  const QatModel qat = trained(make_shapes(1, 256, 16).train);
  const std::string whole = folder + "/whole.safetensors", damaged = folder + "/damaged.safetensors";
  save_checkpoint(whole, qat);
  std::ifstream file(whole, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  Rng rng(2);
  std::int64_t noticed = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    std::string other = bytes;
    const auto at = static_cast<std::size_t>(rng.below(other.size()));
    other[at] = static_cast<char>(other[at] ^ (1 << rng.below(8)));
    std::ofstream(damaged, std::ios::binary | std::ios::trunc) << other;
    QatModel model = qat;
    try {
      load_checkpoint(damaged, model);
      fmt::print("a flip in byte {} of {} was not noticed\n", at, bytes.size());
    } catch (const Error&) {
      ++noticed;
    }
  }
  fmt::print("{} bit flips, {} unnoticed\n", count, count - noticed);
  return noticed == count ? 0 : 1;
}

// Bytes of this process in memory.
std::int64_t resident() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0, pages = 0;
  statm >> size >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}

int steps(double seconds) {
  const Dataset data = make_shapes(1, 256, 16).train;
  QatModel qat = trained(data);
  std::vector<ParameterRef> parameters = parameter_refs(qat);
  OptimizerState optimizer(Adam{.lr = 1e-4}, parameters);
  const auto begin = std::chrono::steady_clock::now();
  std::int64_t count = 0, settled = 0;
  const auto step = [&] {
    const Batch batch = data.batch(count % 4 * 64, count % 4 * 64 + 64);
    Tape tape;
    clear_gradients(parameters);
    tape.backward(softmax_cross_entropy(forward(tape, qat, batch.x, Mode::training), batch.labels));
    optimizer.step(parameters);
    ++count;
  };
  while (count < 400 || std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < seconds) {
    step();
    if (count == 200) settled = resident();
  }
  const std::int64_t grown = resident() - settled;
  const bool flat = grown < 1 << 20;
  fmt::print("{} steps, {} bytes more than after 200 of them: memory {}\n", count, grown, flat ? "is flat" : "grew");
  return flat ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "stet_soak DIR flips N | steps SECONDS\n");
    return 2;
  }
  try {
    return std::string_view(argv[2]) == "flips" ? flips(argv[1], std::atoll(argv[3])) : steps(std::atof(argv[3]));
  } catch (const Error& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
