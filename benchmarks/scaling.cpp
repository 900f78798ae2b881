// Training in several processes: what a step takes and what of it is communication, measured, and simulated for more processes than
// this machine has.
//   mpirun -n N bench_scaling [OPTIONS]      measured in N processes
//   bench_scaling --simulate 64,256,1024 [OPTIONS]
//   mpirun -n 2 bench_scaling --ping         latency and bandwidth of messages between two processes here
// Options: --network plain, --stage fp32|live|frozen, --batch SAMPLES PER STEP (or --each SAMPLES PER PROCESS), --part 16,
// --steps 20, --order any; of the simulation --latency MICROSECONDS, --bandwidth GB/S.
//
// The simulation runs the library's own steps as the first of so many processes: the others bring what it brings. Work is measured;
// an exchange takes what a model of messages says, so nothing waits for a slower process.

#include "networks.hpp"

#include <stet/core/communicator.hpp>
#include <stet/mpi.hpp>
#include <stet/stet.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace stet;

double now() { return mpi::detail::clock(); }

// One of many processes, all of which are like this one.
class Pretended final : public Communicator {
 public:
  Pretended(int processes, double latency, double bandwidth)
      : size_(processes), latency_(latency), bandwidth_(bandwidth) {}
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return size_; }

  // Recursive doubling, or Bruck's.
  void all_gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes,
                  std::span<std::byte> all) override {
    repeat(mine, sizes, all);
    spend(rounds() * latency_ + static_cast<double>(all.size() - mine.size()) / bandwidth_,
          mine.size() * (sizes.size() - 1));
  }
  // A message for each of the others.
  void all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_sizes,
                  std::span<std::byte> receive, std::span<const std::size_t> receive_sizes) override {
    repeat(send.first(send_sizes[0]), receive_sizes, receive);
    spend((size_ - 1) * latency_ + static_cast<double>(send.size() - send_sizes[0]) / bandwidth_,
          send.size() - send_sizes[0]);
  }
  void add_in_any_order(std::span<float> values) override { add(values); }
  void add_in_any_order(std::span<double> values) override { add(values); }
  void report_failure(std::string_view) noexcept override {}
  [[nodiscard]] CommunicationCost cost() const override { return cost_; }

 private:
  [[nodiscard]] double rounds() const { return std::ceil(std::log2(size_)); }
  static void repeat(std::span<const std::byte> mine, std::span<const std::size_t> sizes, std::span<std::byte> all) {
    std::size_t at = 0;
    for (const std::size_t size : sizes) {
      if (size > mine.size()) std::memset(all.data() + at, 0, size);
      if (!mine.empty()) std::memcpy(all.data() + at, mine.data(), std::min(size, mine.size()));
      at += size;
    }
  }
  // Reduce-scatter and gather, each by halving and doubling.
  template <class T>
  void add(std::span<T> values) {
    for (T& v : values) v *= static_cast<T>(size_);
    const double share = static_cast<double>(size_ - 1) / size_;
    spend(2 * rounds() * latency_ + 2 * share * static_cast<double>(values.size_bytes()) / bandwidth_,
          values.size_bytes());
  }
  void spend(double seconds, std::size_t bytes) {
    cost_.seconds += seconds;
    cost_.bytes += static_cast<std::int64_t>(bytes);
    ++cost_.exchanges;
  }

  int size_;
  double latency_, bandwidth_;
  CommunicationCost cost_{};
};

struct Settings {
  std::string network = "plain", stage = "live";
  std::int64_t batch = 128, part = 16, steps = 20;
  SumOrder sums = SumOrder::fixed;
};

Dataset images(const Shape& shape, std::int64_t count) {
  Rng rng(1);
  Tensor<std::uint8_t> x(shape.batched(count));
  for (std::uint8_t& v : x.edit()) v = static_cast<std::uint8_t>(rng.below(256));
  Tensor<std::int32_t> labels(Shape{count});
  for (std::int32_t& l : labels.edit()) l = static_cast<std::int32_t>(rng.below(10));
  return {x, labels, 10, "noise"};
}

struct Times {
  double step = 0, exchange = 0;  // medians, in ms
  double kilobytes = 0;
  std::int64_t exchanges = 0;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

template <class M>
Times time_steps(M& model, const Dataset& data, const Settings& s, Communicator& comm) {
  std::vector<double> steps, exchanges;
  Times t;
  double last = 0;
  FitOptions o{.batch = s.batch,
               .optimizer = Adam{.lr = 1e-4},
               .monitor = {.on = false},
               .progress = ProgressMode::quiet,
               .comm = &comm,
               .part = s.part,
               .sums = s.sums};
  o.epochs = static_cast<int>(s.steps);
  o.on_step = [&](const StepReport& step) {
    const double time = now();
    if (step.step >= 3) {
      steps.push_back(1e3 * (time - last));
      exchanges.push_back(1e3 * step.communication.seconds);
    }
    last = time;
    t.kilobytes = static_cast<double>(step.communication.bytes) / 1e3;
    t.exchanges = step.communication.exchanges;
  };
  (void)fit(model, data, o);
  t.step = median(steps);
  t.exchange = median(exchanges);
  return t;
}

// Of so many steps, one per epoch: epochs of one step are all alike.
Times measure(const Settings& s, Communicator& comm) {
  Model fp32(bench::make_network(s.network), Rng(1));
  const Dataset data = images(fp32.graph().node(fp32.graph().inputs()[0]).shape, s.batch);
  if (s.stage == "fp32") return time_steps(fp32, data, s, comm);
  Recipe recipe = recipes::int8();
  const double frozen_at = s.stage == "frozen" ? 0.0 : 1.0;
  recipe.schedule = {.quantize_at = 0, .freeze_ranges_at = frozen_at, .freeze_batch_norm_at = frozen_at};
  QatModel qat = prepare(fp32, recipe);
  calibrate(qat, data);
  return time_steps(qat, data, s, comm);
}

void ping() {
  (void)mpi::world();
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const auto seconds = [&](int bytes, int times) {
    std::vector<char> message(static_cast<std::size_t>(bytes));
    std::vector<double> all;
    for (int i = 0; i < times; ++i) {
      const double begin = now();
      for (int turn = 0; turn < 2; ++turn) {
        if (rank == turn) MPI_Send(message.data(), bytes, MPI_CHAR, 1 - rank, 0, MPI_COMM_WORLD);
        if (rank == 1 - turn) MPI_Recv(message.data(), bytes, MPI_CHAR, 1 - rank, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      }
      all.push_back((now() - begin) / 2);
    }
    return median(all);
  };
  const double small = seconds(8, 2000), large = seconds(1 << 22, 200);
  if (rank == 0)
    fmt::print("latency {:.2f} us, bandwidth {:.2f} GB/s\n", 1e6 * small, (1 << 22) / (large - small) / 1e9);
}

void print(int processes, const Settings& s, const Times& t, double step) {
  fmt::print("{:>9} {:>7} {:>10.2f} {:>10.2f} {:>6.1f} % {:>10.1f} {:>9} {:>12.0f}\n", processes, s.batch, step,
             t.exchange, 100 * t.exchange / step, t.kilobytes, t.exchanges, 1e3 * static_cast<double>(s.batch) / step);
}

int run(std::map<std::string, std::string> given) {
  if (given.contains("--ping")) {
    ping();
    return 0;
  }
  const auto number = [&](const char* name, double otherwise) {
    return given.contains(name) ? std::atof(given[name].c_str()) : otherwise;
  };
  Settings s;
  if (given.contains("--network")) s.network = given["--network"];
  if (given.contains("--stage")) s.stage = given["--stage"];
  s.batch = static_cast<std::int64_t>(number("--batch", 128));
  s.part = static_cast<std::int64_t>(number("--part", 16));
  s.steps = static_cast<std::int64_t>(number("--steps", 20));
  if (given["--order"] == "any") s.sums = SumOrder::any;
  set_threads(1);
  const auto heading = [&](const char* how) {
    fmt::print("{}, {}, parts of {}, sums in {} order, {}\n", s.network, s.stage, s.part,
               s.sums == SumOrder::any ? "any" : "fixed", how);
    fmt::print("processes   batch    step ms exchange ms  share kB sent   exchanges samples/s\n");
  };
  if (given.contains("--simulate")) {
    const double latency = 1e-6 * number("--latency", 2), bandwidth = 1e9 * number("--bandwidth", 12.5);
    heading(fmt::format("simulated with {} us and {} GB/s", 1e6 * latency, bandwidth / 1e9).c_str());
    std::istringstream list(given["--simulate"]);
    for (std::string item; std::getline(list, item, ',');) {
      Pretended comm(std::atoi(item.c_str()), latency, bandwidth);
      if (given.contains("--each")) s.batch = static_cast<std::int64_t>(number("--each", 128)) * comm.size();
      const Times t = measure(s, comm);
      print(comm.size(), s, t, t.step + t.exchange);  // exchanges take no time here
    }
    return 0;
  }
  Communicator& comm = *mpi::world();
  if (given.contains("--each")) s.batch = static_cast<std::int64_t>(number("--each", 128)) * comm.size();
  const Times t = measure(s, comm);
  if (comm.rank() != 0) return 0;
  heading("measured");
  print(comm.size(), s, t, t.step);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::map<std::string, std::string> options;
    for (int i = 1; i < argc; ++i) {
      const bool has_value = i + 1 < argc && argv[i + 1][0] != '-';
      options[argv[i]] = has_value ? argv[i + 1] : "";
      i += has_value ? 1 : 0;
    }
    return run(options);
  } catch (const std::exception& e) {
    std::fputs(fmt::format("bench_scaling: {}\n", e.what()).c_str(), stderr);
    return 1;
  }
}
