// The fingerprint of calibration images goes into every file and comes back; what cannot be one is refused.

#include <stet/io/fingerprint_text.hpp>
#include <stet/io/integers.hpp>
#include <stet/io/load_input_fingerprint.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/onnx/decode.hpp>
#include <stet/io/onnx/encode.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/observe_ranges.hpp>
#include <stet/model/quantize.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace input_fingerprint_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Model network() {
  Graph g;
  const auto x = relu(batch_norm(conv2d(g.input({6, 6, 3}), {.filters = 5, .kernel = 3}).named("conv")));
  g.output(linear(global_average_pool(x), {.units = 4}).named("head"));
  return {std::move(g), Rng(2)};
}
Dataset images() { return random_dataset({6, 6, 3}, 16, 4, 2); }
const IntegerModel& integers() {
  static const IntegerModel m = quantize(network(), recipes::int8(), images());
  return m;
}

std::string text_of(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_file(path);
  return {bytes.begin(), bytes.end()};
}
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("the fingerprint comes back from every file of integers, to the bit") {
  const TemporaryDirectory dir;
  const IntegerModel& m = integers();
  REQUIRE(!m.input_fingerprints.empty());
  save_tflite(dir.path("m.tflite"), m);
  save_tflite(dir.path("real.tflite"), m, {.float_input = true, .float_output = true});
  save_onnx(dir.path("m.onnx"), m);
  save_integers(dir.path("m.safetensors"), m);
  save_integers_npy(dir.path("npy_"), m);
  save_c_weights(dir.path("weights.c"), m);
  save_c_array(dir.path("array.h"), "net", tflite_bytes(m));
  for (const char* file : {"m.tflite", "real.tflite", "m.onnx", "m.safetensors", "npy_input_fingerprint.json", "weights.c", "array.h"}) {
    INFO(file);
    CHECK(load_input_fingerprint(dir.path(file)) == m.input_fingerprints[0]);
  }
  for (const char* file : {"m.tflite", "real.tflite"}) {
    CHECK(load_tflite_integer(dir.path(file), targets::litert_default).input_fingerprints == m.input_fingerprints);
  }
}

TEST_CASE("files of a model without a fingerprint have none") {
  const TemporaryDirectory dir;
  save_integers_npy(dir.path("npy_"), integers());
  IntegerModel m = integers();
  m.input_fingerprints.clear();
  save_tflite(dir.path("m.tflite"), m);
  save_onnx(dir.path("m.onnx"), m);
  save_integers(dir.path("m.safetensors"), m);
  save_integers_npy(dir.path("npy_"), m);  // over that of another model
  save_c_weights(dir.path("weights.c"), m);
  save_c_array(dir.path("array.c"), "net", tflite_bytes(m));
  for (const char* file : {"m.tflite", "m.onnx", "m.safetensors", "npy_input_fingerprint.json", "weights.c", "array.c"}) {
    INFO(file);
    CHECK_FALSE(load_input_fingerprint(dir.path(file)).has_value());
    CHECK(text_of(dir.path(file)).find(std::string(input_fingerprint_key)) == std::string::npos);
  }
  CHECK(load_tflite_integer(dir.path("m.tflite"), targets::litert_default).input_fingerprints.empty());
}

TEST_CASE("files of a float model carry the fingerprint of the data that gave its ranges") {
  const TemporaryDirectory dir;
  const Model model = network();
  const ActivationRanges ranges = observe_ranges(model, images());
  REQUIRE(ranges.inputs.size() == 1);
  CHECK(ranges.inputs[0].channels() == 3);
  save_tflite(dir.path("a.tflite"), model, {.ranges = ranges});
  save_tflite(dir.path("b.tflite"), model, {.format = TfliteFormat::int16x8, .ranges = ranges});
  save_onnx(dir.path("a.onnx"), model, {.ranges = ranges});
  save_onnx(dir.path("b.onnx"), model, {.format = OnnxFormat::int16x8, .fold_batch_norm = false, .ranges = ranges});
  for (const char* file : {"a.tflite", "b.tflite", "a.onnx", "b.onnx"}) {
    INFO(file);
    CHECK(load_input_fingerprint(dir.path(file)) == ranges.inputs[0]);
  }
  CHECK(tflite_bytes(load_tflite(dir.path("a.tflite"))).size() > 0);
  save_onnx(dir.path("without.onnx"), model);
  CHECK_FALSE(load_input_fingerprint(dir.path("without.onnx")).has_value());
}

TEST_CASE("a fingerprint that cannot be is written into no file") {
  const TemporaryDirectory dir;
  std::vector<IntegerModel> bad(4, integers());
  bad[0].input_fingerprints[0].mean = std::numeric_limits<float>::quiet_NaN();
  bad[1].input_fingerprints[0].levels = std::int64_t{1} << 40;
  for (auto* list : {&bad[2].input_fingerprints[0].channel_mean, &bad[2].input_fingerprints[0].channel_sd, &bad[2].input_fingerprints[0].channel_least,
                     &bad[2].input_fingerprints[0].channel_most}) {
    list->pop_back();  // sound by itself, but of images of two channels
  }
  bad[3].input_fingerprints[0].quantiles[3] = 1e30f;
  for (const IntegerModel& m : bad) {
    INFO(m.input_fingerprints[0].fault());
    CHECK_THROWS_WITH(save_tflite(dir.path("m.tflite"), m), ContainsSubstring("calibrate and convert again"));
    CHECK_THROWS_AS(save_onnx(dir.path("m.onnx"), m), Error);
    CHECK_THROWS_AS(save_integers(dir.path("m.safetensors"), m), Error);
    CHECK_THROWS_AS(save_integers_npy(dir.path("npy_"), m), Error);
    CHECK_THROWS_AS(save_c_weights(dir.path("weights.c"), m), Error);
  }
  ActivationRanges ranges = observe_ranges(network(), images());
  ranges.inputs = bad[0].input_fingerprints;
  CHECK_THROWS_AS(save_tflite(dir.path("m.tflite"), network(), {.ranges = ranges}), Error);
  CHECK_THROWS_AS(save_onnx(dir.path("m.onnx"), network(), {.ranges = ranges}), Error);
  CHECK(dir.files() == 0);
}

TEST_CASE("a fingerprint's text keeps every number") {
  InputFingerprint f = integers().input_fingerprints[0];
  f.channel_mean = {0.1f, -1e-38f, std::numeric_limits<float>::denorm_min()};
  f.images = std::numeric_limits<std::int64_t>::max();
  CHECK(parse_fingerprints(fingerprint_text(std::span(&f, 1)), "here") == std::vector{f});
  const std::vector<InputFingerprint> two{f, integers().input_fingerprints[0]};
  CHECK(parse_fingerprints(fingerprint_text(two), "here") == two);
  CHECK(fingerprint_text({}).empty());
  f.sd = -1;
  CHECK_THROWS_AS(fingerprint_text(std::span(&f, 1)), Error);
}

TEST_CASE("hostile texts of fingerprints are refused in every format") {
  const TemporaryDirectory dir;
  const IntegerModel& m = integers();
  const std::string good = fingerprint_text(m.input_fingerprints);
  const auto member = [&](const std::string& name, const std::string& value) {
    const std::size_t at = good.find("\"" + name + "\":") + name.size() + 3;
    const std::size_t end = good[at] == '[' ? good.find(']', at) + 1 : good.find_first_of(",}", at);
    return good.substr(0, at) + value + good.substr(end);
  };
  const std::vector<std::string> hostile = {
      " ", "null", "{}", "[]", "[" + good + "]", good.substr(0, good.size() / 2), good + "x", good + good, std::string(100000, '['), std::string("\0\0\0\0", 4), "\xff\xfe",
      member("mean", "NaN"), member("mean", "nan"), member("mean", "Infinity"), member("mean", "1e39"), member("mean", "1e999"),
      member("mean", "\"0\""), member("sd", "-1"), member("gradient_x", "-0.5"), member("images", "0"), member("images", "-5"),
      member("images", "99999999999999999999"), member("images", "9223372036854775808"), member("images", "1.5"), member("levels", "1000000000"),
      member("quantiles", "[]"), member("quantiles", "[0,1]"), member("quantiles", "[5,4,3,2,1,0,0,0,0,0,0]"), member("quantiles", "0"),
      member("quantiles", "[" + std::string(100000, '0') + "]"), member("channel_mean", "[]"), member("channel_mean", "[0.5]"),
      member("channel_mean", "[1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8]"), member("mean_image", "[1,2,3]"),
      replaced(good, "\"mean\"", "\"meen\""), replaced(good, "{", "{\"more\":1,"), replaced(good, "\"images\"", "\"images\":3,\"images\"")};
  const tflite::ModelInfo info = tflite::describe(m);
  const onnx::ModelInfo description = onnx::decode(onnx_bytes(m), "m.onnx");
  save_integers(dir.path("m.safetensors"), m);
  const SafetensorsFile file = SafetensorsFile::load(dir.path("m.safetensors"));
  save_c_weights(dir.path("weights.c"), m);
  const std::string source = text_of(dir.path("weights.c"));
  for (const std::string& text : hostile) {
    INFO(text.substr(0, 200));
    CHECK_THROWS_AS(parse_fingerprints(text, "here"), Error);
    tflite::ModelInfo t = info;
    t.input_fingerprint = text;
    write_file_atomically(dir.path("h.tflite"), tflite::encode(t));
    CHECK_THROWS_AS(load_input_fingerprint(dir.path("h.tflite")), Error);
    CHECK_THROWS_AS(load_tflite_integer(dir.path("h.tflite"), targets::litert_default), Error);
    CHECK_THROWS_AS(save_c_array(dir.path("h.c"), "net", tflite::encode(t)), Error);
    onnx::ModelInfo o = description;
    o.metadata.back().second = text;
    write_file_atomically(dir.path("h.onnx"), onnx::encode(o));
    CHECK_THROWS_AS(load_input_fingerprint(dir.path("h.onnx")), Error);
    if (text != "null") {  // which says in a file of its own that there is none
      write_file_atomically(dir.path("h.json"), std::string_view(text));
      CHECK_THROWS_AS(load_input_fingerprint(dir.path("h.json")), Error);
    }
    write_file_atomically(dir.path("h.c"), std::string_view(replaced(source, good, text)));
    CHECK_THROWS_AS(load_input_fingerprint(dir.path("h.c")), Error);
    if (text == "\xff\xfe") continue;  // not to be written into a safetensors file
    SafetensorsFile s = file;
    s.set_metadata(std::string(input_fingerprint_key), text);
    s.save(dir.path("h.safetensors"));
    CHECK_THROWS_AS(load_input_fingerprint(dir.path("h.safetensors")), Error);
  }
}

TEST_CASE("a fingerprint of other images than the model's is refused") {
  const TemporaryDirectory dir;
  Graph g;
  g.output(linear(global_average_pool(conv2d(g.input({6, 6, 2}), {.filters = 3, .kernel = 3})), {.units = 2}));
  const IntegerModel two = quantize(Model(std::move(g), Rng(1)), recipes::int8(), random_dataset({6, 6, 2}, 16, 2, 2));
  tflite::ModelInfo info = tflite::describe(integers());
  info.input_fingerprint = fingerprint_text(two.input_fingerprints);
  write_file_atomically(dir.path("m.tflite"), tflite::encode(info));
  CHECK_THROWS_WITH(load_tflite_integer(dir.path("m.tflite"), targets::litert_default), ContainsSubstring("tells 2 channels apart"));
}

TEST_CASE("load_input_fingerprint says what it cannot read") {
  const TemporaryDirectory dir;
  CHECK_THROWS_WITH(load_input_fingerprint(dir.path("model.pb")), ContainsSubstring("give .tflite, .onnx"));
  CHECK_THROWS_AS(load_input_fingerprint(dir.path("none.tflite")), Error);
  std::vector<std::uint8_t> bytes = tflite_bytes(integers());
  bytes.resize(bytes.size() / 2);
  write_file_atomically(dir.path("half.tflite"), bytes);
  CHECK_THROWS_AS(load_input_fingerprint(dir.path("half.tflite")), Error);
  onnx::ModelInfo twice = onnx::decode(onnx_bytes(integers()), "m.onnx");
  twice.metadata.push_back(twice.metadata.back());
  write_file_atomically(dir.path("twice.onnx"), onnx::encode(twice));
  CHECK_THROWS_WITH(load_input_fingerprint(dir.path("twice.onnx")), ContainsSubstring("two metadata entries"));
  const std::string line = "\n/* stet.input_fingerprint " + fingerprint_text(integers().input_fingerprints) + " */\n";
  write_file_atomically(dir.path("twice.c"), std::string_view(line + line));
  CHECK_THROWS_WITH(load_input_fingerprint(dir.path("twice.c")), ContainsSubstring("two comments"));
  write_file_atomically(dir.path("open.c"), std::string_view(line.substr(0, 100)));
  CHECK_THROWS_WITH(load_input_fingerprint(dir.path("open.c")), ContainsSubstring("does not end"));
}

}  // namespace input_fingerprint_test
