// stet's fake quantization as a library of two C functions, for train.py, which calls them inside torch.distributed.

#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/fake_quantize.hpp>
#include <stet/quant/range.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>

namespace {

using namespace stet;

// Symmetric weights of eight bits, one scale, made of the weights at hand: they are the same in every process, and so is it.
QParams params_of(std::span<const float> x) {
  const Range range = min_max(x);
  const float largest = std::fmax(std::fabs(range.lo), std::fabs(range.hi));
  return QParams::per_tensor(largest > 0 ? largest / 127.0f : 1.0f, 0, Grid::int8_narrow());
}

// No exception may leave a C function.
template <class F>
int guarded(F f) {
  try {
    f();
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "stet: %s\n", e.what());
    return 1;
  }
}

}  // namespace

extern "C" int stet_fake_quantize(const float* x, std::int64_t count, float* y) {
  const auto n = static_cast<std::size_t>(count);
  return guarded([&] { fake_quantize(std::span(x, n), params_of({x, n}), std::span(y, n)); });
}
extern "C" int stet_fake_quantize_backward(const float* x, const float* dy, std::int64_t count, float* dx) {
  const auto n = static_cast<std::size_t>(count);
  return guarded([&] { fake_quantize_backward(std::span(x, n), std::span(dy, n), params_of({x, n}), std::span(dx, n)); });
}
