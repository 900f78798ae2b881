// A second unit with the same headers: functions that are not inline would be defined twice.
#include <cmath>
#include <stet/eigen.hpp>  // Eigen comes with stet::stet
#include <stet/stet.hpp>

double other_unit() {
  const std::vector<float> x = {-1.0f, -0.3f, 0.0f, 0.7f, 2.0f};
  std::vector<float> y(x.size());
  stet::fake_quantize(x, stet::choose_qparams(stet::min_max(x), stet::Grid::int8()), y);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(y[i] - x[i])));
  const Eigen::Map<const Eigen::VectorXf> same(x.data(), 5);
  if (stet::fake_quantize(same, stet::choose_qparams(same, stet::Grid::int8()))[4] != y[4]) return 1;
  return worst;
}
