// Checkpoints: exact round trips, strict loading, and a training state that continues bit by bit.
#include <stet/core/random.hpp>
#include <stet/graph/builder.hpp>
#include <stet/graph/model.hpp>
#include <stet/model/prepare.hpp>
#include <stet/quant/histogram_observer.hpp>
#include <stet/quant/mean_sigma_observer.hpp>
#include <stet/quant/mse_observer.hpp>
#include <stet/quant/observer.hpp>
#include <stet/train/adam.hpp>
#include <stet/train/checkpoint.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/warnings.hpp"

#include <limits>

namespace checkpoint_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::EndsWith;
using stet_test::CaughtWarnings;
using stet_test::TemporaryDirectory;

namespace {

Model small_model(std::uint64_t seed, int filters = 4, int classes = 3) {
  Graph g;
  auto x = g.input({8, 8, 1});
  x = relu(batch_norm(conv2d(x, {.filters = filters, .kernel = 3}))).named("block");
  g.output(linear(global_average_pool(x), {.units = classes}));
  return Model(std::move(g), Rng(seed));
}

bool same(Model& a, Model& b) {
  std::vector<Tensor<float>> left;
  a.fields([&](std::string_view, Tensor<float>& t) { left.push_back(t); });
  std::size_t i = 0;
  bool equal = true;
  b.fields([&](std::string_view, Tensor<float>& t) {
    equal = equal && t.shape() == left[i].shape() && std::ranges::equal(t.span(), left[i].span());
    ++i;
  });
  return equal && i == left.size();
}

enum class Phase { one, two, three };

// Every kind of field, and a nested object.
struct State {
  double d = 0;
  float f = 0;
  bool flag = false;
  std::int64_t i = 0;
  std::uint64_t u = 0;
  int n = 0;
  Phase phase = Phase::one;
  std::vector<float> list{};
  Rng::State random{};
  Tensor<float> tensor = Tensor<float>::zeros({2, 2});
  template <class F>
  void fields(F&& visit) {
    visit("d", d);
    visit("f", f);
    visit("flag", flag);
    visit("i", i);
    visit("u", u);
    visit("n", n);
    visit("phase", phase);
    visit("list", list);
    visit("random", random);
    visit("tensor", tensor);
  }
};

// A model with quantizers, as far as a checkpoint knows it.
struct Quantized {
  Model inner;
  float scale = 1;
  Model& model() { return inner; }
  template <class F>
  void fields(F&& visit) {
    visit("x.scale", scale);
  }
};

}  // namespace

TEST_CASE("a saved model is restored with the same bits", "[train]") {
  const TemporaryDirectory dir;
  Model a = small_model(1), b = small_model(2);
  REQUIRE_FALSE(same(a, b));
  save_checkpoint(dir.path("m"), a);
  load_checkpoint(dir.path("m"), b);
  CHECK(same(a, b));
  CHECK(dir.files() == 1);
  const auto file = SafetensorsFile::load(dir.path("m"));
  CHECK(file.find(a.parameters()[0].name) != nullptr);
}

TEST_CASE("loading into another structure lists what does not fit and changes nothing", "[train]") {
  const TemporaryDirectory dir;
  const CaughtWarnings warnings;
  Model a = small_model(1);
  const std::string weight = a.parameters()[0].name;
  save_checkpoint(dir.path("m"), a);
  Model wide = small_model(2, 5);
  const Model before = wide;
  CHECK_THROWS_WITH(load_checkpoint(dir.path("m"), wide),
                    ContainsSubstring("different: " + weight + " (F32 [4,3,3,1], wanted F32 [5,3,3,1])"));
  Model untouched = before;
  CHECK(same(wide, untouched));
  auto file = SafetensorsFile::load(dir.path("m"));
  file.add("surplus", Tensor<float>({1}, {1}));
  file.save(dir.path("more"));
  CHECK_THROWS_WITH(load_checkpoint(dir.path("more"), a), ContainsSubstring("unexpected: surplus"));
  SafetensorsFile less;
  for (const auto& e : file.entries()) {
    if (e.name != weight && e.name != "surplus") less.add(e.name, e.dtype, e.shape, e.bytes.span());
  }
  less.save(dir.path("less"));
  CHECK_THROWS_WITH(load_checkpoint(dir.path("less"), a), ContainsSubstring("missing: " + weight));
  less.add(weight, Tensor<double>({4, 3, 3, 1}));
  less.save(dir.path("double"));
  CHECK_THROWS_WITH(load_checkpoint(dir.path("double"), a), ContainsSubstring("F64 [4,3,3,1], wanted F32"));
  CHECK_THROWS_AS(load_checkpoint(dir.path("nothing"), a), Error);
  CHECK_THROWS_AS(load_checkpoint(dir.write("text", "this is not a checkpoint"), a), Error);
}

TEST_CASE("a long list of problems is cut", "[train]") {
  const TemporaryDirectory dir;
  const CaughtWarnings warnings;
  SafetensorsFile file;
  for (int i = 0; i < 20; ++i) file.add(fmt::format("x{}", i), Tensor<float>({1}, {1}));
  file.save(dir.path("m"));
  Model a = small_model(1);
  CHECK_THROWS_WITH(load_checkpoint(dir.path("m"), a), ContainsSubstring("and 8 more"));
}

TEST_CASE("fields of every kind are stored exactly", "[train]") {
  const TemporaryDirectory dir;
  State a;
  a.d = 0.1;
  a.f = -0.0f;
  a.flag = true;
  a.i = std::numeric_limits<std::int64_t>::min();
  a.u = std::numeric_limits<std::uint64_t>::max();
  a.n = -7;
  a.phase = Phase::three;
  a.list = {1, 2, std::numeric_limits<float>::infinity()};
  a.random = Rng(5).state();
  a.tensor = Tensor<float>({2, 2}, {1, 2, 3, 4});
  CheckpointWriter writer;
  writer.fields("training/", a);
  writer.field("training/epoch", std::int64_t{3});
  writer.note("optimizer", "adam");
  writer.save(dir.path("s"));

  State b;
  std::int64_t epoch = 0;
  CheckpointReader reader(dir.path("s"));
  reader.expect("optimizer", "adam");
  reader.fields("training/", b);
  reader.field("training/epoch", epoch);
  CHECK(b.d == 0);  // nothing before finish
  reader.finish();
  CHECK(epoch == 3);
  CHECK(b.d == a.d);
  CHECK(std::signbit(b.f));
  CHECK(b.flag);
  CHECK(b.i == a.i);
  CHECK(b.u == a.u);
  CHECK(b.n == a.n);
  CHECK(b.phase == a.phase);
  CHECK(b.list == a.list);
  CHECK(b.random == a.random);
  CHECK(std::ranges::equal(b.tensor.span(), a.tensor.span()));
}

TEST_CASE("a checkpoint of another run is refused as a whole", "[train]") {
  const TemporaryDirectory dir;
  State a;
  CheckpointWriter writer;
  writer.fields("training/", a);
  writer.note("optimizer", "adam");
  CHECK_THROWS_WITH(writer.field("training/d", 1.0), ContainsSubstring("'training/d' is taken"));
  writer.save(dir.path("s"));
  State b;
  b.d = 5;
  CheckpointReader reader(dir.path("s"));
  reader.expect("optimizer", "sgd");
  reader.expect("seed", "1");
  reader.fields("training/", b);
  CHECK_THROWS_WITH(reader.finish(), ContainsSubstring("optimizer (adam, wanted sgd), seed (none, wanted 1)"));
  CHECK(b.d == 5);
  CHECK(reader.note("seed") == nullptr);
  CHECK(CheckpointReader::exists(dir.path("s")));
  CHECK_FALSE(CheckpointReader::exists(dir.path("t")));
}

TEST_CASE("a training checkpoint also loads as a model, and holds quantizers", "[train]") {
  const TemporaryDirectory dir;
  Quantized a{small_model(1), 0.25f}, b{small_model(2)};
  State run;
  CheckpointWriter writer;
  writer.model(a);
  writer.fields(training_prefix, run);
  writer.save(dir.path("q"));
  load_checkpoint(dir.path("q"), b);
  CHECK(b.scale == 0.25f);
  CHECK(same(a.inner, b.inner));
  Model plain = small_model(3);
  CHECK_THROWS_WITH(load_checkpoint(dir.path("q"), plain), ContainsSubstring("is of a quantized model, and this one is float: load it into the QatModel"));
}

TEST_CASE("a checkpoint of the other stage is refused in one sentence", "[train]") {
  const TemporaryDirectory dir;
  Model model = small_model(1);
  QatModel qat = prepare(model, recipes::int8());
  save_checkpoint(dir.path("float"), model);
  save_checkpoint(dir.path("qat"), qat);
  CHECK_THROWS_WITH(load_checkpoint(dir.path("float"), qat),
                    EndsWith("is of a float model, and this one is quantized: load it into the Model, then prepare that"));
  CHECK_THROWS_WITH(load_checkpoint(dir.path("qat"), model),
                    EndsWith("is of a quantized model, and this one is float: load it into the QatModel that prepare makes"));
  CHECK_NOTHROW(load_checkpoint(dir.path("qat"), qat));
  CHECK_NOTHROW(load_checkpoint(dir.path("float"), qat.model()));
}

TEST_CASE("a truncated checkpoint is called truncated, with the sizes", "[train]") {
  const TemporaryDirectory dir;
  save_checkpoint(dir.path("m"), small_model(1));
  std::vector<std::uint8_t> bytes = read_file(dir.path("m"));
  const std::size_t whole = bytes.size();
  bytes.resize(whole - 100);
  write_file_atomically(dir.path("m"), bytes);
  Model model = small_model(1);
  CHECK_THROWS_WITH(load_checkpoint(dir.path("m"), model),
                    ContainsSubstring(fmt::format("with the header {}, the file has {}", whole, whole - 100)) &&
                        ContainsSubstring("is truncated"));
  bytes.resize(40);
  write_file_atomically(dir.path("m"), bytes);
  CHECK_THROWS_WITH(load_checkpoint(dir.path("m"), model), ContainsSubstring("the file has 40 in all: it is truncated"));
}

TEST_CASE("an optimizer restored from a file continues bit by bit", "[train]") {
  const TemporaryDirectory dir;
  Model a = small_model(1);
  const auto refs_of = [](Model& m) {
    std::vector<ParameterRef> refs;
    for (auto& p : m.parameters()) refs.push_back({&p.parameter, p.name});
    return refs;
  };
  const auto learn = [](Model& m, std::uint64_t seed) {
    for (auto& p : m.parameters()) {
      Rng rng(seed++);
      p.parameter.gradient = Tensor<float>(p.parameter.value.shape());
      for (float& v : p.parameter.gradient.edit()) v = static_cast<float>(rng.normal());
    }
  };
  const auto refs = refs_of(a);
  OptimizerState optimizer(Adam{}, refs);
  learn(a, 1);
  optimizer.step(refs);
  CheckpointWriter writer;
  writer.model(a);
  writer.fields("training/optimizer.", optimizer);
  writer.save(dir.path("c"));

  Model b = small_model(9);
  const auto other = refs_of(b);
  OptimizerState resumed(Adam{}, other);
  CheckpointReader reader(dir.path("c"));
  reader.model(b);
  reader.fields("training/optimizer.", resumed);
  reader.finish();
  learn(a, 2);
  learn(b, 2);
  optimizer.step(refs);
  resumed.step(other);
  CHECK(same(a, b));
}

TEST_CASE("observers continue from a checkpoint as if they had never stopped") {
  const TemporaryDirectory dir;
  Rng rng(4);
  std::vector<float> first(60), second(60);
  for (float& v : first) v = static_cast<float>(rng.normal());
  for (float& v : second) v = static_cast<float>(3 * rng.normal());
  const Granularity g = Granularity::per_channel(1);
  const Shape shape{4, 3, 5};
  for (const AnyObserver& fresh : {AnyObserver(MovingAverageObserver(g)), AnyObserver(MseObserver(g, Grid::narrow(3), true)),
                                   AnyObserver(HistogramObserver(g)), AnyObserver(MeanSigmaObserver(g))}) {
    AnyObserver observer = fresh, loaded = fresh;
    observer.observe(first, shape);
    CheckpointWriter writer;
    writer.fields("observer.", observer);
    writer.save(dir.path("observer"));
    CheckpointReader reader(dir.path("observer"));
    reader.fields("observer.", loaded);
    CHECK(loaded.empty());  // nothing before finish
    reader.finish();
    CHECK(loaded.ranges() == observer.ranges());
    observer.observe(second, shape);
    loaded.observe(second, shape);
    CHECK(loaded.ranges() == observer.ranges());
  }
}

}  // namespace checkpoint_test
