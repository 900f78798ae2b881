// What PyTorch's exporter writes for operators that ONNX has none of, or another one: read as what it computes.
#include <stet/stet.hpp>

#include "io/onnx_source.hpp"

#include <algorithm>
#include <cmath>

namespace onnx_torch_forms_test {

using namespace stet;
using namespace stet_test;
using onnx::attribute;

namespace {

Tensor<float> some(const Shape& shape, double factor = 1.0) {
  Tensor<float> x(shape);
  Rng rng(3);
  for (float& v : x.edit()) v = static_cast<float>(factor * rng.normal());
  return x;
}
// Values [N,C,H,W] of tensors [N,H,W,C].
double at(const Tensor<float>& x, std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) {
  return static_cast<double>(x[((n * x.shape()[1] + h) * x.shape()[2] + w) * x.shape()[3] + c]);
}

// torch.nn.AdaptiveAvgPool2d of an image [2,rows,columns], as its decomposition writes it. `spoil` puts one thing wrong.
enum class Spoil { nothing, index, mask, divisor, tap };
struct Adaptive {
  std::int64_t rows, columns, out_rows, out_columns;
  static std::int64_t start(std::int64_t i, std::int64_t n, std::int64_t out) { return i * n / out; }
  static std::int64_t size(std::int64_t i, std::int64_t n, std::int64_t out) { return ((i + 1) * n + out - 1) / out - start(i, n, out); }
  static std::int64_t largest(std::int64_t n, std::int64_t out) {
    std::int64_t most = 0;
    for (std::int64_t i = 0; i < out; ++i) most = std::max(most, size(i, n, out));
    return most;
  }

  std::string write(OnnxSource& s, Spoil spoil = Spoil::nothing) const {
    const std::int64_t kh = largest(rows, out_rows), kw = largest(columns, out_columns);
    Ints index;
    std::vector<std::uint8_t> row_mask, column_mask;
    Floats counts;
    for (std::int64_t i = 0; i < out_rows; ++i) {
      for (std::int64_t a = 0; a < kh; ++a) {
        row_mask.push_back(a >= size(i, rows, out_rows) ? 1 : 0);
        for (std::int64_t j = 0; j < out_columns; ++j) {
          for (std::int64_t b = 0; b < kw; ++b) {
            index.push_back(std::min(start(i, rows, out_rows) + a, rows - 1));
            index.push_back(std::min(start(j, columns, out_columns) + b, columns - 1));
          }
        }
      }
      for (std::int64_t j = 0; j < out_columns; ++j) counts.push_back(static_cast<float>(size(i, rows, out_rows) * size(j, columns, out_columns)));
    }
    for (std::int64_t j = 0; j < out_columns; ++j) {
      for (std::int64_t b = 0; b < kw; ++b) column_mask.push_back(b >= size(j, columns, out_columns) ? 1 : 0);
    }
    const bool alike = std::ranges::count(row_mask, 1) + std::ranges::count(column_mask, 1) == 0;
    if (spoil == Spoil::index) index[0] += 1;
    if (spoil == Spoil::mask) std::swap(column_mask.front(), column_mask.back());
    if (spoil == Spoil::divisor) counts.back() += 1.0f;
    const std::string pixels = s.node("Transpose", {"x"}, {attribute("perm", Ints{2, 3, 0, 1})});
    const std::string gathered = s.node("GatherND", {pixels, s.constant("index", {out_rows, kh, out_columns, kw, 2}, index)});
    std::string windows = s.node("Transpose", {gathered}, {attribute("perm", Ints{4, 5, 0, 1, 2, 3})});
    if (alike) return s.node("ReduceMean", {windows, s.constant<std::int64_t>("axes", {2}, {-3, -1})}, {attribute("keepdims", 0)});
    const std::string zero = s.constant<float>("zero", {}, {0.0f});
    const auto mask = [&](const std::string& name, Ints dims, const std::vector<std::uint8_t>& m) {
      s.constant(name, std::move(dims), m);
      s.model.initializers.back().type = onnx::DataType::boolean;
      windows = s.node("Where", {name, zero, windows});
    };
    mask("rows", {out_rows, kh, 1, 1}, row_mask);
    mask("columns", {out_columns, kw}, column_mask);
    std::string sum;
    for (std::int64_t a = 0; a < kh; ++a) {
      const std::string row = s.node("Gather", {windows, s.constant<std::int64_t>("a" + std::to_string(a), {}, {a})}, {attribute("axis", 3)});
      for (std::int64_t b = 0; b < kw; ++b) {
        const std::int64_t k = spoil == Spoil::tap && a + b == 1 ? 0 : b;
        const std::string tap = s.node("Gather", {row, s.constant<std::int64_t>("b" + std::to_string(a) + "_" + std::to_string(b), {}, {k})}, {attribute("axis", 4)});
        sum = sum.empty() ? tap : s.node("Add", {sum, tap});
      }
    }
    return s.node("Div", {sum, s.constant("counts", {out_rows, out_columns}, counts)});
  }
  void check() const {
    OnnxSource s({2, rows, columns});
    const Model model = s.load(write(s));
    const Tensor<float> x = some({2, rows, columns, 2}), y = infer(model, x);
    REQUIRE(y.shape() == Shape{2, out_rows, out_columns, 2});
    for (std::int64_t n = 0; n < 2; ++n) {
      for (std::int64_t c = 0; c < 2; ++c) {
        for (std::int64_t i = 0; i < out_rows; ++i) {
          for (std::int64_t j = 0; j < out_columns; ++j) {
            const std::int64_t h = size(i, rows, out_rows), w = size(j, columns, out_columns);
            double sum = 0.0;
            for (std::int64_t k = 0; k < h * w; ++k) sum += at(x, n, c, start(i, rows, out_rows) + k / w, start(j, columns, out_columns) + k % w);
            CHECK(std::abs(at(y, n, c, i, j) - sum / static_cast<double>(h * w)) < 1e-6);
          }
        }
      }
    }
  }
};

}  // namespace

TEST_CASE("adaptive average pools whose windows are not alike", "[io][onnx]") {
  for (const Adaptive& a : {Adaptive{11, 7, 3, 3}, {7, 11, 2, 4}, {2, 2, 5, 7}, {1, 1, 3, 3}, {3, 5, 2, 2}, {9, 10, 4, 7}}) {
    INFO(a.rows << "x" << a.columns << " to " << a.out_rows << "x" << a.out_columns);
    a.check();
  }
}
TEST_CASE("what is no adaptive average pool stays not understood", "[io][onnx]") {
  for (const Spoil spoil : {Spoil::index, Spoil::mask, Spoil::divisor, Spoil::tap}) {
    INFO(static_cast<int>(spoil));
    OnnxSource s({2, 11, 8});
    CHECK_THAT(s.refusal(Adaptive{11, 8, 3, 3}.write(s, spoil)), Catch::Matchers::ContainsSubstring("GatherND"));
  }
  OnnxSource s({2, 11, 8});  // an output on the way
  const std::string y = Adaptive{11, 8, 3, 3}.write(s);
  const std::string windows = s.model.nodes[2].outputs[0];
  s.model.outputs = {{y, onnx::DataType::float32, false, {}}, {windows, onnx::DataType::float32, false, {}}};
  CHECK_THROWS_AS(import_onnx(s.model, "made.onnx"), Error);
}

TEST_CASE("operators of others are no part of an adaptive average pool", "[io][onnx]") {
  OnnxSource whole({2, 11, 8});
  const std::size_t nodes = (Adaptive{11, 8, 3, 3}.write(whole), whole.model.nodes.size());
  for (std::size_t i = 0; i < nodes; ++i) {
    INFO("node " << i);
    OnnxSource s({2, 11, 8});
    const std::string y = Adaptive{11, 8, 3, 3}.write(s);
    s.model.nodes[i].domain = "someone.else";
    CHECK_THROWS_AS(s.load(y), Error);
  }
}
TEST_CASE("adaptive windows of nothing are refused at once, however many", "[io][onnx]") {
  OnnxSource s({2, 11, 8});  // counting the windows one by one would take an hour
  const std::string pixels = s.node("Transpose", {"x"}, {attribute("perm", Ints{2, 3, 0, 1})});
  const std::string gathered = s.node("GatherND", {pixels, s.constant<std::int64_t>("index", {std::int64_t{1} << 40, 1, 1, 0, 2}, {})});
  CHECK_THROWS_AS(s.load(s.node("Transpose", {gathered}, {attribute("perm", Ints{4, 5, 0, 1, 2, 3})})), Error);
}

TEST_CASE("local response norm as a pool over channels in three dimensions", "[io][onnx]") {
  OnnxSource s({8, 3, 2});
  const std::string squares = s.node("Mul", {"x", "x"});
  const std::string volume = s.node("Reshape", {squares, s.constant<std::int64_t>("shape", {5}, {0, 1, 8, 3, -1})});
  const std::string padded = s.node("Pad", {volume, s.constant<std::int64_t>("pads", {10}, {0, 0, 1, 0, 0, 0, 0, 1, 0, 0})});
  const std::string mean = s.node("AveragePool", {padded}, {attribute("kernel_shape", Ints{3, 1, 1}), attribute("strides", Ints{1, 1, 1}), attribute("count_include_pad", 1)});
  const Model model = s.load(s.node("Squeeze", {mean, s.constant<std::int64_t>("axis", {1}, {1})}));
  const Tensor<float> x = some({2, 3, 2, 8}), y = infer(model, x);
  REQUIRE(y.shape() == x.shape());
  for (std::int64_t i = 0; i < y.size(); ++i) {
    double sum = 0.0;
    for (std::int64_t c = std::max<std::int64_t>(0, i % 8 - 1); c <= std::min<std::int64_t>(7, i % 8 + 1); ++c) sum += std::pow(static_cast<double>(x[i - i % 8 + c]), 2);
    CHECK(std::abs(static_cast<double>(y[i]) - sum / 3) < 1e-6);
  }
}

TEST_CASE("pools in three dimensions", "[io][onnx]") {
  OnnxSource s({2, 5, 4, 6});
  const Model model = s.load(s.node("MaxPool", {"x"},
                                    {attribute("kernel_shape", Ints{3, 2, 2}), attribute("strides", Ints{2, 2, 1}), attribute("pads", Ints{1, 0, 1, 0, 0, 0})}));
  const Tensor<float> x = some({2, 2, 5, 4, 6}), y = infer(model, x);
  REQUIRE(y.shape() == Shape{2, 2, 2, 2, 6});
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const std::int64_t w = i % 6, h = i / 6 % 2, d = i / 12 % 2, nc = i / 24;
    float most = -1e30f;
    for (std::int64_t k = 0; k < 12; ++k) {
      const std::int64_t z = d * 2 - 1 + k / 4, r = h * 2 + k / 2 % 2, c = w - 1 + k % 2;
      if (z >= 0 && c >= 0) most = std::max(most, x[((nc * 5 + z) * 4 + r) * 6 + c]);
    }
    CHECK(y[i] == most);
  }
  OnnxSource means({2, 5, 4, 6});
  CHECK_THAT(means.refusal(means.node("AveragePool", {"x"}, {attribute("kernel_shape", Ints{2, 2, 2})})),
             Catch::Matchers::ContainsSubstring("means over three dimensions are not understood"));
}

TEST_CASE("zeros along one dimension of many", "[io][onnx]") {
  OnnxSource s({2, 3, 4, 2});
  const Model model = s.load(s.node("Pad", {"x", s.constant<std::int64_t>("pads", {10}, {0, 0, 0, 2, 0, 0, 0, 0, 1, 0})}));
  const Tensor<float> x = some({1, 2, 3, 4, 2}), y = infer(model, x);
  REQUIRE(y.shape() == Shape{1, 2, 3, 7, 2});
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const std::int64_t row = i / 2 % 7;
    CHECK(y[i] == (row < 2 || row > 5 ? 0.0f : x[(i / 14 * 4 + row - 2) * 2 + i % 2]));
  }
  OnnxSource two({2, 3, 4, 2});
  CHECK_THAT(two.refusal(two.node("Pad", {"x", two.constant<std::int64_t>("pads", {10}, {0, 1, 0, 2, 0, 0, 0, 0, 1, 0})})),
             Catch::Matchers::ContainsSubstring("one dimension of others"));
}

TEST_CASE("transposed convolutions with rows that no tap reaches", "[io][onnx]") {
  for (const auto& [kernel, stride, pad, added] : {std::array<std::int64_t, 4>{2, 2, 0, 1}, {3, 2, 0, 1}, {1, 3, 0, 2}, {3, 2, 1, 1}, {2, 3, 0, 2}, {3, 3, 1, 2}}) {
    INFO("kernel " << kernel << ", stride " << stride << ", pad " << pad << ", added " << added);
    OnnxSource s({1, 3, 1});
    const Model model = s.load(s.node("ConvTranspose", {"x", s.ramp("w", {1, 1, kernel, 1}), s.constant<float>("b", {1}, {0.5f})},
                                      {attribute("strides", Ints{stride, 1}), attribute("pads", Ints{pad, 0, pad, 0}), attribute("output_padding", Ints{added, 0})}));
    const Tensor<float> y = infer(model, Tensor<float>({1, 3, 1, 1}, {1.0f, 10.0f, 100.0f}));
    const std::int64_t out = 2 * stride + kernel - 2 * pad + added;
    REQUIRE(y.shape() == Shape{1, out, 1, 1});
    Floats wanted(static_cast<std::size_t>(out), 0.5f);
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t k = 0; k < kernel; ++k) {
        const std::int64_t to = i * stride + k - pad;
        if (to >= 0 && to < out) wanted[static_cast<std::size_t>(to)] += static_cast<float>(k) * std::pow(10.0f, static_cast<float>(i));
      }
    }
    CHECK(Floats(y.span().begin(), y.span().end()) == wanted);
  }
}

TEST_CASE("softplus with the threshold of PyTorch", "[io][onnx]") {
  for (const float beta : {1.0f, 2.0f}) {
    OnnxSource s({6});
    const std::string scale = s.constant<float>("beta", {}, {beta}), u = beta == 1.0f ? "x" : s.node("Mul", {"x", scale});
    std::string y = s.node("Softplus", {u});
    if (beta != 1.0f) y = s.node("Div", {y, scale});
    const std::string greater = s.node("Greater", {u, s.constant<float>("t", {}, {20.0f})});
    const Model model = s.load(s.node("Where", {greater, "x", y}));
    const Tensor<float> x({1, 6}, {-9.0f, -1.0f, 0.0f, 3.0f, 19.9f, 40.0f}), made = infer(model, x);
    for (std::int64_t i = 0; i < 6; ++i) {
      const double v = static_cast<double>(x[i]), b = static_cast<double>(beta), soft = v * b > 20.0 ? v : std::log1p(std::exp(b * v)) / b;
      CHECK(std::abs(static_cast<double>(made[i]) - soft) <= 1e-6 * std::max(1.0, soft));
    }
  }
  OnnxSource low({6});  // a threshold that changes values
  const std::string y = low.node("Softplus", {"x"}), greater = low.node("Greater", {"x", low.constant<float>("t", {}, {5.0f})});
  CHECK_THAT(low.refusal(low.node("Where", {greater, "x", y})), Catch::Matchers::ContainsSubstring("Greater"));
}

}  // namespace onnx_torch_forms_test
