// The main job in several processes: FP32, post-training quantization, quantization-aware training, integers. mpirun starts the
// program as often as there are processes; what it writes does not depend on their number.

#include "../common/run_program.hpp"
#include "../common/say.hpp"
#include "../fashion_mnist/networks.hpp"
#include "options.hpp"

#include <stet/core/hash.hpp>
#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/io/integers.hpp>
#include <stet/mpi.hpp>
#include <stet/stet.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace example {

namespace {

using namespace stet;

// Every process reads the images; of a step it takes those of its own parts only.
DatasetSplit load_data(const Options& o) {
  DatasetSplit data = o.data == "shapes" ? make_shapes(o.seed) : load_fashion_mnist(o.data_directory);
  if (o.quick) {
    data.train = data.train.first(6000);
    data.test = data.test.first(2000);
  }
  if (o.images > 0) data.train = data.train.first(o.images);
  return data;
}

std::vector<std::string> own_files() {
  return {"fp32.checkpoint", "qat.checkpoint",   "fp32.safetensors",
          "qat.safetensors", "int8.safetensors", "results.json"};
}

// Files belong to the first process; the others wait until its folder is ready.
class SharedFolder {
 public:
  SharedFolder(const Options& o, Communicator& comm) : path_(o.out), first_(comm.rank() == 0) {
    if (first_) folder_.emplace(o.out, "mpi_training", o.values, own_files(), o.begin);
    const std::byte ready{1};
    std::vector<std::byte> all(static_cast<std::size_t>(comm.size()));
    comm.all_gather({&ready, 1}, std::vector<std::size_t>(all.size(), 1), all);  // ends when the first has come
  }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] bool first() const { return first_; }
  void finish() const {
    if (folder_) folder_->finish();
  }

 private:
  std::string path_;
  bool first_;
  std::optional<RunFolder> folder_{};
};

struct Row {
  std::string name;
  Evaluation result;
};

int run(Options o) {
  Communicator* const comm = mpi::world({.timeout = o.timeout});
  try {
    set_threads(o.threads);
    if (o.quick) {
      o.epochs = std::min(o.epochs, 2);
      o.qat_epochs = std::min(o.qat_epochs, 1);
    }
    const DatasetSplit data = load_data(o);
    const SharedFolder folder(o, *comm);
    const auto say_once = [&](const std::string& text) {
      if (folder.first()) say("{}", text);
    };
    say_once(fmt::format("{} on {}: {} training and {} test images, {} processes with {} threads each\n", o.network,
                         data.train.name(), data.train.size(), data.test.size(), comm->size(), threads()));
    const auto options = [&](const char* title, int epochs, double lr, const char* checkpoint) {
      return FitOptions{.epochs = epochs,
                        .batch = o.batch,
                        .optimizer = Adam{.lr = lr},
                        .schedule = Cosine{},
                        .seed = o.seed,
                        .title = title,
                        .checkpoint = folder.file(checkpoint),
                        .resume = true,  // the folder has no checkpoint of another run
                        .comm = comm,
                        .part = o.part,
                        .sums = o.any_order ? SumOrder::any : SumOrder::fixed};
    };
    const EvaluateOptions together{.comm = comm};
    std::vector<Row> rows;

    Model fp32(make_network(o.network), Rng(o.seed));
    const FitReport trained = fit(fp32, data.train, options("fp32", o.epochs, o.lr, "fp32.checkpoint"));
    rows.push_back({"fp32", evaluate(fp32, data.test, together)});

    Recipe recipe = recipes::int8();
    recipe.target = targets::by_name(o.target);
    // Calibration takes a sample of the images: every process does it, with the same result.
    rows.push_back({"ptq_int8", evaluate(Engine(quantize(fp32, recipe, data.train)), data.test, together)});

    QatModel qat = prepare(fp32, recipe);
    calibrate(qat, data.train);
    const FitReport tuned = fit(qat, data.train, options("qat", o.qat_epochs, o.qat_lr, "qat.checkpoint"));
    const IntegerModel deployed = convert(qat);
    rows.push_back({"qat_int8", evaluate(Engine(deployed), data.test, together)});

    if (!folder.first()) return 0;
    say_warnings(tuned.warnings);
    save_checkpoint(folder.file("fp32.safetensors"), fp32);
    save_checkpoint(folder.file("qat.safetensors"), qat);
    save_integers(folder.file("int8.safetensors"), deployed);
    nlohmann::ordered_json json;
    json["network"] = o.network;
    json["data"] = data.train.name();
    for (const Row& row : rows) {
      json["accuracy"][row.name] = row.result.accuracy;
      say("  {:<10} {:.2f} %\n", row.name, 100 * row.result.accuracy);
    }
    const auto hash = Hash64().bytes(read_file(folder.file("int8.safetensors"))).value();
    json["int8_hash"] = fmt::format("{:016x}", hash);
    write_file_atomically(folder.file("results.json"), json.dump(2) + "\n");
    for (const FitReport* report : {&trained, &tuned}) {
      std::int64_t steps = 0;
      for (std::size_t i = 0; i < report->epochs.size(); ++i)
        steps += steps_per_epoch(data.train.size(), {.size = o.batch});
      const CommunicationCost& c = report->communication;
      say("{}: {:.1f} s; of process 0 and step: {:.1f} kB sent in {:.1f} exchanges, {:.2f} ms in them\n",
          report == &trained ? "fp32" : "qat", report->seconds,
          static_cast<double>(c.bytes) / 1e3 / static_cast<double>(steps),
          static_cast<double>(c.exchanges) / static_cast<double>(steps), 1e3 * c.seconds / static_cast<double>(steps));
    }
    say("int8.safetensors has hash {:016x}; all files are in {}/\n", hash, o.out);
    folder.finish();
    return 0;
  } catch (const std::exception& e) {
    comm->report_failure(e.what());  // the others would wait
    throw;
  }
}

}  // namespace

}  // namespace example

int main(int argc, char** argv) {
  return example::run_program("mpi_training", [&] { return example::run(example::read_options(argc, argv)); });
}
