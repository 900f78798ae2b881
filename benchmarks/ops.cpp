// Times of the float operators, forward and backward, on shapes of the three example networks, and of matrix products
// against Eigen's. Median of repeated runs; the arguments are the number of threads (default 1) and of repetitions.
//
//   cmake --build --preset release --target bench_ops && build/release/benchmarks/bench_ops 1
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 warns in its own AVX-512 header, which Eigen uses
#endif

#include <stet/core/gemm.hpp>
#include <stet/core/random.hpp>
#include <stet/ops/activation.hpp>
#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise.hpp>
#include <stet/ops/elementwise.hpp>
#include <stet/ops/linear.hpp>
#include <stet/ops/loss.hpp>
#include <stet/ops/normalization.hpp>
#include <stet/ops/pooling.hpp>
#include <stet/ops/shape.hpp>

#include <fmt/core.h>
#include <Eigen/Core>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

using namespace stet;

namespace {

int repetitions = 30;

template <class F>
double median_ms(F&& f) {
  std::vector<double> times;
  f();
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    f();
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + repetitions / 2, times.end());
  return times[static_cast<std::size_t>(repetitions / 2)];
}

Tensor<float> random(const Shape& shape, float scale = 1) {
  Rng rng(static_cast<std::uint64_t>(shape.elements()) + 1);
  Tensor<float> t(shape);
  for (float& v : t.edit()) v = scale * static_cast<float>(rng.normal());
  return t;
}

// Forward alone, and forward and backward to all inputs.
template <class F, class... Inputs>
void report(const char* name, F f, const Inputs&... inputs) {
  const double forward = median_ms([&] {
    Tape tape;
    f(tape.constant(inputs)...);
  });
  const double both = median_ms([&] {
    Tape tape;
    const auto y = f(tape.variable(inputs)...);
    tape.backward(y, y.value());
  });
  fmt::print("{:<44} {:8.3f} {:8.3f}\n", name, forward, both - forward);
}

void operators() {
  fmt::print("{:<44} {:>8} {:>8}  ms, batch 128\n", "operator", "forward", "backward");
  const auto conv = [](auto x, auto w) { return conv2d(x, w); };
  const auto conv_strided = [](auto x, auto w) { return conv2d(x, w, {.stride = 2}); };
  const auto depthwise = [](auto x, auto w) { return depthwise_conv2d(x, w); };
  const auto depthwise_strided = [](auto x, auto w) { return depthwise_conv2d(x, w, {.stride = 2}); };
  const auto normalize = [](auto x, auto gamma, auto beta) {
    Tensor<float> mean = Tensor<float>::zeros(gamma.shape()), variance = Tensor<float>::filled(gamma.shape(), 1);
    return batch_norm_relu(x, gamma, beta, mean, variance);
  };
  report("conv2d 3x3, 28x28, 1 to 16", conv, random({128, 28, 28, 1}), random({16, 3, 3, 1}));
  report("conv2d 3x3, 14x14, 16 to 32", conv, random({128, 14, 14, 16}), random({32, 3, 3, 16}));
  report("conv2d 3x3, 7x7, 32 to 64", conv, random({128, 7, 7, 32}), random({64, 3, 3, 32}));
  report("conv2d 3x3, 14x14, 64 to 64", conv, random({128, 14, 14, 64}), random({64, 3, 3, 64}));
  report("conv2d 3x3 stride 2, 28x28, 16 to 32", conv_strided, random({128, 28, 28, 16}), random({32, 3, 3, 16}));
  report("conv2d 1x1, 28x28, 16 to 32", conv, random({128, 28, 28, 16}), random({32, 1, 1, 16}));
  report("conv2d 1x1, 7x7, 128 to 128", conv, random({128, 7, 7, 128}), random({128, 1, 1, 128}));
  report("depthwise 3x3, 28x28, 16", depthwise, random({128, 28, 28, 16}), random({1, 3, 3, 16}));
  report("depthwise 3x3 stride 2, 28x28, 32", depthwise_strided, random({128, 28, 28, 32}), random({1, 3, 3, 32}));
  report("depthwise 3x3, 14x14, 64", depthwise, random({128, 14, 14, 64}), random({1, 3, 3, 64}));
  report(
      "linear 3136 to 10", [](auto x, auto w) { return linear(x, w); }, random({128, 3136}), random({10, 3136}));
  report("batch_norm_relu, 28x28, 16", normalize, random({128, 28, 28, 16}), random({16}), random({16}));
  report(
      "max_pool 2, 28x28, 16", [](auto x) { return max_pool(x); }, random({128, 28, 28, 16}));
  report(
      "avg_pool 2, 28x28, 16", [](auto x) { return avg_pool(x); }, random({128, 28, 28, 16}));
  report(
      "add, 28x28, 16", [](auto a, auto b) { return add(a, b); }, random({128, 28, 28, 16}), random({128, 28, 28, 16}));
  report(
      "relu, 28x28, 16", [](auto x) { return relu(x); }, random({128, 28, 28, 16}));
  report(
      "tanh, 28x28, 16", [](auto x) { return tanh(x); }, random({128, 28, 28, 16}));
}

void products() {
  fmt::print("\n{:<44} {:>8} {:>8}  GFLOP/s, one thread\n", "product (float)", "stet", "Eigen");
  struct Sizes {
    Layout a, b;
    std::int64_t rows, columns, depth;
  };
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::setNbThreads(1);
  for (const Sizes& s :
       {Sizes{Layout::plain, Layout::transposed, 224, 32, 144}, Sizes{Layout::plain, Layout::transposed, 128, 64, 288},
        Sizes{Layout::transposed, Layout::plain, 32, 144, 224}, Sizes{Layout::transposed, Layout::plain, 64, 288, 128},
        Sizes{Layout::plain, Layout::plain, 224, 144, 32}, Sizes{Layout::plain, Layout::plain, 128, 288, 64},
        Sizes{Layout::plain, Layout::transposed, 128, 10, 3136}, Sizes{Layout::plain, Layout::plain, 512, 512, 512},
        Sizes{Layout::plain, Layout::plain, 1024, 1024, 1024}}) {
    const bool ta = s.a == Layout::transposed, tb = s.b == Layout::transposed;
    const Matrix a = Matrix::Random(ta ? s.depth : s.rows, ta ? s.rows : s.depth);
    const Matrix b = Matrix::Random(tb ? s.columns : s.depth, tb ? s.depth : s.columns);
    Matrix c(s.rows, s.columns);
    const double flops = 2e-6 * static_cast<double>(s.rows * s.columns * s.depth);
    const int calls = std::max(1, static_cast<int>(20 / flops));
    const double own = median_ms([&] {
      for (int i = 0; i < calls; ++i) {
        gemm(s.a, s.b, s.rows, s.columns, s.depth, a.data(), a.cols(), b.data(), b.cols(), c.data(), c.cols(), false);
      }
    });
    const double eigen = median_ms([&] {
      for (int i = 0; i < calls; ++i) {
        if (ta) {
          c.noalias() = a.transpose() * b;
        } else if (tb) {
          c.noalias() = a * b.transpose();
        } else {
          c.noalias() = a * b;
        }
      }
    });
    fmt::print("{:<44} {:8.1f} {:8.1f}\n",
               fmt::format("{}{} {} x {} x {}", ta ? 'T' : 'N', tb ? 'T' : 'N', s.rows, s.columns, s.depth),
               flops * calls / own, flops * calls / eigen);
  }
}

}  // namespace

int main(int argc, char** argv) {
  set_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  if (argc > 2) repetitions = std::max(1, std::atoi(argv[2]));
  fmt::print("threads {}, kernels for {}\n", threads(), to_string(isa()));
  operators();
  products();
}
