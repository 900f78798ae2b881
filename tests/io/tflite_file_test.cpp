// The .tflite writer and reader: one undoes the other, and hostile bytes are errors.
#include "support/catch.hpp"

#include <stet/core/random.hpp>
#include <stet/io/tflite/decode.hpp>
#include <stet/io/tflite/encode.hpp>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace tflite_file_test {

using namespace stet;
using namespace stet::tflite;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr OptionsType all_options[] = {OptionsType::none,
                                       OptionsType::conv_2d,
                                       OptionsType::depthwise_conv_2d,
                                       OptionsType::pool_2d,
                                       OptionsType::softmax,
                                       OptionsType::add,
                                       OptionsType::fully_connected,
                                       OptionsType::concatenation,
                                       OptionsType::reshape,
                                       OptionsType::mul,
                                       OptionsType::pad,
                                       OptionsType::transpose,
                                       OptionsType::reducer,
                                       OptionsType::sub,
                                       OptionsType::squeeze,
                                       OptionsType::dequantize,
                                       OptionsType::quantize,
                                       OptionsType::leaky_relu,
                                       OptionsType::maximum_minimum,
                                       OptionsType::log_softmax,
                                       OptionsType::hard_swish,
                                       OptionsType::gelu,
                                       OptionsType::transpose_conv,
                                       OptionsType::batch_matmul};

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : rng_(seed) {}

  int number(int lo, int hi) { return lo + static_cast<int>(rng_.below(static_cast<std::uint64_t>(hi - lo + 1))); }
  bool coin() { return number(0, 1) == 1; }
  std::string text() {
    std::string s;
    for (int i = number(0, 9); i > 0; --i) s += static_cast<char>(number('!', '~'));
    return s;
  }
  std::vector<std::int32_t> numbers(int most, int lo, int hi) {
    std::vector<std::int32_t> list;
    for (int i = number(0, most); i > 0; --i) list.push_back(number(lo, hi));
    return list;
  }

  TensorInfo tensor() {
    constexpr TensorType types[] = {TensorType::float32, TensorType::float16, TensorType::int32, TensorType::int64,
                                    TensorType::int16,   TensorType::int8,    TensorType::int4,  TensorType::boolean};
    TensorInfo t;
    t.name = text();
    t.type = types[number(0, 7)];
    t.shape = numbers(4, 1, 5);
    if (coin()) t.shape_signature = t.shape;
    if (!t.shape_signature.empty()) t.shape_signature[0] = -1;
    t.is_variable = number(0, 9) == 0;
    std::int64_t elements = 1;
    for (const auto d : t.shape) elements *= d;
    if (coin()) {
      t.data.resize(static_cast<std::size_t>(data_size(t.type, elements)));
      for (auto& b : t.data) b = static_cast<std::uint8_t>(number(0, 255));
    }
    if (coin()) {
      const bool channels = !t.shape.empty() && coin();
      t.quantization.dimension = channels ? number(0, static_cast<int>(t.shape.size()) - 1) : 0;
      const int n = channels ? t.shape[static_cast<std::size_t>(t.quantization.dimension)] : 1;
      for (int i = 0; i < n; ++i) {
        t.quantization.scale.push_back(static_cast<float>(rng_.uniform(0.001, 2.0)));
        t.quantization.zero_point.push_back(number(-128, 127));
      }
    }
    return t;
  }

  OperatorInfo operation(int tensors) {
    OperatorInfo o;
    o.code = static_cast<Builtin>(number(0, 160));
    o.version = number(1, 4);
    if (number(0, 9) == 0) o.custom_code = text();
    o.inputs = numbers(4, -1, tensors - 1);
    o.outputs = numbers(2, 0, tensors - 1);
    o.options.type = all_options[number(0, static_cast<int>(std::size(all_options)) - 1)];
    visit_options(o.options.type, [&](int, auto member) {
      auto& value = o.options.*member;
      using T = std::remove_cvref_t<decltype(value)>;
      if constexpr (std::is_same_v<T, std::vector<std::int32_t>>) {
        value = numbers(4, -1, 9);
      } else if constexpr (std::is_same_v<T, float>) {
        value = static_cast<float>(number(0, 3)) / 4;
      } else if constexpr (std::is_same_v<T, bool>) {
        value = coin();
      } else {
        value = static_cast<T>(number(0, 2));
      }
    });
    return o;
  }

  ModelInfo model() {
    ModelInfo m;
    m.description = text();
    m.subgraph_name = text();
    m.min_runtime_version = coin() ? "2.11.0" : coin() ? "" : "a version of many letters";
    const int tensors = number(1, 12);
    for (int i = 0; i < tensors; ++i) m.tensors.push_back(tensor());
    for (int i = number(0, 12); i > 0; --i) m.operators.push_back(operation(tensors));
    m.inputs = numbers(3, 0, tensors - 1);
    m.outputs = numbers(3, 0, tensors - 1);
    m.signature_key = coin() ? "" : "serving_default";
    if (!m.signature_key.empty()) {
      m.signature_inputs = {{text(), number(0, tensors - 1)}, {text(), 0}};
      m.signature_outputs = {{text(), number(0, tensors - 1)}};
    }
    return m;
  }

 private:
  Rng rng_;
};

ModelInfo small() {
  ModelInfo m;
  m.description = "small";
  m.min_runtime_version = "1.5.0";
  m.signature_key = "serving_default";
  m.signature_inputs = {{"x", 0}};
  m.signature_outputs = {{"y", 3}};
  m.tensors.push_back({.name = "x",
                       .shape = {1, 3},
                       .shape_signature = {-1, 3},
                       .type = TensorType::int8,
                       .quantization = {{0.5f}, {3}, 0}});
  m.tensors.push_back({.name = "w",
                       .shape = {2, 3},
                       .type = TensorType::int8,
                       .quantization = {{0.5f, 0.25f}, {0, 0}, 0},
                       .data = {1, 2, 3, 4, 5, 6}});
  m.tensors.push_back({.name = "b",
                       .shape = {2},
                       .type = TensorType::int32,
                       .quantization = {{0.25f}, {0}, 0},
                       .data = {101, 0, 0, 0, 102, 0, 0, 0}});
  m.tensors.push_back({.name = "y", .shape = {1, 2}, .type = TensorType::int8, .quantization = {{1.0f}, {-7}, 0}});
  OperatorInfo o{.code = Builtin::fully_connected, .version = 4, .inputs = {0, 1, 2}, .outputs = {3}};
  o.options.type = OptionsType::fully_connected;
  m.operators.push_back(o);
  m.inputs = {0};
  m.outputs = {3};
  return m;
}

// The place of a run of bytes in a file.
std::size_t find(const std::vector<std::uint8_t>& bytes, const std::vector<std::uint8_t>& run) {
  const auto at = std::search(bytes.begin(), bytes.end(), run.begin(), run.end());
  REQUIRE(at != bytes.end());
  return static_cast<std::size_t>(at - bytes.begin());
}

}  // namespace

TEST_CASE("what is encoded is decoded to the same description, and encodes to the same bytes") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    const ModelInfo m = Draw(seed).model();
    const auto bytes = encode(m);
    const ModelInfo back = decode(bytes, "file");
    CHECK(back == m);
    CHECK(encode(back) == bytes);
  }
}

TEST_CASE("the bytes of a file are where the format wants them") {
  const auto bytes = encode(small());
  CHECK(std::memcmp(bytes.data() + 4, "TFL3", 4) == 0);
  CHECK(find(bytes, {1, 2, 3, 4, 5, 6}) % 16 == 0);
  CHECK(find(bytes, {101, 0, 0, 0, 102, 0, 0, 0}) % 16 == 0);
  CHECK(find(bytes, {0xf9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) % 8 == 0);  // the zero point -7
  CHECK(find(bytes, {'1', '.', '5', '.', '0', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) % 16 == 0);
}

TEST_CASE("a file cut at any byte is refused") {
  const auto bytes = encode(small());
  // The last bytes may be padding; everything before is needed.
  std::size_t refused = 0;
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    try {
      const std::vector<std::uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
      const ModelInfo got = decode(cut, "cut");
      CHECK(got == small());
    } catch (const Error& e) {
      CHECK(e.code() == Errc::format);
      ++refused;
    }
  }
  CHECK(refused >= bytes.size() - 16);
}

TEST_CASE("a file with any bit flipped is read or refused, never misread beyond its end") {
  const auto bytes = encode(small());
  std::size_t refused = 0, read = 0;
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::vector<std::uint8_t> broken = bytes;
    broken[bit / 8] = static_cast<std::uint8_t>(broken[bit / 8] ^ (1u << (bit % 8)));
    try {
      const ModelInfo m = decode(broken, "flipped");
      CHECK(m.tensors.size() <= broken.size());
      (void)encode(m);
      ++read;
    } catch (const Error& e) {
      CHECK((e.code() == Errc::format || e.code() == Errc::unsupported));
      ++refused;
    }
  }
  CHECK(refused > 1000);
  CHECK(read > 1000);
}

TEST_CASE("offsets that lead to the same bytes again and again are refused before they fill the memory") {
  // Thousands of tensors that all name one buffer of a megabyte: 20 GB if they were read.
  flatbuffer::Fields f;
  f.number(0, 3u, 0u);
  for (const int slot : {1, 2, 4}) f.child(slot);
  flatbuffer::Writer writer("TFL3");
  const auto root = writer.root(f);
  (void)writer.children(root.at(1), 0);
  flatbuffer::Fields g;
  g.child(0);
  const auto subgraph = writer.table(writer.children(root.at(2), 1)[0], g);
  for (const std::size_t place : writer.children(subgraph.at(0), 20000)) {
    flatbuffer::Fields t;
    t.child(0);
    t.number(1, std::int8_t{9}, std::int8_t{0});
    t.number(2, 1u, 0u);
    writer.vector(writer.table(place, t).at(0), std::vector<std::int32_t>{1 << 20});
  }
  const auto buffers = writer.children(root.at(4), 2);
  (void)writer.table(buffers[0], {});
  flatbuffer::Fields b;
  b.child(0);
  writer.vector(writer.table(buffers[1], b).at(0), std::vector<std::uint8_t>(1 << 20, 1), 16);
  CHECK_THROWS_WITH(decode(std::move(writer).finish(), "bomb"), ContainsSubstring("asks for far more memory"));
}

TEST_CASE("parts that do not fit together are refused with their place") {
  const auto refuse = [](auto change, const char* text, Errc code = Errc::format) {
    ModelInfo m = small();
    change(m);
    try {
      (void)decode(encode(m), "model.tflite");
      FAIL("was read: " << text);
    } catch (const Error& e) {
      CHECK_THAT(e.what(), ContainsSubstring(text) && ContainsSubstring("model.tflite"));
      CHECK(e.code() == code);
    }
  };
  refuse([](ModelInfo& m) { m.tensors[1].data.pop_back(); },
         "tensor 1 ('w') has 5 bytes of data, its shape and type need 6");
  refuse([](ModelInfo& m) { m.tensors[0].shape[1] = -3; }, "tensor 0 ('x') has the dimension -3");
  refuse(
      [](ModelInfo& m) {
        m.tensors[0].shape = {1 << 30, 1 << 30, 1 << 30};
        m.tensors[0].shape_signature = {};
      },
      "too many elements");
  refuse([](ModelInfo& m) { m.tensors[0].shape_signature = {-1}; }, "2 dimensions and a signature of 1");
  refuse([](ModelInfo& m) { m.tensors[0].quantization.zero_point = {}; }, "1 scales and 0 zero points");
  refuse([](ModelInfo& m) { m.tensors[1].quantization.dimension = 2; }, "along dimension 2 of 2");
  refuse([](ModelInfo& m) { m.tensors[1].quantization.dimension = 1; }, "2 scales for 3 channels");
  refuse([](ModelInfo& m) { m.tensors[2].quantization.scale = {NAN}; }, "tensor 2 ('b') has the scale nan");
  refuse([](ModelInfo& m) { m.operators[0].options = {.type = OptionsType::leaky_relu, .alpha = INFINITY}; },
         "operator 0 has the attribute inf");
  refuse([](ModelInfo& m) { m.operators[0].inputs[1] = 4; }, "operator 0 names tensor 4; there are 4");
  refuse([](ModelInfo& m) { m.operators[0].outputs[0] = -1; }, "operator 0 names tensor -1");
  refuse([](ModelInfo& m) { m.inputs = {9}; }, "input 9 is no tensor");
  refuse([](ModelInfo& m) { m.outputs = {-1}; }, "output -1 is no tensor");
  refuse([](ModelInfo& m) { m.signature_inputs[0].tensor = 77; }, "names tensor 77");
  auto bytes = encode(small());
  bytes[7] = '2';
  CHECK_THROWS_WITH(decode(bytes, "old"), ContainsSubstring("identifier"));
}

}  // namespace tflite_file_test
