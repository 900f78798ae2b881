// Programs of save_c_program, compiled and run on this machine, against the engine: every code of every value.
//   c_programs DIR [--models N] [--seed S] [--networks | --network NAME] [--images N] [--keep]
// draws the models of the seeds S to S+N-1 (tests/support/network_generator.hpp) with the scales of tests/runtimes, and with --networks
// trains the three networks of examples/fashion_mnist (or the one that is named) for an epoch on 6,000 images and compares N test images
// (10,000). Each model is
// written under tflite_micro, tflite_reference and litert_default. --keep leaves each program in a folder of its own, with samples.h
// for cortex_m.sh. The last line is 'N programs, C codes compared, D differing'; the
// status is 1 if anything differs, or does not compile.

#include <stet/data/idx.hpp>
#include <stet/io/c/text.hpp>
#include <stet/io/save_c_program.hpp>
#include <stet/model/convert.hpp>
#include <stet/stet.hpp>

#include "../../examples/fashion_mnist/networks.hpp"
#include "../io/c_program.hpp"
#include "../runtimes/scales.hpp"
#include "support/networks.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

using namespace stet;
using namespace stet_test;

namespace {

constexpr Target judged[] = {targets::tflite_micro, targets::tflite_reference, targets::litert_default};

// What a program without files reads and should make.
void write_samples(const std::string& folder, const ProgramEnds& ends, std::int64_t samples) {
  const auto array = [](const char* name, const std::vector<std::int8_t>& codes) {
    std::string text = fmt::format("static const signed char {}[] = {{\n", name);
    c::append_numbers(text, codes);
    return text + "};\n";
  };
  const auto n = static_cast<std::size_t>(samples);
  const std::string text = fmt::format("#define SAMPLES {}\n#define INPUTS {}\n#define OUTPUTS {}\n", n, ends.input_codes.size() / n, ends.codes.size() / n) +
                           array("samples_in", ends.input_codes) + array("samples_out", ends.codes);
  write_file_atomically(folder + "/samples.h", std::string_view(text));
}

struct Judge {
  std::string directory;
  std::int64_t programs = 0, compared = 0, differing = 0, failures = 0, refused = 0;

  bool keep = false;

  // Compiles the program of a model and compares both entries with the engine's codes and reals.
  void judge(const std::string& what, const IntegerModel& model, const std::vector<Tensor<float>>& x, const std::string& flags = "-O1") {
    const std::string folder = directory + "/" + (keep ? what + "_" + std::string(model.target.name) : "network");
    save_c_program(folder, model);
    const CProgram program(folder, model, directory + "/run", flags);
    ++programs;
    const ProgramEnds wanted = engine_ends(model, x);
    if (keep) write_samples(folder, wanted, x[0].shape()[0]);
    const std::int64_t before = differing;
    const auto count = [&](const auto& made, const auto& should) {
      compared += static_cast<std::int64_t>(should.size());
      for (std::size_t i = 0; i < should.size(); ++i) differing += i >= made.size() || made[i] != should[i] ? 1 : 0;
    };
    if (program.compiles()) {
      count(program.run(samples_of(x)), wanted.reals);
      count(program.run(wanted.input_codes), wanted.codes);
    } else {
      ++failures;
    }
    if (before == differing && program.compiles()) return;
    std::printf("%s, %s: %s\n", what.c_str(), std::string(model.target.name).c_str(),
                program.compiles() ? fmt::format("{} codes or reals differ", differing - before).c_str() : "does not compile");
  }
};

// The same model with every value that a node makes as an output.
IntegerModel with_all_outputs(IntegerModel model) {
  model.outputs.clear();
  for (const IntegerNode& node : model.nodes) {
    if (!graph::is<graph::op::Input>(node.op)) model.outputs.push_back(node.output);
  }
  return model;
}

void judge_drawn(Judge& judge, std::uint64_t seed) {
  const Model model = random_model(seed, {.large = seed % 2 == 0, .several = seed % 3 == 1});
  const Dataset data = random_samples(model, 20, seed);
  Rng rng(seed ^ 0xc0de);
  Recipe recipe = chance(rng, 0.7) ? recipes::int8() : recipes::int8_per_tensor();
  if (chance(rng, 0.2)) recipe.weights = symmetric(4, recipe.weights.per_channel());
  const Scales drawn = all_scales[rng.below(std::size(all_scales))];
  for (const Target& target : judged) {
    recipe.target = target;
    IntegerModel integers;
    for (const Scales scales : {drawn, Scales::calibrated}) {  // a target may refuse scales that are too far apart
      try {
        integers = quantize(model, recipe, data);
        move_scales(integers, scales, seed);
        (void)Engine(integers);
        break;
      } catch (const Error&) {
        integers.nodes.clear();
      }
    }
    if (integers.nodes.empty()) {  // an operator that the target has no rule for
      ++judge.refused;
      continue;
    }
    judge.judge(fmt::format("seed{}", seed), with_all_outputs(integers), random_inputs(model, 4, seed + 1000), seed % 2 == 0 ? "-O1" : fast_c);
  }
}

void judge_networks(Judge& judge, const std::vector<std::string>& names, std::int64_t images) {
  const DatasetSplit data = load_fashion_mnist();
  for (const std::string& name : names) {
    Model model(example::make_network(name), Rng(1));
    (void)fit(model, data.train.first(6000), {.epochs = 1, .batch = 64, .progress = ProgressMode::quiet});
    const Dataset test = data.test.first(images);
    for (const Target& target : judged) {
      Recipe recipe = recipes::int8();
      recipe.target = target;
      const IntegerModel integers = quantize(model, recipe, data.train.first(2000));
      const std::int64_t before = judge.differing;
      judge.judge(name, integers, {test.batch(0, test.size()).x}, fast_c);
      std::printf("%s, %s: %lld images, %lld codes or reals differ; %lld bytes of RAM, %lld of constants\n", name.c_str(), std::string(target.name).c_str(),
                  static_cast<long long>(test.size()), static_cast<long long>(judge.differing - before),
                  static_cast<long long>(c_program_memory(integers).ram()), static_cast<long long>(c_program_memory(integers).flash()));
    }
  }
}

int run(int argc, char** argv) {
  Judge judge;
  std::uint64_t seed = 1, models = 0;
  std::int64_t images = 10000;
  std::vector<std::string> networks;
  for (int i = 1; i < argc; ++i) {
    const auto number = [&] {
      require(i + 1 < argc, Errc::range, "{} needs a number", argv[i]);
      return std::strtoull(argv[++i], nullptr, 10);
    };
    if (std::strcmp(argv[i], "--seed") == 0) {
      seed = number();
    } else if (std::strcmp(argv[i], "--models") == 0) {
      models = number();
    } else if (std::strcmp(argv[i], "--images") == 0) {
      images = static_cast<std::int64_t>(number());
    } else if (std::strcmp(argv[i], "--keep") == 0) {
      judge.keep = true;
    } else if (std::strcmp(argv[i], "--network") == 0) {
      require(i + 1 < argc, Errc::range, "--network needs a name");
      networks = {argv[++i]};
    } else if (std::strcmp(argv[i], "--networks") == 0) {
      networks = {"plain", "residual", "separable"};
    } else {
      judge.directory = argv[i];
    }
  }
  require(!judge.directory.empty() && (!networks.empty() || models > 0), Errc::range,
          "usage: c_programs DIR [--models N] [--seed S] [--networks | --network NAME] [--images N] [--keep]");
  require(::mkdir(judge.directory.c_str(), 0777) == 0 || errno == EEXIST, Errc::io, "cannot make {}", judge.directory);
  for (std::uint64_t s = seed; s < seed + models; ++s) judge_drawn(judge, s);
  if (!networks.empty()) judge_networks(judge, networks, images);
  if (judge.refused > 0) std::printf("%lld models that a target refuses\n", static_cast<long long>(judge.refused));
  std::printf("%lld programs, %lld codes compared, %lld differing\n", static_cast<long long>(judge.programs),
              static_cast<long long>(judge.compared), static_cast<long long>(judge.differing));
  return judge.differing == 0 && judge.failures == 0 && judge.programs > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // long runs say where they are, into files too
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "c_programs: %s\n", e.what());
    return 2;
  }
}
