// Values of .onnx files whose samples do not lie apart in the first dimension, as attention is exported.

#include <stet/model/forward.hpp>

#include "io/onnx_source.hpp"
#include "support/networks.hpp"
#include "support/warnings.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

namespace onnx_batch_views_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using onnx::attribute;

namespace {

std::string reshape_to(OnnxSource& s, const std::string& x, const Ints& dims) {
  const std::string name = "shape" + std::to_string(s.model.nodes.size());
  return s.node("Reshape", {x, s.constant<std::int64_t>(name, {static_cast<std::int64_t>(dims.size())}, dims)});
}
std::string transposed(OnnxSource& s, const std::string& x, const Ints& perm) {
  return s.node("Transpose", {x}, {attribute("perm", perm)});
}

// x [3,4] per sample. Of element (token, channel) of a sample.
Tensor<float> tokens(std::int64_t samples) { return random_images({3, 4}, samples, 7); }

}  // namespace

TEST_CASE("a linear layer on tokens in front of the batch is one on tokens behind it") {
  OnnxSource s({3, 4}, 5);
  std::string y = transposed(s, "x", {1, 0, 2});
  y = s.node("MatMul", {y, s.constant<float>("w", {4, 2}, {1, 2, 3, 4, 5, 6, 7, 8})});
  y = s.node("Add", {y, s.constant<float>("b", {2}, {0.5f, -1})});
  y = s.node("Relu", {y});
  y = transposed(s, y, {1, 0, 2});
  const Model model = s.load(y);
  CHECK(kinds(model) == Kinds{"input", "linear", "relu"});
  const Tensor<float> x = tokens(2), made = infer(model, x);  // any number of samples
  REQUIRE(made.shape() == Shape{2, 3, 2});
  for (std::int64_t row = 0; row < 6; ++row) {
    for (std::int64_t c = 0; c < 2; ++c) {
      double sum = c == 0 ? 0.5 : -1;
      for (std::int64_t k = 0; k < 4; ++k)
        sum += static_cast<double>(x[row * 4 + k]) * static_cast<double>(1 + 2 * k + c);
      CHECK(made[row * 2 + c] == Approx(std::max(sum, 0.0)).margin(1e-5));
    }
  }
}

TEST_CASE("heads that are joined with the batch come apart") {
  for (const std::int64_t batch : {5, 1, 3}) {
    CAPTURE(batch);
    OnnxSource s({3, 4}, batch);
    std::string y = transposed(s, "x", {1, 0, 2});
    y = reshape_to(s, y, {3, batch * 2, 2});
    y = transposed(s, y, {1, 0, 2});
    y = reshape_to(s, y, {batch, 2, 3, 2});
    const Tensor<float> x = tokens(2), made = infer(s.load(y), x);
    REQUIRE(made.shape() == Shape{2, 2, 3, 2});
    for (std::int64_t n = 0; n < 2; ++n) {
      for (std::int64_t h = 0; h < 2; ++h) {
        for (std::int64_t t = 0; t < 3; ++t) {
          for (std::int64_t d = 0; d < 2; ++d)
            CHECK(made[((n * 2 + h) * 3 + t) * 2 + d] == x[(n * 3 + t) * 4 + h * 2 + d]);
        }
      }
    }
  }
}

TEST_CASE("windows joined with an open batch are computed with and put back") {
  OnnxSource s({3, 4});                            // the number of samples is open
  std::string y = reshape_to(s, "x", {-1, 2, 2});  // 3 x [2,2] per sample, joined with it
  y = s.node("Softmax", {y}, {attribute("axis", -1)});
  y = s.node("Mul", {y, s.constant<float>("half", {1}, {0.5f})});
  y = s.node("MatMul", {y, y});
  y = reshape_to(s, y, {-1, 3, 4});
  const Tensor<float> x = tokens(2), made = infer(s.load(y), x);
  REQUIRE(made.shape() == Shape{2, 3, 4});
  for (std::int64_t w = 0; w < 6; ++w) {
    double p[4];
    for (int r = 0; r < 2; ++r) {
      const double a = std::exp(static_cast<double>(x[w * 4 + 2 * r])),
                   b = std::exp(static_cast<double>(x[w * 4 + 2 * r + 1]));
      p[2 * r] = 0.5 * a / (a + b);
      p[2 * r + 1] = 0.5 * b / (a + b);
    }
    for (int r = 0; r < 2; ++r) {
      for (int c = 0; c < 2; ++c)
        CHECK(made[w * 4 + 2 * r + c] == Approx(p[2 * r] * p[c] + p[2 * r + 1] * p[2 + c]).epsilon(1e-5));
    }
  }
}

TEST_CASE("one position is taken where the batch is moved; and all in their order") {
  OnnxSource s({3, 4}, 5);
  std::string y = transposed(s, "x", {1, 0, 2});                              // [3,5,4]
  y = s.node("Unsqueeze", {y, s.constant<std::int64_t>("front", {1}, {0})});  // [1,3,5,4]
  y = transposed(s, y, {1, 0, 2, 3});                                         // [3,1,5,4]
  y = s.node("Squeeze", {y, s.constant<std::int64_t>("one", {1}, {1})});      // [3,5,4]
  y = s.node("Gather", {y, s.constant<std::int64_t>("last", {}, {-1})},
             {attribute("axis", 0)});  // [5,4], as usual again
  const Model model = s.load(y);
  const Tensor<float> x = tokens(2), made = infer(model, x);
  REQUIRE(made.shape() == Shape{2, 4});
  for (std::int64_t n = 0; n < 2; ++n) {
    for (std::int64_t c = 0; c < 4; ++c) CHECK(made[n * 4 + c] == x[(n * 3 + 2) * 4 + c]);
  }
  OnnxSource all({3, 4}, 2);
  Ints counted(24);
  for (std::size_t i = 0; i < counted.size(); ++i) counted[i] = static_cast<std::int64_t>(i);
  y = reshape_to(all, "x", {-1});
  y = all.node("Gather", {y, all.constant<std::int64_t>("counted", {2, 12}, counted)}, {attribute("axis", 0)});
  CHECK(infer(all.load(y), x).shape() == Shape{2, 12});
  std::swap(counted[0], counted[1]);
  OnnxSource mixed({3, 4}, 2);
  y = reshape_to(mixed, "x", {-1});
  y = mixed.node("Gather", {y, mixed.constant<std::int64_t>("counted", {2, 12}, counted)}, {attribute("axis", 0)});
  CHECK_THAT(mixed.refusal(y), ContainsSubstring("only one position is taken, of a dimension without samples"));
}

TEST_CASE("an output whose samples stand behind other numbers has them in front, and that is said") {
  const CaughtWarnings caught;
  OnnxSource s({3, 4}, 5);
  const Model model = s.load(s.node("Relu", {transposed(s, "x", {1, 0, 2})}));
  const Tensor<float> x = tokens(2), made = infer(model, x);
  REQUIRE(made.shape() == Shape{2, 3, 4});
  for (std::int64_t i = 0; i < x.size(); ++i) CHECK(made[i] == std::max(x[i], 0.0f));
  REQUIRE(caught.all().size() == 1);
  CHECK_THAT(caught.all()[0], ContainsSubstring("has its samples in dimension 1; here they are in front"));
}

TEST_CASE("what would mix samples is refused") {
  const auto refused = [](const std::function<std::string(OnnxSource&)>& build) {
    OnnxSource s({3, 4}, 5);
    const std::string y = build(s);
    return s.refusal(y);
  };
  CHECK_THAT(refused([](OnnxSource& s) {
               return reshape_to(s, transposed(s, "x", {1, 0, 2}), {15, 4});
             }),
             ContainsSubstring("its samples are joined with other numbers in one dimension"));
  CHECK_THAT(refused([](OnnxSource& s) {
               return s.node("Relu", {s.node("Softmax", {transposed(s, "x", {1, 2, 0})}, {attribute("axis", -1)})});
             }),
             ContainsSubstring("computes along the dimension of the samples"));
  CHECK_THAT(refused([](OnnxSource& s) {
               return s.node("Relu", {s.node("Softmax", {transposed(s, "x", {1, 0, 2})}, {attribute("axis", 0)})});
             }),
             ContainsSubstring("attribute axis is 0; only the last dimension is understood here"));
  CHECK_THAT(refused([](OnnxSource& s) {
               return s.node("ReduceMean", {transposed(s, "x", {1, 0, 2})}, {attribute("axes", Ints{1})});
             }),
             ContainsSubstring("where a ReduceMean wants them"));
  CHECK_THAT(refused([](OnnxSource& s) {
               return s.node("Add", {"x", transposed(s, "x", {1, 0, 2})});
             }),
             ContainsSubstring("the samples of its inputs lie in different dimensions"));
  CHECK_THAT(refused([](OnnxSource& s) {
               return s.node("Mul", {transposed(s, "x", {1, 0, 2}), s.ramp("rows", {5, 1})});
             }),
             ContainsSubstring("the constant 'rows' reaches over the dimension of the samples"));
  CHECK_THAT(refused([](OnnxSource& s) {
               return reshape_to(s, transposed(s, "x", {1, 0, 2}), {15, 2, 3});
             }),
             ContainsSubstring("shape does not keep the 60 elements of 5 samples together"));
  CHECK_THAT(refused([](OnnxSource& s) {
               return reshape_to(s, transposed(s, "x", {1, 0, 2}), {6, 10});
             }),
             ContainsSubstring("shape"));
  CHECK_THAT(refused([](OnnxSource& s) {
               return transposed(s, transposed(s, "x", {1, 0, 2}), {1, 1, 0});
             }),
             ContainsSubstring("attribute perm does not name each of 3 dimensions once"));
}

TEST_CASE("a constant token in front of others is part of every sample") {
  OnnxSource s({3, 4}, 2);
  const std::string token = s.constant<float>("token", {2, 1, 4}, {1, 2, 3, 4, 1, 2, 3, 4});
  const std::string behind = s.constant<float>("behind", {1, 2, 4}, {5, 6, 7, 8, 9, 10, 11, 12});
  const Model model = s.load(s.node("Concat", {token, "x", behind}, {attribute("axis", 1)}));
  const Tensor<float> x = tokens(3), y = infer(model, x);
  REQUIRE(y.shape() == Shape{3, 6, 4});
  for (std::int64_t n = 0; n < 3; ++n) {
    for (std::int64_t i = 0; i < 24; ++i) {
      const float wanted = i < 4 ? static_cast<float>(i + 1) : i < 16 ? x[n * 12 + i - 4] : static_cast<float>(i - 11);
      CHECK(y[n * 24 + i] == wanted);
    }
  }
  OnnxSource differ({3, 4}, 2);
  const std::string two = differ.constant<float>("token", {2, 1, 4}, {1, 2, 3, 4, 1, 2, 3, 5});
  CHECK_THAT(differ.refusal(differ.node("Concat", {two, "x"}, {attribute("axis", 1)})),
             ContainsSubstring("a constant that differs between samples"));
  OnnxSource other({3, 4}, 2);
  CHECK_THAT(other.refusal(other.node("Concat", {other.ramp("wide", {1, 1, 5}), "x"}, {attribute("axis", 1)})),
             ContainsSubstring("has 5 elements where the value has 4"));
}

TEST_CASE("a shape is asked where the batch is moved, and what is computed of it is what is left over") {
  for (const std::int64_t batch : {-1, 5, 1}) {
    CAPTURE(batch);
    OnnxSource s({3, 4}, batch);
    const std::string front = transposed(s, "x", {1, 0, 2});  // [3,N,4]
    const std::string shape = s.node("Shape", {front});
    const auto number = [&](std::int64_t at) {
      return s.node("Gather", {shape, s.constant<std::int64_t>("at" + std::to_string(at), {1}, {at})});
    };
    const std::string three = number(0), n = number(1), four = number(2);
    const std::string rows = s.node("Mul", {three, n});
    std::string y = s.node("Reshape", {front, s.node("Concat", {rows, four}, {attribute("axis", 0)})});  // [3*N,4]
    y = s.node("MatMul", {y, s.constant<float>("w", {4, 1}, {1, 2, 3, 4})});
    y = s.node("Reshape", {y, s.node("Concat", {three, n, s.constant<std::int64_t>("rest", {1}, {-1})}, {attribute("axis", 0)})});
    const Tensor<float> x = tokens(2), made = infer(s.load(transposed(s, y, {1, 0, 2})), x);
    REQUIRE(made.shape() == Shape{2, 3, 1});
    for (std::int64_t i = 0; i < 6; ++i) {
      CHECK(made[i] == Approx(x[4 * i] + 2 * x[4 * i + 1] + 3 * x[4 * i + 2] + 4 * x[4 * i + 3]).margin(1e-5));
    }
  }
}

TEST_CASE("parts are taken where the batch is moved: by Slice and by Split") {
  // Queries, keys and values of attention, as [3,batch,...].
  for (const bool split : {false, true}) {
    CAPTURE(split);
    OnnxSource s({3, 4}, 5);
    std::string y = transposed(s, "x", {1, 0, 2});  // [3,5,4]
    if (split) {
      y = s.node("Split", {y, s.constant<std::int64_t>("sizes", {2}, {1, 2})}, {attribute("axis", 0)});
      s.model.nodes.back().outputs = {"first", "others"};
    } else {
      s.constant<std::int64_t>("two", {1}, {2});
      s.constant<std::int64_t>("axis", {1}, {0});
      s.model.nodes.push_back({"a", "Slice", {}, {y, s.constant<std::int64_t>("zero", {1}, {-3}), s.constant<std::int64_t>("one", {1}, {1}), "axis"}, {"first"}, {}});
      s.model.nodes.push_back({"b", "Slice", {}, {y, "one", s.constant<std::int64_t>("end", {1}, {1 << 30}), "axis"}, {"others"}, {}});
    }
    const std::string a = s.node("Squeeze", {"first", s.constant<std::int64_t>("front", {1}, {0})});  // [5,4]
    const std::string b = transposed(s, "others", {1, 0, 2});                                         // [5,2,4]
    const std::string wide = s.node("Unsqueeze", {a, s.constant<std::int64_t>("middle", {1}, {1})});
    const Tensor<float> x = tokens(2), made = infer(s.load(s.node("Concat", {b, wide}, {attribute("axis", 1)})), x);
    REQUIRE(made.shape() == Shape{2, 3, 4});
    for (std::int64_t n = 0; n < 2; ++n) {
      for (std::int64_t i = 0; i < 12; ++i) CHECK(made[n * 12 + i] == x[n * 12 + (i + 4) % 12]);
    }
  }
  OnnxSource s({3, 4}, 5);
  const std::string y = transposed(s, "x", {1, 0, 2});
  CHECK_THAT(s.refusal(s.node("Slice", {y, s.constant<std::int64_t>("from", {1}, {1}), s.constant<std::int64_t>("to", {1}, {3}), s.constant<std::int64_t>("axis", {1}, {1})})),
             ContainsSubstring("a part is taken of a dimension that has samples in it"));
}

}  // namespace onnx_batch_views_test
