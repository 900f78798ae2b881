// Weights of .onnx models in files beside them, and of other floating-point types than float32.
#include <stet/io/file.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/onnx/encode.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/warnings.hpp"

#include <filesystem>
#include <utility>

namespace onnx_external_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::CaughtWarnings;
using stet_test::TemporaryDirectory;
using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;

namespace {

using Entries = std::vector<onnx::Metadata>;

onnx::TensorInfo external(const std::string& name, Ints dims, Entries entries) {
  return {name, onnx::DataType::float32, std::move(dims), {}, onnx::DataLocation::external, std::move(entries)};
}
// x [N,2] times a.weight [2,2], plus b.bias [2].
onnx::ModelInfo linear(onnx::TensorInfo w, onnx::TensorInfo b) {
  onnx::ModelInfo m{.ir_version = 10, .opsets = {{"", 20}}, .graph_name = "g"};
  m.inputs = {{"x", onnx::DataType::float32, true, {{-1, "N"}, {2, {}}}}};
  m.outputs = {{"y", onnx::DataType::float32, false, {}}};
  m.nodes = {{"fc", "Gemm", {}, {"x", w.name, b.name}, {"y"}, {onnx::attribute("transB", std::int64_t{1})}}};
  m.initializers = {std::move(w), std::move(b)};
  return m;
}
const Entries at_0{{"location", "m.data"}, {"offset", "0"}, {"length", "16"}};
const Entries at_16{{"location", "m.data"}, {"offset", "16"}, {"length", "8"}};

void write_floats(const std::string& path, const Floats& values) {
  write_file_atomically(path, {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(float)});
}
void write(const std::string& path, const onnx::ModelInfo& m) { write_file_atomically(path, onnx::encode(m)); }

Floats values(const Model& m, const std::string& name) {
  const auto s = m.parameter(name).value.span();
  return {s.begin(), s.end()};
}
std::string refusal(const std::string& path, Errc code) {
  try {
    (void)load_onnx(path);
  } catch (const Error& e) {
    CHECK(e.code() == code);
    CHECK_THAT(e.what(), ContainsSubstring("m.onnx"));
    return e.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("weights in a file beside the model are read by offset and length", "[io][onnx]") {
  const TemporaryDirectory dir;
  write_floats(dir.path("m.data"), {1, 2, 3, 4, 5, 6});
  write(dir.path("m.onnx"), linear(external("fc.weight", {2, 2}, at_0), external("fc.bias", {2}, at_16)));
  const Model m = load_onnx(dir.path("m.onnx"));
  CHECK(values(m, "fc.weight") == Floats{1, 2, 3, 4});
  CHECK(values(m, "fc.bias") == Floats{5, 6});
  // Neither offset nor length: from the beginning, as many as the shape needs. In a folder below, by a link that stays.
  std::filesystem::create_directory(dir.path("data"));
  write_floats(dir.path("data/w"), {7, 8, 9, 10});
  std::filesystem::create_symlink("w", dir.path("data/link"));
  write(dir.path("m.onnx"), linear(external("fc.weight", {2, 2}, {{"location", "data/link"}, {"checksum", "00"}}),
                                   external("fc.bias", {2}, at_16)));
  CHECK(values(load_onnx(dir.path("m.onnx")), "fc.weight") == Floats{7, 8, 9, 10});
}

TEST_CASE("a description with weights elsewhere says that it needs the folder, and survives encoding", "[io][onnx]") {
  const onnx::ModelInfo m = linear(external("fc.weight", {2, 2}, at_0), external("fc.bias", {2}, at_16));
  CHECK(onnx::decode(onnx::encode(m), "m.onnx") == m);
  CHECK_THROWS_WITH(import_onnx(m, "m.onnx"), ContainsSubstring("tensor 'fc.weight' lies in another file, 'm.data'") &&
                                                  ContainsSubstring("load_onnx(path)") &&
                                                  ContainsSubstring("read_external_data(model, path)"));
}

TEST_CASE("a file that is missing is named, with what mends it", "[io][onnx]") {
  const TemporaryDirectory dir;
  write(dir.path("m.onnx"), linear(external("fc.weight", {2, 2}, at_0), external("fc.bias", {2}, at_16)));
  CHECK_THAT(refusal(dir.path("m.onnx"), Errc::io), ContainsSubstring("m.data, which cannot be opened") &&
                                                        ContainsSubstring("keep the file beside the model"));
  std::filesystem::create_directory(dir.path("m.data"));
  CHECK_THAT(refusal(dir.path("m.onnx"), Errc::io), ContainsSubstring("a directory"));
}

TEST_CASE("names that lead out of the model's folder are refused", "[io][onnx]") {
  const TemporaryDirectory dir;
  std::filesystem::create_directories(dir.path("inner/sub"));
  write_floats(dir.path("secret"), {1, 2, 3, 4});
  std::filesystem::create_symlink("../secret", dir.path("inner/link"));
  std::filesystem::create_symlink("..", dir.path("inner/up"));
  for (const std::string& name :
       {std::string(), dir.path("secret"), std::string("../secret"), std::string("sub/../../secret"),
        std::string("link"), std::string("up/secret"), std::string("sub/.."), std::string("link\0x", 6)}) {
    CAPTURE(name);
    write(dir.path("inner/m.onnx"), linear(external("fc.weight", {2, 2}, {{"location", name}}),
                                           onnx::make_tensor<float>("b", {2}, Floats{1, 2})));
    CHECK_THAT(refusal(dir.path("inner/m.onnx"), Errc::format),
               ContainsSubstring("only files in the folder of the model are read"));
  }
}

TEST_CASE("offsets and lengths that cannot be are refused", "[io][onnx]") {
  const TemporaryDirectory dir;
  write_floats(dir.path("m.data"), {1, 2, 3, 4, 5, 6});
  const auto refused = [&](Entries w, Entries b) {
    write(dir.path("m.onnx"),
          linear(external("fc.weight", {2, 2}, std::move(w)), external("fc.bias", {2}, std::move(b))));
    return refusal(dir.path("m.onnx"), Errc::format);
  };
  const auto entries = [](const std::string& offset, const std::string& length) {
    return Entries{{"location", "m.data"}, {"offset", offset}, {"length", length}};
  };
  CHECK_THAT(refused(at_0, entries("20", "8")), ContainsSubstring("'fc.bias'") && ContainsSubstring("has 24"));
  CHECK_THAT(refused(at_0, entries("18446744073709551608", "8")),
             ContainsSubstring("'fc.bias'") && ContainsSubstring("has 24"));
  CHECK_THAT(refused(at_0, entries("15", "8")), ContainsSubstring("'fc.weight' and 'fc.bias' overlap"));
  CHECK_THAT(refused(at_0, entries("0", "8")), ContainsSubstring("overlap"));
  CHECK_THAT(refused(at_0, entries("16", "4")),
             ContainsSubstring("has 4 bytes in another file, its shape and type need 8"));
  for (const char* text : {"-1", "0x10", "1e1", " 1", "18446744073709551616"}) {
    CHECK_THAT(refused(at_0, entries(text, "8")), ContainsSubstring("'fc.bias': its offset in another file is"));
  }
  // The same file by two names is still one file.
  CHECK_THAT(refused(at_0, {{"location", "./m.data"}, {"offset", "8"}}), ContainsSubstring("overlap"));
}

TEST_CASE("float16, bfloat16 and double constants become float32, and that is said", "[io][onnx]") {
  const auto tensor = [](const std::string& name, onnx::DataType type, Ints dims, const auto& values) {
    onnx::TensorInfo t{name, type, std::move(dims), {}, {}, {}};
    t.data.resize(values.size() * sizeof(values[0]));
    std::memcpy(t.data.data(), values.data(), t.data.size());
    return t;
  };
  using Bits = std::vector<std::uint16_t>;
  onnx::ModelInfo m = linear(tensor("fc.weight", onnx::DataType::float16, {2, 2}, Bits{0x3c00, 0xc000, 0x3555, 0x0001}),
                             tensor("fc.bias", onnx::DataType::bfloat16, {2}, Bits{0x3f80, 0xc040}));
  m.inputs[0].type = onnx::DataType::float16;
  const CaughtWarnings warnings;
  const Model model = import_onnx(m, "m.onnx");
  CHECK(values(model, "fc.weight") == Floats{1.0f, -2.0f, 0.333251953125f, 0x1p-24f});
  CHECK(values(model, "fc.bias") == Floats{1.0f, -3.0f});
  REQUIRE(warnings.all().size() == 1);
  CHECK_THAT(warnings.all()[0], ContainsSubstring("numbers of type float16, bfloat16 became float32"));
  // Casts between such types are nothing to a model that computes in float32.
  m.inputs[0].type = onnx::DataType::float32;
  m.nodes.insert(m.nodes.begin(), {"in", "Cast", {}, {"x"}, {"h"}, {onnx::attribute("to", std::int64_t{10})}});
  m.nodes[1].inputs[0] = "h";
  m.initializers[1] = tensor("fc.bias", onnx::DataType::float64, {2}, std::vector<double>{0.1, 1e-30});
  CHECK(values(import_onnx(m, "m.onnx"), "fc.bias") == Floats{0.1f, 1e-30f});
  CHECK(warnings.mention("float16, double"));
}

}  // namespace onnx_external_test
