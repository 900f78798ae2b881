// Bytes of .onnx files: written and read back, and everything that a hostile file may try.
#include <stet/core/random.hpp>
#include <stet/io/onnx/decode.hpp>
#include <stet/io/onnx/encode.hpp>

#include "support/catch.hpp"

#include <cstring>
#include <limits>

namespace onnx_file_test {

using namespace stet;
using namespace stet::onnx;
using Catch::Matchers::ContainsSubstring;
using Bytes = std::vector<std::uint8_t>;
using protobuf::Writer;

namespace {

int draw(Rng& rng, int lo, int hi) { return lo + static_cast<int>(rng.below(static_cast<std::uint64_t>(hi - lo + 1))); }
std::string text(Rng& rng) {
  std::string s(static_cast<std::size_t>(draw(rng, 0, 200)), ' ');
  for (char& c : s) c = static_cast<char>(draw(rng, -128, 127));
  return s;
}
std::int64_t number(Rng& rng) {
  return static_cast<std::int64_t>(rng.below(std::numeric_limits<std::uint64_t>::max())) >> draw(rng, 0, 63);
}

TensorInfo random_tensor(Rng& rng) {
  constexpr DataType types[] = {DataType::float32, DataType::uint8,   DataType::int8,
                                DataType::int16,   DataType::int32,   DataType::int64,
                                DataType::int4,    DataType::float16, DataType::float64};
  TensorInfo t{text(rng), types[draw(rng, 0, 8)], {}, {}};
  std::int64_t elements = 1;
  for (int i = draw(rng, 0, 4); i > 0; --i) {
    t.dims.push_back(draw(rng, 0, 5));
    elements *= t.dims.back();
  }
  t.data.resize(static_cast<std::size_t>((elements * bits(t.type) + 7) / 8));
  for (auto& b : t.data) b = static_cast<std::uint8_t>(draw(rng, 0, 255));
  return t;
}

AttributeInfo random_attribute(Rng& rng) {
  AttributeInfo a{.name = text(rng)};
  switch (draw(rng, 0, 6)) {
    case 0:
      a.type = AttributeType::real, a.real = static_cast<float>(rng.normal());
      break;
    case 1:
      a.type = AttributeType::integer, a.integer = draw(rng, 0, 1) ? number(rng) : 0;
      break;
    case 2:
      a.type = AttributeType::text, a.text = text(rng);
      break;
    case 3:
      a.type = AttributeType::tensor, a.tensor = random_tensor(rng);
      break;
    case 4:
      a.type = AttributeType::reals;
      for (int i = draw(rng, 0, 4); i > 0; --i) a.reals.push_back(static_cast<float>(rng.normal()));
      break;
    case 5:
      a.type = AttributeType::integers;
      for (int i = draw(rng, 0, 4); i > 0; --i) a.integers.push_back(number(rng));
      break;
    default:
      a.type = AttributeType::texts;
      for (int i = draw(rng, 0, 4); i > 0; --i) a.texts.push_back(text(rng));
  }
  return a;
}

ValueInfo random_value(Rng& rng) {
  ValueInfo v{text(rng), static_cast<DataType>(draw(rng, 0, 22)), draw(rng, 0, 1) == 1, {}};
  for (int i = v.has_shape ? draw(rng, 0, 4) : 0; i > 0; --i) {
    v.dims.push_back(draw(rng, 0, 1) == 1 ? DimensionInfo{draw(rng, 0, 1000), {}} : DimensionInfo{-1, text(rng)});
  }
  return v;
}

ModelInfo random_model(std::uint64_t seed) {
  Rng rng(seed);
  ModelInfo m{.ir_version = draw(rng, 0, 12), .producer_name = text(rng), .producer_version = text(rng)};
  m.graph_name = text(rng);
  const auto some = [&](auto& list, auto make) {
    for (int i = draw(rng, 0, 4); i > 0; --i) list.push_back(make(rng));
  };
  some(m.nodes, [&](Rng& r) {
    NodeInfo n{.name = text(r), .op_type = text(r), .domain = text(r)};
    some(n.inputs, text);
    some(n.outputs, text);
    some(n.attributes, random_attribute);
    return n;
  });
  some(m.initializers, random_tensor);
  some(m.inputs, random_value);
  some(m.outputs, random_value);
  some(m.values, random_value);
  some(m.opsets, [&](Rng& r) { return OpsetInfo{text(r), number(r)}; });
  some(m.metadata, [&](Rng& r) { return std::pair(text(r), text(r)); });
  return m;
}

// A model of one tensor with these fields, and what the decoder makes of it.
template <class Body>
Bytes with_tensor(Body&& body) {
  Writer w;
  w.integer(1, 8);
  w.message(7, [&](Writer& g) { g.message(5, body); });
  return w.take();
}
template <class Body>
TensorInfo tensor_of(Body&& body) {
  return decode(with_tensor(body), "test").initializers.at(0);
}
template <class T>
std::vector<T> numbers(const TensorInfo& t) {
  std::vector<T> v(t.data.size() / sizeof(T));
  std::memcpy(v.data(), t.data.data(), t.data.size());
  return v;
}

// Decoding ends, well or with an Error of the right kind; the sanitizers watch the rest.
bool survives(std::span<const std::uint8_t> bytes) {
  // An own allocation of the exact size: a read behind the end is then seen.
  const Bytes copy(bytes.begin(), bytes.end());
  try {
    (void)decode(copy, "test");
    return true;
  } catch (const Error& e) {
    return e.code() == Errc::format || e.code() == Errc::unsupported;
  }
}
std::string refusal(const Bytes& bytes) {
  try {
    (void)decode(bytes, "evil.onnx");
  } catch (const Error& e) {
    CHECK(e.code() == Errc::format);
    CHECK_THAT(e.what(), ContainsSubstring("evil.onnx"));
    return e.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a written model reads back equal", "[io][onnx]") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const ModelInfo model = random_model(seed);
    CAPTURE(seed);
    REQUIRE(decode(encode(model), "test") == model);
  }
}

TEST_CASE("the bytes are those of protobuf", "[io][onnx]") {
  ModelInfo m{.ir_version = 300};
  m.graph_name = "g";
  m.nodes.push_back({.op_type = "Relu", .inputs = {"x"}, .outputs = {"y"}});
  // ir_version: field 1, varint 300 = AC 02; graph: field 7, length 17; node: field 1, length 12; ...
  const Bytes expected{0x08, 0xac, 0x02, 0x3a, 0x11, 0x0a, 0x0c, 0x0a, 0x01, 'x',  0x12,
                       0x01, 'y',  0x22, 0x04, 'R',  'e',  'l',  'u',  0x12, 0x01, 'g'};
  CHECK(encode(m) == expected);
}

TEST_CASE("elements are read from every field that may hold them, packed or not", "[io][onnx]") {
  const auto head = [](Writer& w, std::int64_t type, std::int64_t n) {
    w.integer(1, n);
    w.integer(2, type);
  };
  const std::vector<std::uint8_t> packed_varints{0x01, 0xac, 0x02};
  CHECK(numbers<std::int64_t>(tensor_of([&](Writer& w) { head(w, 7, 2), w.bytes(7, packed_varints); })) ==
        std::vector<std::int64_t>{1, 300});
  CHECK(numbers<std::int64_t>(tensor_of([&](Writer& w) { head(w, 7, 2), w.integer(7, 1), w.integer(7, -5); })) ==
        std::vector<std::int64_t>{1, -5});
  CHECK(numbers<std::int8_t>(tensor_of([&](Writer& w) { head(w, 3, 2), w.integer(5, -128), w.integer(5, 127); })) ==
        std::vector<std::int8_t>{-128, 127});
  const float two[] = {1.5f, -2.0f};
  const std::span<const std::uint8_t> raw(reinterpret_cast<const std::uint8_t*>(two), sizeof two);
  const std::vector<float> expected{1.5f, -2.0f};
  CHECK(numbers<float>(tensor_of([&](Writer& w) { head(w, 1, 2), w.bytes(9, raw); })) == expected);
  CHECK(numbers<float>(tensor_of([&](Writer& w) { head(w, 1, 2), w.bytes(4, raw); })) == expected);
  CHECK(numbers<float>(tensor_of([&](Writer& w) { head(w, 1, 2), w.real(4, 1.5f), w.real(4, -2.0f); })) == expected);
  // dims packed too
  CHECK(tensor_of([&](Writer& w) {
          w.bytes(1, std::vector<std::uint8_t>{2, 1});
          w.integer(2, 1);
          w.bytes(9, raw);
        }).dims == std::vector<std::int64_t>{2, 1});
}

TEST_CASE("unknown fields are passed over", "[io][onnx]") {
  const ModelInfo model = random_model(3);
  Bytes bytes = encode(model);
  Writer more;
  more.integer(1000, -1);
  more.text(77, "from the future");
  more.real(99, 1.0f);
  bytes.insert(bytes.end(), more.bytes().begin(), more.bytes().end());
  bytes.insert(bytes.end(), {0xe1, 0x07, 1, 2, 3, 4, 5, 6, 7, 8});  // field 124, fixed64
  CHECK(decode(bytes, "test") == model);
}

TEST_CASE("a model cut anywhere or with any bit flipped does no harm", "[io][onnx]") {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    Bytes bytes = encode(random_model(seed));
    bytes.resize(std::min<std::size_t>(bytes.size(), 3000));
    for (std::size_t n = 0; n < bytes.size(); ++n) REQUIRE(survives({bytes.data(), n}));
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1u << bit % 8));
      REQUIRE(survives(bytes));
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1u << bit % 8));
    }
  }
}

TEST_CASE("random bytes do no harm", "[io][onnx]") {
  Rng rng(5);
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes(static_cast<std::size_t>(draw(rng, 0, 40)));
    // Tags of the real fields come more often than chance would have them.
    for (auto& b : bytes)
      b = static_cast<std::uint8_t>(draw(rng, 0, 2) == 0 ? draw(rng, 0, 20) << 3 | 2 : draw(rng, 0, 255));
    REQUIRE(survives(bytes));
  }
}

TEST_CASE("malformed files are refused by name", "[io][onnx]") {
  CHECK_THAT(refusal({}), ContainsSubstring("no graph"));
  CHECK_THAT(refusal({0x3a, 0x05, 0x0a}), ContainsSubstring("claims 5 bytes where 1"));
  CHECK_THAT(refusal({0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}), ContainsSubstring("claims"));
  CHECK_THAT(refusal({0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}), ContainsSubstring("64 bits"));
  CHECK_THAT(refusal({0x08}), ContainsSubstring("ends behind"));
  CHECK_THAT(refusal({0x00, 0x01}), ContainsSubstring("field number 0"));
  CHECK_THAT(refusal({0x0b, 0x0c}), ContainsSubstring("wire type 3"));
  CHECK_THAT(refusal({0x0a, 0x00}), ContainsSubstring("wire type 2, expected 0"));
  CHECK_THAT(refusal({0x3a, 0x02, 0x12, 0x7f}), ContainsSubstring("claims 127"));
  CHECK_THAT(refusal(with_tensor([](Writer& w) { w.integer(1, 1000000), w.integer(2, 1), w.text(8, "w"); })),
             ContainsSubstring("'w' has 0 bytes of data, its shape and type need 4000000"));
  CHECK_THAT(refusal(with_tensor([](Writer& w) {
               for (int i = 0; i < 4; ++i) w.integer(1, std::int64_t{1} << 62);
               w.integer(2, 1);
             })),
             ContainsSubstring("too many elements"));
  CHECK_THAT(refusal(with_tensor([](Writer& w) { w.integer(1, -1), w.integer(2, 1); })),
             ContainsSubstring("one of them -1"));
  CHECK_THAT(refusal(with_tensor([](Writer& w) { w.integer(2, 8), w.text(6, "text"); })),
             ContainsSubstring("data type 8"));
  CHECK_THAT(refusal(with_tensor([](Writer& w) { w.integer(2, -1); })), ContainsSubstring("enumeration is -1"));
}

TEST_CASE("the number of messages is limited, for each costs more in memory than in the file", "[io][onnx]") {
  Bytes graph;
  for (int i = 0; i < (1 << 22) + 1; ++i) graph.insert(graph.end(), {0x0a, 0x00});  // an empty node
  Writer w;
  w.bytes(7, graph);
  CHECK_THAT(refusal(w.bytes()), ContainsSubstring("asks for far more memory"));
}

TEST_CASE("tensors in other files are named", "[io][onnx]") {
  const auto external = [](Writer& w) {
    w.integer(1, 2);
    w.integer(2, 1);
    w.text(8, "fc.weight");
    w.message(13, [](Writer& e) { e.text(1, "location"), e.text(2, "../../etc/passwd"); });
    w.integer(14, 1);
  };
  const onnx::TensorInfo t = tensor_of(external);
  CHECK(t.where == onnx::DataLocation::external);
  CHECK(t.external == std::vector<onnx::Metadata>{{"location", "../../etc/passwd"}});
  CHECK_THAT(refusal(with_tensor([&](Writer& w) { external(w), w.text(9, "12345678"); })),
             ContainsSubstring("'fc.weight' has data although they lie in another file"));
  CHECK_THAT(refusal(with_tensor([](Writer& w) { w.integer(2, 1), w.integer(14, 2); })), ContainsSubstring("a place of kind 2"));
}

}  // namespace onnx_file_test
