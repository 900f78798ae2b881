// Arithmetic on shapes and other constants in .onnx models, as exporters write it.
#include <stet/io/load_onnx.hpp>

#include "io/onnx_source.hpp"

#include <limits>

namespace onnx_shapes_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using onnx::attribute;
using Source = stet_test::OnnxSource;
using stet_test::Floats, stet_test::Ints, stet_test::Kinds;
using stet_test::kinds, stet_test::values;

namespace {

std::string number(Source& s, const std::string& name, std::int64_t n) { return s.constant(name, {1}, Ints{n}); }
// Dimension i of a value, as a list of one.
std::string dimension(Source& s, const std::string& of, std::int64_t i) {
  const auto index = s.constant(of + std::to_string(i) + std::to_string(s.model.nodes.size()), {1}, Ints{i});
  return s.node("Gather", {s.node("Shape", {of}), index}, {attribute("axis", std::int64_t{0})});
}

}  // namespace

TEST_CASE("a channel shuffle with an open batch is reshape, transpose, reshape", "[io][onnx]") {
  Source s({4, 3, 5});
  const auto n = dimension(s, "x", 0), c = dimension(s, "x", 1), h = dimension(s, "x", 2), w = dimension(s, "x", 3);
  const auto groups = number(s, "groups", 2), per = s.node("Div", {c, groups});
  const auto axis = [](std::int64_t a) { return attribute("axis", a); };
  auto y = s.node("Reshape", {"x", s.node("Concat", {n, groups, per, h, w}, {axis(0)})});
  y = s.node("Transpose", {y}, {attribute("perm", Ints{0, 2, 1, 3, 4})});
  y = s.node("Reshape", {y, s.node("Concat", {n, s.node("Mul", {groups, per}), h, w}, {axis(0)})});
  const Model m = s.load(s.node("MaxPool", {y}, {attribute("kernel_shape", Ints{1, 1})}));
  CHECK(m.graph().nodes().back().shape == Shape{3, 5, 4});
}

TEST_CASE("an image resized to the size of another one, with an open batch, as tracing exports it", "[io][onnx]") {
  Source s({4, 3, 5});
  const auto pooled = s.node("MaxPool", {"x"}, {attribute("kernel_shape", Ints{2, 2})});
  const auto sizes = s.node("Concat", {dimension(s, pooled, 0), dimension(s, pooled, 1), dimension(s, "x", 2), dimension(s, "x", 3)}, {attribute("axis", std::int64_t{0})});
  const auto resized = s.node("Resize", {pooled, "", "", sizes}, {attribute("mode", "linear")});
  CHECK(s.load(resized).graph().nodes().back().shape == Shape{3, 5, 4});
  const auto other = s.node("Concat", {number(s, "two", 2), dimension(s, pooled, 1), dimension(s, "x", 2), dimension(s, "x", 3)}, {attribute("axis", std::int64_t{0})});
  CHECK_THAT(s.refusal(s.node("Resize", {pooled, "", "", other}, {attribute("mode", "linear")})), ContainsSubstring("number of samples would change"));
}

TEST_CASE("functions of constants are computed while a file is loaded", "[io][onnx]") {
  // Each gives the length of the first of two dimensions.
  const auto length = [](auto&& make) {
    Source s({24});
    const auto rest = number(s, "rest", -1), zero = number(s, "zero", 0);
    const auto list = s.node("Concat", {zero, make(s), rest}, {attribute("axis", std::int64_t{0})});
    const Model m = s.load(s.node("Reshape", {"x", list}));
    return m.graph().node(m.graph().outputs()[0]).shape[0];
  };
  const auto n = [](Source& s, std::int64_t v) {
    return number(s, "n" + std::to_string(s.model.initializers.size()), v);
  };
  const auto to = [](std::int64_t type) { return attribute("to", type); };
  CHECK(length([&](Source& s) { return s.node("Add", {n(s, 5), n(s, 1)}); }) == 6);
  CHECK(length([&](Source& s) { return s.node("Sub", {n(s, 5), n(s, 1)}); }) == 4);
  CHECK(length([&](Source& s) { return s.node("Mod", {n(s, -5), n(s, 8)}); }) == 3);
  CHECK(length([&](Source& s) { return s.node("Pow", {n(s, 2), n(s, 3)}); }) == 8);
  CHECK(length([&](Source& s) { return s.node("Neg", {n(s, -3)}); }) == 3);
  CHECK(length([&](Source& s) {
          const auto half = s.constant("half", {}, Floats{0.52f});  // as Resize computes its sizes
          const auto product = s.node("Mul", {s.node("Cast", {dimension(s, "x", 1)}, {to(1)}), half});
          return s.node("Cast", {s.node("Floor", {product})}, {to(7)});
        }) == 12);
  CHECK(length([&](Source& s) {
          return s.node("Where", {s.node("Equal", {dimension(s, "x", 1), n(s, 24)}), n(s, 6), n(s, 4)});
        }) == 6);
  CHECK(length([&](Source& s) {
          return s.node("Where", {s.node("Equal", {dimension(s, "x", 0), n(s, -1)}), n(s, 6), n(s, 4)});
        }) == 4);
  CHECK(length([&](Source& s) {
          return s.node("Where", {s.node("Less", {n(s, 2), n(s, 3)}), n(s, 6), n(s, 4)});
        }) == 6);
  CHECK(length([&](Source& s) { return s.node("Expand", {s.constant("two", {}, Ints{2}), n(s, 1)}); }) == 2);
  // A list of whole numbers as long as there are samples is none that is known, and real numbers of five samples are not one's.
  CHECK_THROWS_AS(length([&](Source& s) { return s.node("Expand", {s.constant("two", {1}, Ints{2}), dimension(s, "x", 0)}); }), Error);
  CHECK_THROWS_AS(length([&](Source& s) {
                    return s.node("Cast", {s.node("Expand", {s.constant("five", {5}, Floats(5, 1.0f)), dimension(s, "x", 0)})}, {to(7)});
                  }),
                  Error);
  CHECK(length([&](Source& s) {
          const auto scalar = [&](std::int64_t v) { return s.constant("r" + std::to_string(v), {}, Ints{v}); };
          return s.node("Slice", {s.node("Range", {scalar(0), scalar(9), scalar(2)}), n(s, 2), n(s, 3)});
        }) == 4);
  CHECK(length([&](Source& s) { return s.node("ReduceProd", {s.constant("list", {2}, Ints{3, 4})}); }) == 12);
  CHECK(length([&](Source& s) {
          const auto list = s.constant("list", {2, 3}, Ints{1, 2, 3, 4, 6, 8});
          const auto column =
              s.node("Slice", {list, n(s, -1), n(s, std::numeric_limits<std::int64_t>::min()), n(s, 1), n(s, -1)});
          return s.node("Reshape",
                        {s.node("Gather", {s.node("Slice", {column, n(s, 1), n(s, 2), n(s, 1)}), n(s, 1)}), n(s, 1)});
        }) == 6);
  CHECK(length([&](Source& s) {
          const auto shape = s.node("Shape", {"x"}, {attribute("start", std::int64_t{-1})});
          return s.node("Div", {shape, n(s, 2)});
        }) == 12);
}

TEST_CASE("weights that a graph computes are weights", "[io][onnx]") {
  Source s({2});
  const auto w = s.constant("w", {2, 2}, Floats{1, 2, 3, 4}), scale = s.constant("scale", {2, 1}, Floats{2, 10});
  const auto y = s.node("Gemm", {"x", s.node("Mul", {w, s.node("Sqrt", {s.node("Mul", {scale, scale})})})},
                        {attribute("transB", std::int64_t{1})});
  CHECK(values(s.load(y), "Gemm3.weight") == Floats{2, 4, 30, 40});
}

TEST_CASE("what depends on the batch in another way than being it is refused where it is used", "[io][onnx]") {
  Source s({4});
  const auto twice = s.node("Mul", {dimension(s, "x", 0), number(s, "two", 2)});
  const auto list = s.node("Concat", {twice, number(s, "rest", 2)}, {attribute("axis", std::int64_t{0})});
  CHECK_THAT(s.refusal(s.node("Reshape", {"x", list})), ContainsSubstring("its samples are joined with other numbers"));
  const auto scalar = [&](const std::string& of) { return s.node("Squeeze", {of}); };
  const auto none = s.constant("none", {}, Ints{0}), one = s.constant("one", {}, Ints{1});
  CHECK_THAT(s.refusal(s.node("Add", {"x", s.node("Range", {none, scalar(dimension(s, "x", 0)), one})})),
             ContainsSubstring("only those that do not depend on the batch"));
  CHECK_THAT(s.refusal(s.node("Range", {"x", "x", "x"})), ContainsSubstring("Range is understood of constants alone"));
  CHECK_THAT(s.refusal(s.node("Relu", {s.node("Div", {number(s, "a", 1), number(s, "b", 0)})})),
             ContainsSubstring("divided by 0"));
}

TEST_CASE("an expand without effect is nothing", "[io][onnx]") {
  Source s({4});
  const auto same = s.node("Expand", {"x", s.node("Shape", {"x"})});
  CHECK(kinds(s.load(s.node("Relu", {s.node("Expand", {same, s.constant("ones", {2}, Ints{1, 1})})}))) ==
        Kinds{"input", "relu"});
  CHECK_THAT(s.refusal(s.node("Expand", {"x", s.constant("more", {2}, Ints{3, 4})})),
             ContainsSubstring("repeats dimension 0"));
}

}  // namespace onnx_shapes_test
