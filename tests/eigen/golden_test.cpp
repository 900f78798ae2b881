// PyTorch's fake quantization, codes and parameters, through matrices of both storage orders.
#include <stet/eigen.hpp>

#include "eigen/check_matrix.hpp"
#include "support/golden.hpp"

namespace golden_test {

using namespace Eigen;
using stet::Granularity;
using stet::Grid;
using stet::QParams;
using stet_test::row_by_row;

namespace {

using Columns = MatrixXf;
using Rows = Matrix<float, Dynamic, Dynamic, RowMajor>;

Grid grid_of(const GoldenCase& c) { return {c.params.at("quant_min").get<int>(), c.params.at("quant_max").get<int>()}; }

// Whether the channels of a case are the rows or the columns of a matrix: the first or the last of its dimensions.
bool is_matrix(const GoldenCase& c) {
  return !c.params.contains("axis") || c.params.at("axis") == 0 ||
         c.params.at("axis").get<std::size_t>() + 1 == c.inputs("x").shape.size();
}

QParams params_of(const GoldenCase& c) {
  if (!c.params.contains("axis")) {
    return QParams::per_tensor(c.params.at("scale").get<float>(), c.params.at("zero_point").get<int>(), grid_of(c));
  }
  return {grid_of(c), c.params.at("axis") == 0 ? Granularity::per_row() : Granularity::per_column(),
          c.inputs("scale").as<float>(), c.inputs("zero_point").as<std::int32_t>()};
}

// The dimensions of an array of the case as rows and columns.
template <class M>
M matrix_of(const GoldenCase& c, const char* name) {
  const GoldenArray a = c.inputs(name);
  const auto values = a.as<float>();
  const Index size = static_cast<Index>(values.size());
  const Index columns = a.shape.size() < 2                                      ? (size % 5 == 0 ? 5 : 1)
                        : c.params.contains("axis") && c.params.at("axis") == 0 ? size / a.shape[0]
                                                                                : a.shape.back();
  return Map<const Rows>(values.data(), size / columns, columns);
}

template <class M>
int check_fake_quantize(const char* set) {
  int checked = 0;
  for (const auto& c : load_golden(set)) {
    if (c.name.starts_with("real_zero_point") || !is_matrix(c)) continue;
    INFO(c.name);
    const M x = matrix_of<M>(c, "x"), dy = matrix_of<M>(c, "dy");
    const QParams p = params_of(c);
    check_golden(c, "y", row_by_row(stet::fake_quantize(x, p)));
    check_golden(c, "y", row_by_row(stet::dequantize(stet::quantize<std::int32_t>(x, p))));
    check_golden(c, "dx", row_by_row(stet::fake_quantize_backward(x, dy, p)));
    if (c.has_expected("mask"))
      check_golden(c, "mask", row_by_row(stet::fake_quantize_backward(x, M::Ones(x.rows(), x.cols()), p)));
    ++checked;
  }
  return checked;
}

template <class M>
int check_codes() {
  int checked = 0;
  for (const auto& c : load_golden("quantize")) {
    if (!is_matrix(c)) continue;
    INFO(c.name);
    const M x = matrix_of<M>(c, "x");
    const QParams p = params_of(c);
    ++checked;
    if (c.has_expected("q_fake_quantize")) {
      check_golden(c, "q_fake_quantize", row_by_row(stet::quantize<std::int32_t>(x, p).codes));
      check_golden(c, "q_per_channel",
                   row_by_row(stet::quantize<std::int32_t>(x, p, stet::CodeRounding::shift_then_round).codes));
      continue;
    }
    const bool fused = !c.params.contains("axis") && c.params.at("quant_max").get<std::int64_t>() <= 255;
    const auto q = stet::quantize<std::int32_t>(
        x, p, fused ? stet::CodeRounding::fused_shift_then_round : stet::CodeRounding::shift_then_round);
    check_golden(c, "q", row_by_row(q.codes));
    if (c.has_expected("dequantized")) check_golden(c, "dequantized", row_by_row(stet::dequantize(q)));
  }
  return checked;
}

}  // namespace

TEMPLATE_TEST_CASE("fake quantization of matrices equals PyTorch's, value and gradient", "[eigen]", Columns, Rows) {
  CHECK(check_fake_quantize<TestType>("fake_quant_per_tensor") == 49);
  CHECK(check_fake_quantize<TestType>("fake_quant_per_channel") > 10);
}

TEMPLATE_TEST_CASE("codes of matrices equal PyTorch's", "[eigen]", Columns, Rows) {
  CHECK(check_codes<TestType>() > 15);
}

TEMPLATE_TEST_CASE("ranges and parameters of matrices equal those of PyTorch's observers", "[eigen]", Columns, Rows) {
  int checked = 0;
  for (const auto& c : load_golden("qparams")) {
    if (!(c.params.at("kind") == "table") || c.params.at("symmetric").get<bool>()) continue;
    INFO(c.name);
    // Every range of the table as a row of its two ends.
    const auto lo = c.inputs("min").as<float>(), hi = c.inputs("max").as<float>();
    TestType ends(static_cast<Index>(lo.size()), 2);
    ends << Map<const VectorXf>(lo.data(), ends.rows()), Map<const VectorXf>(hi.data(), ends.rows());
    const QParams p = stet::choose_qparams(
        ends, grid_of(c), {.eps = c.params.at("eps").get<float>(), .granularity = Granularity::per_row()});
    check_golden(c, "scale", p.scale);
    check_golden(c, "zero_point", p.zero_point);
    const QParams of_columns =
        stet::choose_qparams(ends.transpose(), grid_of(c),
                             {.eps = c.params.at("eps").get<float>(), .granularity = Granularity::per_column()});
    CHECK(of_columns.scale == p.scale);
    ++checked;
  }
  CHECK(checked > 5);
}

}  // namespace golden_test
