// A second unit that sees declarations: what is no entry point stands in both.
#include <cmath>
#include <stet/stet.hpp>

double other_unit() {
  const std::vector<float> x = {-1.0f, -0.3f, 0.0f, 0.7f, 2.0f};
  std::vector<float> y(x.size());
  stet::fake_quantize(x, stet::choose_qparams(stet::min_max(x), stet::Grid::int8()), y);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(y[i] - x[i])));
  return worst;
}
