// load_part: what fits of another model's checkpoint, and the report of the rest.
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>
#include <stet/train/load_part.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/tensors.hpp"

#include <limits>

namespace load_part_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Model network(const char* stem, int classes, std::uint64_t seed) {
  Graph g;
  auto x = g.input({6, 6, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 4, .kernel = 3}).named(stem)).named("norm"));
  g.output(linear(flatten(x), {.units = classes}).named("head"));
  return {std::move(g), Rng(seed)};
}

Tensor<float> value_of(const Model& m, const std::string& name) {
  for (const NamedParameter& p : m.parameters()) {
    if (p.name == name) return p.parameter.value;
  }
  for (const NamedBuffer& b : m.buffers()) {
    if (b.name == name) return b.value;
  }
  FAIL("no " << name);
  return {};
}

}  // namespace

TEST_CASE("another head and another name: what fits is loaded, the rest is reported", "[train]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("old.safetensors");
  const Model old = network("conv_1", 3, 1);
  save_checkpoint(path, old);
  Model model = network("stem", 5, 2);
  const Tensor<float> head = value_of(model, "head.weight");
  const LoadPartReport report = load_part(path, model, {.renamed = {{"conv_1", "stem"}}});
  CHECK(equal(value_of(model, "stem.weight"), value_of(old, "conv_1.weight")));
  CHECK(equal(value_of(model, "norm.variance"), value_of(old, "norm.variance")));
  CHECK(equal(value_of(model, "head.weight"), head));
  CHECK(report.loaded.size() == 6);
  REQUIRE(report.not_loaded.size() == 2);
  CHECK(report.not_loaded[1].name == "head.weight");
  CHECK_THAT(report.not_loaded[1].why, ContainsSubstring("[3,144]") && ContainsSubstring("[5,144]"));
  CHECK(report.untouched.size() == 2);
  CHECK_THAT(report.str(), ContainsSubstring("6 parameters and buffers loaded") && ContainsSubstring("not loaded: head.weight") &&
                               ContainsSubstring("as it was: head.bias"));
  // Without the map the stem has no place.
  Model other = network("stem", 5, 2);
  const LoadPartReport less = load_part(path, other);
  CHECK_THAT(less.str(), ContainsSubstring("not loaded: conv_1.weight: the model has nothing of this name") &&
                             ContainsSubstring("as it was: stem.weight: the file has nothing of this name"));
}

TEST_CASE("nodes that are to stay do, though they would fit", "[train]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("old.safetensors");
  save_checkpoint(path, network("stem", 3, 1));
  Model model = network("stem", 3, 2);
  const Tensor<float> head = value_of(model, "head.weight");
  const LoadPartReport report = load_part(path, model, {.except = {"head"}});
  CHECK(equal(value_of(model, "head.weight"), head));
  CHECK_THAT(report.str(), ContainsSubstring("not loaded: head.weight: it was to stay"));
}

TEST_CASE("float and quantized models give each other their parameters", "[train]") {
  const TemporaryDirectory directory;
  const Dataset data = random_dataset({6, 6, 1}, 40, 3, 1);
  const std::string path = directory.path("qat.safetensors");
  const QatModel qat = calibrated_model(network("stem", 3, 1), recipes::int8(), data);
  save_checkpoint(path, qat);
  Model model = network("stem", 3, 2);
  const LoadPartReport report = load_part(path, model);
  CHECK(equal(value_of(model, "stem.weight"), value_of(QatModel(qat).model(), "stem.weight")));
  CHECK_THAT(report.str(), ContainsSubstring("ranges belong to the whole network; calibrate it"));
  // The other way the ranges stay.
  save_checkpoint(path, network("stem", 3, 3));
  QatModel other = qat;
  load_part(path, other);
  CHECK(other.calibrated());
  CHECK(equal(value_of(other.model(), "head.weight"), value_of(network("stem", 3, 3), "head.weight")));
}

TEST_CASE("a checkpoint of a run gives its model and not its run", "[train]") {
  const TemporaryDirectory directory;
  FitOptions o = quiet_fit({.epochs = 1});
  o.checkpoint = directory.path("run.checkpoint");
  Model trained = network("stem", 3, 1);
  fit(trained, random_dataset({6, 6, 1}, 40, 3, 1), o);
  Model model = network("stem", 3, 2);
  const LoadPartReport report = load_part(o.checkpoint, model);
  CHECK(report.not_loaded.empty());
  CHECK(state_of(model) == state_of(trained));
}

TEST_CASE("parts that cannot be loaded leave the model as it was", "[train]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("old.safetensors");
  save_checkpoint(path, network("conv_1", 3, 1));
  const Model start = network("stem", 3, 2);
  const auto refused = [&](const LoadPartOptions& options, const char* why) {
    Model model = start;
    CHECK_THROWS_WITH(load_part(path, model, options), ContainsSubstring(why));
    CHECK(state_of(model) == state_of(start));
  };
  refused({.renamed = {{"none", "stem"}}}, "has no node 'none' to rename");
  refused({.except = {"none*"}}, "no node of the model is named 'none*'");
  refused({.renamed = {{"head", "norm"}, {"norm", "other"}}, .except = {"stem"}}, "nothing of");
  refused({.renamed = {{"conv_1", "head"}}}, "both go to 'head.");
  CHECK_THROWS_AS([&] { Model m = start; load_part(directory.path("none"), m); }(), Error);
  CHECK_THROWS_AS([&] { Model m = start; load_part(directory.write("junk", "junk"), m); }(), Error);

  SafetensorsFile file;
  file.add("norm.variance", Tensor<float>({4}, {1, -1, 1, 1}));
  file.save(path);
  refused({}, "variance");
  SafetensorsFile nan;
  nan.add("norm.mean", Tensor<float>({4}, {1, std::numeric_limits<float>::quiet_NaN(), 1, 1}));
  nan.save(path);
  refused({}, "NaN or infinite");
}

}  // namespace load_part_test
