// Exported integers read back as they are in the model.

#include <stet/io/integers.hpp>
#include <stet/io/json_reader.hpp>
#include <stet/model/quantize.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"

namespace integers_test {

using namespace stet;
using namespace stet_test;

namespace {

IntegerModel model() {
  Graph g;
  auto x = g.input({6, 6, 3}).named("image");
  x = relu(batch_norm(conv2d(x, {.filters = 5, .kernel = 3}).named("conv"))).named("features");
  x = depthwise_conv2d(x, {.kernel = 2, .multiplier = 2}).named("depthwise");
  g.output(linear(global_average_pool(x).named("mean"), {.units = 4}).named("head"));
  return quantize(Model(std::move(g), Rng(2)), recipes::int8(), random_dataset({6, 6, 3}, 16, 4, 2));
}

// Calls f(name, constants) for every layer with weights.
template <class F>
void for_layers(const IntegerModel& m, F f) {
  int layers = 0;
  for (const IntegerNode& node : m.nodes) {
    if (!graph::has_weights(node.op)) continue;
    ++layers;
    f(node.name, node.constants);
  }
  CHECK(layers == 3);
}

}  // namespace

TEST_CASE("integers in a safetensors file are those of the model", "[bits]") {
  const TemporaryDirectory dir;
  const IntegerModel m = model();
  save_integers(dir.path("integers.safetensors"), m);
  CHECK(dir.files() == 1);
  const auto file = SafetensorsFile::load(dir.path("integers.safetensors"));
  std::size_t expected = 2 * m.values.size();
  for_layers(m, [&](const std::string& name, const auto& op) {
    INFO(name);
    expected += 3;
    CHECK(same_bits(file.get<std::int8_t>(name + ".weight"), op.weights));
    CHECK(same_bits(file.get<std::int32_t>(name + ".bias"), op.bias));
    const auto scale = file.get<float>(name + ".weight_scale");
    CHECK(std::vector<float>(scale.span().begin(), scale.span().end()) == op.weight_scale);
  });
  for (const IntegerValue& v : m.values) {
    INFO(v.name);
    CHECK(file.get<float>(v.name + ".scale")[0] == v.codes.scale);
    CHECK(file.get<std::int32_t>(v.name + ".zero_point")[0] == v.codes.zero_point);
  }
  CHECK(file.entries().size() == expected);
  REQUIRE(file.find_metadata("target") != nullptr);
  CHECK(*file.find_metadata("target") == "litert_default");
  CHECK(*file.find_metadata("format") == "stet integers 1");
  for (const char* name : {"image", "features", "depthwise", "mean", "head"}) {
    CHECK(file.find(std::string(name) + ".scale") != nullptr);
  }
}

TEST_CASE("integers in .npy files are those of the model", "[bits]") {
  const TemporaryDirectory dir;
  const IntegerModel m = model();
  save_integers_npy(dir.path("net_"), m);
  CHECK(dir.files() == 9 + 2 * m.values.size() + 2);  // and the fingerprint and the description
  for (const IntegerValue& v : m.values) {
    INFO(v.name);
    const auto scale = load_npy<float>(dir.path("net_" + v.name + ".scale.npy"));
    const auto zero = load_npy<std::int32_t>(dir.path("net_" + v.name + ".zero_point.npy"));
    CHECK((scale.shape() == Shape{} && zero.shape() == Shape{}));
    CHECK(scale[0] == v.codes.scale);
    CHECK(zero[0] == v.codes.zero_point);
  }
  for_layers(m, [&](const std::string& name, const auto& op) {
    INFO(name);
    const std::string prefix = dir.path("net_" + name);
    CHECK(same_bits(load_npy<std::int8_t>(prefix + ".weight.npy"), op.weights));
    CHECK(same_bits(load_npy<std::int32_t>(prefix + ".bias.npy"), op.bias));
    const auto scale = load_npy<float>(prefix + ".weight_scale.npy");
    CHECK(std::vector<float>(scale.span().begin(), scale.span().end()) == op.weight_scale);
  });
}

TEST_CASE("the description beside .npy files says what arrays do not") {
  const TemporaryDirectory dir;
  const IntegerModel m = model();
  save_integers_npy(dir.path("net_"), m);
  const Json j = parse_json(read_text(dir.path("net_model.json")));
  CHECK(j.at("target").as_string() == "litert_default");
  CHECK(j.at("inputs").items().size() == 1);
  CHECK(j.at("inputs").items()[0].as_string() == "image");
  CHECK(j.at("outputs").items()[0].as_string() == "head");
  REQUIRE(j.at("nodes").items().size() == m.nodes.size());
  const Json& conv = j.at("nodes").items()[1];
  CHECK(conv.at("operator").as_string() == "conv2d");
  CHECK(conv.at("inputs").items()[0].as_string() == "image");
  CHECK(conv.at("output").as_string() == "features");
  CHECK(conv.at("activation").items()[0].as_double() == 0.0);
  CHECK(conv.at("activation").items()[1].kind() == Json::Kind::null);
  REQUIRE(j.at("values").items().size() == m.values.size());
  CHECK(j.at("values").items()[0].at("shape").items()[2].as_uint64() == 3);
  CHECK(j.at("values").items()[1].at("lowest").as_double() == -128);
  // Every array is a file and every file an array.
  for (const Json& name : j.at("arrays").items()) CHECK(std::filesystem::exists(dir.path("net_" + name.as_string() + ".npy")));
  CHECK(j.at("arrays").items().size() + 2 == dir.files());
}

TEST_CASE("a directory that does not exist is an io error") {
  const TemporaryDirectory dir;
  try {
    save_integers(dir.path("no/such/file"), model());
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code() == Errc::io);
  }
  CHECK_THROWS_AS(save_integers_npy(dir.path("no/such/"), model()), Error);
}

TEST_CASE("integers that do not fit together are refused before a file is written") {
  const TemporaryDirectory dir;
  IntegerModel m = model();
  m.values.back().codes.scale = 0.0f;
  for (const IntegerModel& bad : {m, IntegerModel()}) {
    CHECK_THROWS_AS(save_integers(dir.path("integers.safetensors"), bad), Error);
    CHECK_THROWS_AS(save_integers_npy(dir.path("net_"), bad), Error);
  }
  CHECK(dir.files() == 0);
}

}  // namespace integers_test
