// Parts of tests/soak.sh that need a program of their own.
//   stet_soak DIR flips N        flips one random bit at a time in a checkpoint of a quantized model: loading must refuse each
//   stet_soak DIR steps SECONDS  trains a quantized model: its memory must not grow
//   stet_soak DIR kills N        kills a training with SIGKILL at random moments, N times, and resumes it: the same bits as a whole run
//   stet_soak DIR full N         trains N times where files may not grow beyond a random size, as on a full disk, and resumes where they may
//   stet_soak DIR train PREFIX   that training, resumed where PREFIX.checkpoint is there; ends with PREFIX.safetensors
// The last line is what was counted; the status is 1 if a flip went unnoticed, memory grew, or a training was lost.
#include <stet/data/shapes.hpp>
#include <stet/stet.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace stet;

namespace {

Graph small(const Dataset& data) {
  Graph g;
  auto x = relu(
      batch_norm(conv2d(g.input(data.batch(0, 1).x.shape().unbatched()), {.filters = 8, .kernel = 3, .bias = false})));
  x = relu(batch_norm(conv2d(max_pool(x), {.filters = 12, .kernel = 3, .bias = false})));
  g.output(linear(global_average_pool(x), {.units = data.classes()}));
  return g;
}
QatModel trained(const Dataset& data) {
  QatModel qat = prepare(Model(small(data), Rng(1)), recipes::w4a4_lsq());
  calibrate(qat, data);
  (void)fit(qat, data, {.epochs = 1, .progress = ProgressMode::quiet});
  return qat;
}

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

int flips(const std::string& folder, std::int64_t count) {
  const QatModel qat = trained(make_shapes(1, 256, 16).train);
  const std::string whole = folder + "/whole.safetensors", damaged = folder + "/damaged.safetensors";
  save_checkpoint(whole, qat);
  const std::string bytes = content(whole);
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

int train(const std::string& prefix) {
  const DatasetSplit data = make_shapes(1, 192, 64);
  QatModel qat = prepare(Model(small(data.train), Rng(1)), recipes::int8());
  calibrate(qat, data.train);
  FitOptions o{.epochs = 12, .batch = 32, .schedule = Cosine{}};
  o.progress = ProgressMode::quiet;
  o.validation = &data.test;
  o.checkpoint = prefix + ".checkpoint";
  o.resume = std::filesystem::exists(o.checkpoint);
  (void)fit(qat, data.train, o);
  save_checkpoint(prefix + ".safetensors", qat);
  return 0;
}

// This program again, in a process of its own; a file that would become longer than largest cannot be written.
pid_t start_training(const char* self, const std::string& folder, const std::string& prefix,
                     rlim_t largest = RLIM_INFINITY) {
  const pid_t pid = fork();
  require(pid >= 0, Errc::state, "no process can be started");
  if (pid == 0) {
    const rlimit limit{largest, largest};
    (void)std::signal(SIGXFSZ, SIG_IGN);  // an error of write, as a full disk is
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(126);
    if (largest != RLIM_INFINITY)
      dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);  // its error is expected, and may not fit there
    execl(self, self, folder.c_str(), "train", prefix.c_str(), nullptr);
    _exit(127);
  }
  return pid;
}
void clear(const std::string& prefix) {
  for (const char* end : {".checkpoint", ".safetensors"}) std::filesystem::remove(prefix + end);
}
// What the training ends with that nothing happens to.
std::string undisturbed(const char* self, const std::string& folder) {
  const std::string prefix = folder + "/undisturbed";
  int status = 0;
  clear(prefix);
  waitpid(start_training(self, folder, prefix), &status, 0);
  require(status == 0, Errc::state, "the training that nothing happens to ends with status {}", status);
  return content(prefix + ".safetensors");
}

int full(const char* self, const std::string& folder, std::int64_t count) {
  const std::string wanted = undisturbed(self, folder), other = folder + "/full";
  const std::string early = folder + "/early.checkpoint";
  int status = 0;
  clear(folder + "/early");
  const pid_t pid = start_training(self, folder, folder + "/early");
  for (int i = 0; i < 30000 && !std::filesystem::exists(early); ++i) usleep(1000);
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  const std::uint64_t size = std::filesystem::file_size(early);  // later ones are not shorter
  Rng rng(3);
  std::int64_t refused = 0, lost = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    // Full from the first checkpoint on, or (every second time) behind one of a training that was killed.
    clear(other);
    if (i % 2 == 1) std::filesystem::copy_file(early, other + ".checkpoint");
    const std::string before = content(other + ".checkpoint");
    waitpid(start_training(self, folder, other, rng.below(size)), &status, 0);
    const bool said = WIFEXITED(status) && WEXITSTATUS(status) == 1;
    refused += said ? 1 : 0;
    const bool kept = content(other + ".checkpoint") == before;
    waitpid(start_training(self, folder, other), &status, 0);
    if (said && kept && status == 0 && content(other + ".safetensors") == wanted) continue;
    ++lost;
    fmt::print("training {}: {}\n", i,
               !said   ? "a full disk was not an error"
               : !kept ? "the checkpoint before is gone"
                       : "resumed to other bits");
  }
  fmt::print("{} trainings on a full disk, {} refused, {} lost\n", count, refused, lost);
  return lost == 0 ? 0 : 1;
}

int kills(const char* self, const std::string& folder, std::int64_t count) {
  const std::string other = folder + "/killed";
  const auto begin = std::chrono::steady_clock::now();
  const std::string wanted = undisturbed(self, folder);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  int status = 0;
  Rng rng(static_cast<std::uint64_t>(getpid()));
  std::int64_t killed = 0, rounds = 0, lost = 0;
  while (killed < count) {
    clear(other);
    ++rounds;
    for (bool ended = false; !ended;) {
      const pid_t pid = start_training(self, folder, other);
      usleep(static_cast<useconds_t>(1e6 * seconds * 1.2 * static_cast<double>(rng.below(1000)) / 1000.0));
      const bool alive = waitpid(pid, &status, WNOHANG) == 0;
      if (alive) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        killed += WIFSIGNALED(status) ? 1 : 0;
      }
      ended = !WIFSIGNALED(status);
    }
    if (status == 0 && content(other + ".safetensors") == wanted) continue;
    ++lost;
    fmt::print("round {}: {}\n", rounds, status == 0 ? "resumed to other bits" : "does not resume");
  }
  fmt::print("{} kills in {} trainings, {} lost\n", killed, rounds, lost);
  return lost == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "stet_soak DIR flips N | steps SECONDS | kills N | full N | train PREFIX\n");
    return 2;
  }
  const std::string_view part = argv[2];
  set_warning_handler([](const std::string&) {});  // a few images are no data to warn about
  try {
    if (part == "train") return train(argv[3]);
    if (part == "kills") return kills(argv[0], argv[1], std::atoll(argv[3]));
    if (part == "full") return full(argv[0], argv[1], std::atoll(argv[3]));
    return part == "flips" ? flips(argv[1], std::atoll(argv[3])) : steps(std::atof(argv[3]));
  } catch (const Error& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
