// Speed of the integer kernels: products per second of convolutions, nanoseconds per element of the rest.
// Run on one thread: OMP_NUM_THREADS=1 bench_integer_kernels

#include <stet/core/random.hpp>
#include <stet/integer/depthwise.hpp>
#include <stet/integer/elementwise.hpp>
#include <stet/integer/pooling.hpp>
#include <stet/integer/requantize.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

namespace {

using namespace stet;

Tensor<std::int8_t> codes(const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  Tensor<std::int8_t> t(shape);
  for (auto& q : t.edit()) q = static_cast<std::int8_t>(static_cast<int>(rng.below(255)) - 127);
  return t;
}

constexpr std::int64_t batch = 128;

void report(benchmark::State& state, double products, double elements) {
  const double iterations = static_cast<double>(state.iterations());
  if (products > 0) {
    state.counters["GMAC/s"] = benchmark::Counter(products * iterations * 1e-9, benchmark::Counter::kIsRate);
  }
  state.counters["ns/element"] =
      benchmark::Counter(elements * iterations * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// Arguments: height and width, inputs, outputs, kernel, stride; with requantization to codes if the last is 1.
void convolution(benchmark::State& state) {
  const std::int64_t size = state.range(0), inputs = state.range(1), outputs = state.range(2), kernel = state.range(3);
  const auto x = codes({batch, size, size, inputs}, 1);
  const integer::ConvolutionWeights w(codes({outputs, kernel, kernel, inputs}, 2));
  const Window window = make_window("benchmark", size, size, static_cast<int>(kernel), static_cast<int>(state.range(4)),
                                    1, Padding::same());
  const std::vector<float> s_w(static_cast<std::size_t>(outputs), 0.001f);
  const std::vector<std::int32_t> bias(static_cast<std::size_t>(outputs), 17);
  const auto r = integer::make_requantizer(integer::Requantization::float_half_even, 0.02f, s_w, 0.05f, -128, bias,
                                           -128, 127, true);
  const std::int64_t pixels = batch * window.h.out * window.w.out;
  Tensor<std::int8_t> y(Shape{pixels, outputs});
  std::vector<std::uint32_t> pass(static_cast<std::size_t>(bit_words(pixels * outputs)));
  std::int8_t* out = y.edit().data();
  for (auto _ : state) {
    integer::convolve(x, -128, w, window,
                      [&](std::int64_t first, std::int64_t rows, const std::int32_t* acc, std::int64_t stride) {
                        if (state.range(5) == 1) {
                          integer::requantize_rows(acc, stride, rows, outputs, r, out + first * outputs,
                                                   pass.data() + first * outputs / 32);
                        } else {
                          benchmark::DoNotOptimize(acc[0]);
                        }
                      });
    benchmark::ClobberMemory();
  }
  const auto elements = static_cast<double>(pixels * outputs);
  report(state, elements * static_cast<double>(kernel * kernel * inputs), elements);
}
BENCHMARK(convolution)
    ->ArgNames({"size", "in", "out", "k", "stride", "codes"})
    ->Args({7, 64, 64, 3, 1, 0})
    ->Args({14, 64, 64, 3, 1, 0})
    ->Args({7, 32, 64, 3, 1, 0})
    ->Args({14, 16, 32, 3, 1, 0})
    ->Args({28, 1, 16, 3, 1, 0})
    ->Args({14, 64, 64, 1, 1, 0})
    ->Args({14, 32, 64, 1, 2, 0})
    ->Args({7, 64, 64, 3, 1, 1})
    ->Args({14, 64, 64, 3, 1, 1})
    ->Args({7, 32, 64, 3, 1, 1})
    ->Args({14, 16, 32, 3, 1, 1})
    ->Args({28, 1, 16, 3, 1, 1})
    ->Unit(benchmark::kMicrosecond);

void depthwise(benchmark::State& state) {
  const std::int64_t size = state.range(0), channels = state.range(1);
  const auto x = codes({batch, size, size, channels}, 1);
  const integer::DepthwiseWeights w(codes({1, 3, 3, channels}, 2), channels);
  const Window window = make_window("benchmark", size, size, 3, static_cast<int>(state.range(2)), 1, Padding::same());
  for (auto _ : state) {
    integer::depthwise(x, -128, w, window, [&](std::int64_t, std::int64_t, const std::int32_t* acc, std::int64_t) {
      benchmark::DoNotOptimize(acc[0]);
    });
  }
  const auto elements = static_cast<double>(batch * window.h.out * window.w.out * channels);
  report(state, elements * 9, elements);
}
BENCHMARK(depthwise)
    ->ArgNames({"size", "channels", "stride"})
    ->Args({14, 64, 1})
    ->Args({14, 16, 1})
    ->Args({14, 32, 2})
    ->Args({14, 64, 2})
    ->Unit(benchmark::kMicrosecond);

void linear(benchmark::State& state) {
  const std::int64_t inputs = state.range(0), outputs = state.range(1);
  const auto x = codes({batch, inputs}, 1);
  const integer::ConvolutionWeights w(codes({outputs, inputs}, 2));
  for (auto _ : state) {
    integer::linear(x, -128, w, [&](std::int64_t, std::int64_t, const std::int32_t* acc, std::int64_t) {
      benchmark::DoNotOptimize(acc[0]);
    });
  }
  report(state, static_cast<double>(batch * inputs * outputs), static_cast<double>(batch * outputs));
}
BENCHMARK(linear)->Args({3136, 10})->Args({128, 128})->Unit(benchmark::kMicrosecond);

// Arguments: rule, channels, pass bits wanted.
void requantize(benchmark::State& state) {
  const std::int64_t channels = state.range(1), rows = 8192 / channels;
  const std::vector<float> s_w(static_cast<std::size_t>(channels), 0.001f);
  const std::vector<std::int32_t> bias(static_cast<std::size_t>(channels), 17);
  const auto r = integer::make_requantizer(static_cast<integer::Requantization>(state.range(0)), 0.02f, s_w, 0.05f,
                                           -128, bias, -128, 127, true);
  Rng rng(1);
  std::vector<std::int32_t> acc(static_cast<std::size_t>(rows * channels));
  for (auto& a : acc) a = static_cast<std::int32_t>(rng.below(2000000)) - 1000000;
  std::vector<std::int8_t> out(acc.size());
  std::vector<std::uint32_t> pass(acc.size() / 32 + 1);
  for (auto _ : state) {
    if (state.range(2) == 1) {
      integer::requantize_rows(acc.data(), channels, rows, channels, r, out.data(), pass.data());
    } else {
      integer::requantize_rows(acc.data(), channels, rows, channels, r, out.data());
    }
    benchmark::ClobberMemory();
  }
  report(state, 0, static_cast<double>(rows * channels));
}
BENCHMARK(requantize)->ArgNames({"rule", "channels", "pass"})->ArgsProduct({{0, 1, 2}, {16, 64}, {0, 1}});

// Argument: 1 for XNNPACK's rule.
void add(benchmark::State& state) {
  const auto a = codes({batch, 14, 14, 32}, 1);
  const auto b = codes({batch, 14, 14, 32}, 2);
  const auto p = integer::make_add(state.range(0) == 1 ? targets::litert_default : targets::tflite_reference,
                                   {0.05f, -3}, {0.07f, 9}, {0.08f, -128}, integer::Activation::relu);
  std::vector<std::int8_t> out(static_cast<std::size_t>(a.size()));
  std::vector<std::uint32_t> pass(out.size() / 32);
  for (auto _ : state) {
    integer::add(a, b, p, out, pass.data());
    benchmark::ClobberMemory();
  }
  report(state, 0, static_cast<double>(a.size()));
}
BENCHMARK(add)->ArgName("xnnpack")->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

void max_pool(benchmark::State& state) {
  const auto x = codes({batch, 28, 28, 16}, 1);
  const Window w = make_window("benchmark", 28, 28, 2, 2, 1, Padding::valid());
  std::vector<std::int8_t> out(static_cast<std::size_t>(x.size() / 4));
  std::vector<std::uint8_t> where(out.size());
  for (auto _ : state) {
    integer::max_pool(x, w, {}, out, where);
    benchmark::ClobberMemory();
  }
  report(state, 0, static_cast<double>(out.size()));
}
BENCHMARK(max_pool)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
