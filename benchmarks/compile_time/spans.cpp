// The lowest door: kernels on memory that belongs to somebody else.
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/fake_quantize.hpp>

#include <vector>

int main() {
  const std::vector<float> x(64, 1.5f);
  std::vector<float> y(x.size()), dx(x.size());
  const stet::QParams p = stet::choose_qparams(stet::Range{-1.0f, 2.0f}, stet::Grid::int8());
  stet::fake_quantize(x, p, y);
  stet::fake_quantize_backward(x, y, p, dx);
  return dx[0] > 2.0f;
}
