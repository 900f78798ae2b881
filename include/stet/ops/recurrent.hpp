#pragma once
// Recurrent layers over a sequence: LSTM and GRU, as plain functions on tensors and as operators on the tape.

#include <stet/autograd/tape.hpp>
#include <stet/core/gemm.hpp>
#include <stet/core/parallel.hpp>
#include <stet/ops/channel_sums.hpp>
#include <stet/ops/linear.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <tuple>
#include <utility>

namespace stet {

namespace detail {

// Sizes of a recurrent layer, and its steps in the order in which they are taken.
struct Sequence {
  std::int64_t samples, steps, inputs, units;
  bool reverse;
  [[nodiscard]] std::int64_t step(std::int64_t i) const { return reverse ? steps - 1 - i : i; }
};

// Errors:    Errc::shape if shapes do not fit
inline Sequence sequence_of(const char* name, std::int64_t gates, std::int64_t biases, const Shape& x, const Shape& w,
                            const Shape& bias, bool reverse) {
  require(x.rank() == 3 && x[1] > 0, Errc::shape, "{}: input must be [N,steps,in], got {}", name, x);
  const std::int64_t units = w.rank() == 2 ? w[0] / gates : 0;
  require(units > 0 && w[0] == gates * units && w[1] == x[2] + units, Errc::shape,
          "{}: weight must be [{}*units,in+units], got {} (input {})", name, gates, w, x);
  require(bias == Shape{biases * units}, Errc::shape, "{}: bias must be [{}], got {}", name, biases * units, bias);
  return {x[0], x[1], x[2], units, reverse};
}

template <class T>
T logistic(T v) {
  return T{1} / (T{1} + std::exp(-v));
}

// The state that every step begins with: [N,steps,units], zeros at the first.
template <class T>
Tensor<T> states_before(const Sequence& q, const Tensor<T>& y) {
  Tensor<T> before(y.shape());
  T* to = before.edit().data();
  parallel_chunks(q.samples, q.steps * q.units, [&](Chunk samples) {
    for (std::int64_t s = samples.first; s < samples.last; ++s) {
      for (std::int64_t i = 0; i < q.steps; ++i) {
        T* line = to + (s * q.steps + q.step(i)) * q.units;
        if (i == 0) {
          std::fill_n(line, q.units, T{0});
        } else {
          std::copy_n(y.data() + (s * q.steps + q.step(i - 1)) * q.units, q.units, line);
        }
      }
    }
  });
  return before;
}

// Gradient of weights [rows,in+units] from those of their two parts.
template <class T>
Tensor<T> beside(const Tensor<T>& of_input, const Tensor<T>& of_state) {
  const std::int64_t rows = of_input.shape()[0], inputs = of_input.shape()[1], units = of_state.shape()[1];
  Tensor<T> both(Shape{rows, inputs + units});
  T* to = both.edit().data();
  for (std::int64_t r = 0; r < rows; ++r) {
    std::copy_n(of_input.data() + r * inputs, inputs, to + r * (inputs + units));
    std::copy_n(of_state.data() + r * units, units, to + r * (inputs + units) + inputs);
  }
  return both;
}

// dx of sums over the input's columns of w.
template <class T>
Tensor<T> pull_input(const Sequence& q, const Tensor<T>& sums, const Tensor<T>& w) {
  const std::int64_t rows = q.samples * q.steps, columns = w.shape()[0];
  Tensor<T> result(Shape{q.samples, q.steps, q.inputs});
  T* dx = result.edit().data();
  const GemmRight<T> right(Layout::plain, columns, q.inputs, w.data(), q.inputs + q.units);
  parallel_chunks(rows, columns * q.inputs, [&](Chunk c) {
    right.product(c.size(), sums.data() + c.first * columns, columns, dx + c.first * q.inputs, q.inputs, nullptr);
  });
  return result;
}

}  // namespace detail

/// What an LSTM makes: states [N,steps,units], gates after their functions [N*steps,4*units] and cells [N,steps,units].
template <class T>
struct LstmValues {
  Tensor<T> y, gates, cells;
};

/// Runs an LSTM over a sequence, from states and cells of zero.
/// Formula:   (i, f, g, o) = w [x_t, h_{t-1}] + bias; c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g);
///            h_t = sigmoid(o) tanh(c_t); `reverse` begins at the last step
/// Shapes:    x [N,steps,in], w [4*units,in+units] with the rows of i, f, g, o in this order, bias [4*units]
/// Errors:    Errc::shape if they do not fit
/// Source:    Hochreiter 1997; gates as torch.nn.LSTM has them, whose two biases are one sum here
template <class T>
LstmValues<T> lstm_forward(const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>& bias, bool reverse) {
  const detail::Sequence q = detail::sequence_of("lstm", 4, 4, x.shape(), w.shape(), bias.shape(), reverse);
  const std::int64_t units = q.units, width = 4 * units;
  const Shape states{q.samples, q.steps, units};
  LstmValues<T> result{Tensor<T>(states), Tensor<T>(Shape{q.samples * q.steps, width}), Tensor<T>(states)};
  T *y = result.y.edit().data(), *gates = result.gates.edit().data(), *cells = result.cells.edit().data();
  const GemmRight<T> of_input(Layout::transposed, q.inputs, width, w.data(), q.inputs + units),
      of_state(Layout::transposed, units, width, w.data() + q.inputs, q.inputs + units);
  parallel_chunks(q.samples, q.steps * width * (q.inputs + units), [&](Chunk samples) {
    const std::int64_t first = samples.first * q.steps;
    of_input.product(samples.size() * q.steps, x.data() + first * q.inputs, q.inputs, gates + first * width, width,
                     bias.data());
    for (std::int64_t i = 0; i < q.steps; ++i) {
      const std::int64_t now = first + q.step(i), before = i > 0 ? first + q.step(i - 1) : -1;
      if (i > 0) {
        of_state.product(samples.size(), y + before * units, q.steps * units, gates + now * width, q.steps * width,
                         nullptr, true);
      }
      for (std::int64_t s = 0; s < samples.size(); ++s) {
        const std::int64_t at = now + s * q.steps;
        T* g = gates + at * width;
        for (std::int64_t u = 0; u < units; ++u) {
          const T in = detail::logistic(g[u]), forget = detail::logistic(g[units + u]), fresh = std::tanh(g[2 * units + u]),
                  out = detail::logistic(g[3 * units + u]);
          const T old = i > 0 ? cells[(before + s * q.steps) * units + u] : T{0};
          const T cell = forget * old + in * fresh;
          g[u] = in;
          g[units + u] = forget;
          g[2 * units + u] = fresh;
          g[3 * units + u] = out;
          cells[at * units + u] = cell;
          y[at * units + u] = out * std::tanh(cell);
        }
      }
    }
  });
  return result;
}

/// Gradients of a recurrent layer.
template <class T>
struct RecurrentGradients {
  Tensor<T> dx{}, dw{}, dbias{};
};

namespace detail {

// The states of `made` on the tape; backward(x, w, made, dy) gives the gradients.
template <class T, class Made, class Backward>
Var<Tensor<T>> record_recurrent(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const Var<Tensor<T>>& bias, Made made, Backward backward) {
  Tensor<T> y = made.y;
  return record(std::move(y), std::tie(x, w, bias),
                [x = x.value(), w = w.value(), made = std::move(made), backward](const Tensor<T>& dy, auto dx, auto dw, auto db) {
                  RecurrentGradients<T> g = backward(x, w, made, dy);
                  if (dx.wanted()) dx.add(std::move(g.dx));
                  if (dw.wanted()) dw.add(std::move(g.dw));
                  if (db.wanted()) db.add(std::move(g.dbias));
                });
}

}  // namespace detail

/// Formula:   back through all steps: dh_t = dy_t + what step t+1 makes of it, dc likewise; a gate's sum gets the gradient of
///            its function
template <class T>
RecurrentGradients<T> lstm_backward(const Tensor<T>& x, const Tensor<T>& w, const LstmValues<T>& made, const Tensor<T>& dy,
                                    bool reverse) {
  const detail::Sequence q = detail::sequence_of("lstm", 4, 4, x.shape(), w.shape(), Shape{w.shape()[0]}, reverse);
  const std::int64_t units = q.units, width = 4 * units;
  Tensor<T> sums(made.gates.shape());
  T* d = sums.edit().data();
  const GemmRight<T> of_state(Layout::plain, width, units, w.data() + q.inputs, q.inputs + units);
  parallel_chunks(q.samples, q.steps * width * units, [&](Chunk samples) {
    Tensor<T> carried = Tensor<T>::zeros({2, samples.size(), units});  // gradients of state and cell from the step behind
    T *dh = carried.edit().data(), *dc = dh + samples.size() * units;
    for (std::int64_t i = q.steps - 1; i >= 0; --i) {
      const std::int64_t now = samples.first * q.steps + q.step(i),
                         before = i > 0 ? samples.first * q.steps + q.step(i - 1) : -1;
      for (std::int64_t s = 0; s < samples.size(); ++s) {
        const std::int64_t at = now + s * q.steps;
        const T* g = made.gates.data() + at * width;
        T* to = d + at * width;
        for (std::int64_t u = 0; u < units; ++u) {
          const T in = g[u], forget = g[units + u], fresh = g[2 * units + u], out = g[3 * units + u];
          const T bent = std::tanh(made.cells[at * units + u]);
          const T old = i > 0 ? made.cells[(before + s * q.steps) * units + u] : T{0};
          const T state = dy[at * units + u] + dh[s * units + u];
          const T cell = dc[s * units + u] + state * out * (T{1} - bent * bent);
          to[u] = cell * fresh * in * (T{1} - in);
          to[units + u] = cell * old * forget * (T{1} - forget);
          to[2 * units + u] = cell * in * (T{1} - fresh * fresh);
          to[3 * units + u] = state * bent * out * (T{1} - out);
          dc[s * units + u] = cell * forget;
        }
      }
      if (i > 0) of_state.product(samples.size(), d + now * width, q.steps * width, dh, units, nullptr);
    }
  });
  const std::int64_t rows = q.samples * q.steps;
  const Tensor<T> lines = x.reshaped({rows, q.inputs}), states = detail::states_before(q, made.y).reshaped({rows, units});
  return {detail::pull_input(q, sums, w),
          detail::beside(linear_backward_weight(lines, sums), linear_backward_weight(states, sums)), channel_sums(sums)};
}

/// LSTM on the tape; see lstm_forward.
/// Gradient:  true, as lstm_backward
template <class T>
Var<Tensor<T>> lstm(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const Var<Tensor<T>>& bias, bool reverse = false) {
  return detail::record_recurrent(x, w, bias, lstm_forward(x.value(), w.value(), bias.value(), reverse),
                                  [reverse](const auto&... of) { return lstm_backward(of..., reverse); });
}

/// What a GRU makes: states [N,steps,units], gates after their functions [N*steps,3*units], and the state's part of the new
/// value before the reset gate [N*steps,units].
template <class T>
struct GruValues {
  Tensor<T> y, gates, parts;
};

/// Runs a GRU over a sequence, from states of zero.
/// Formula:   r = sigmoid(w_r [x_t, h_{t-1}] + b_r), z likewise; n = tanh(w_nx x_t + b_nx + r (w_nh h_{t-1} + b_nh));
///            h_t = (1 - z) n + z h_{t-1}; `reverse` begins at the last step
/// Shapes:    x [N,steps,in], w [3*units,in+units] with the rows of r, z, n in this order, bias [4*units]: r, z, nx, nh
/// Errors:    Errc::shape if they do not fit
/// Source:    Cho 2014, arXiv 1406.1078, with the reset gate behind the product, as torch.nn.GRU and Keras have it
template <class T>
GruValues<T> gru_forward(const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>& bias, bool reverse) {
  const detail::Sequence q = detail::sequence_of("gru", 3, 4, x.shape(), w.shape(), bias.shape(), reverse);
  const std::int64_t units = q.units, width = 3 * units, rows = q.samples * q.steps;
  GruValues<T> result{Tensor<T>(Shape{q.samples, q.steps, units}), Tensor<T>(Shape{rows, width}), Tensor<T>(Shape{rows, units})};
  T *y = result.y.edit().data(), *gates = result.gates.edit().data(), *parts = result.parts.edit().data();
  const std::int64_t stride = q.inputs + units;
  const GemmRight<T> of_input(Layout::transposed, q.inputs, width, w.data(), stride),
      gates_of_state(Layout::transposed, units, 2 * units, w.data() + q.inputs, stride),
      part_of_state(Layout::transposed, units, units, w.data() + 2 * units * stride + q.inputs, stride);
  const T* part_bias = bias.data() + width;
  parallel_chunks(q.samples, q.steps * width * stride, [&](Chunk samples) {
    const std::int64_t first = samples.first * q.steps;
    of_input.product(samples.size() * q.steps, x.data() + first * q.inputs, q.inputs, gates + first * width, width,
                     bias.data());
    for (std::int64_t i = 0; i < q.steps; ++i) {
      const std::int64_t now = first + q.step(i), before = i > 0 ? first + q.step(i - 1) : -1;
      if (i > 0) {
        const T* state = y + before * units;
        gates_of_state.product(samples.size(), state, q.steps * units, gates + now * width, q.steps * width, nullptr, true);
        part_of_state.product(samples.size(), state, q.steps * units, parts + now * units, q.steps * units, part_bias);
      }
      for (std::int64_t s = 0; s < samples.size(); ++s) {
        const std::int64_t at = now + s * q.steps;
        T* g = gates + at * width;
        for (std::int64_t u = 0; u < units; ++u) {
          T& part = parts[at * units + u];
          if (i == 0) part = part_bias[u];
          const T reset = detail::logistic(g[u]), keep = detail::logistic(g[units + u]),
                  fresh = std::tanh(g[2 * units + u] + reset * part);
          const T old = i > 0 ? y[(before + s * q.steps) * units + u] : T{0};
          g[u] = reset;
          g[units + u] = keep;
          g[2 * units + u] = fresh;
          y[at * units + u] = (T{1} - keep) * fresh + keep * old;
        }
      }
    }
  });
  return result;
}

/// Formula:   back through all steps: dh_t = dy_t + what step t+1 makes of it; a gate's sum gets the gradient of its function
template <class T>
RecurrentGradients<T> gru_backward(const Tensor<T>& x, const Tensor<T>& w, const GruValues<T>& made, const Tensor<T>& dy,
                                   bool reverse) {
  const detail::Sequence q = detail::sequence_of("gru", 3, 4, x.shape(), w.shape(), Shape{w.shape()[0] / 3 * 4}, reverse);
  const std::int64_t units = q.units, width = 3 * units;
  Tensor<T> sums(made.gates.shape()), of_state(made.gates.shape());  // they differ in the rows of n
  T *d = sums.edit().data(), *e = of_state.edit().data();
  const GemmRight<T> right(Layout::plain, width, units, w.data() + q.inputs, q.inputs + units);
  parallel_chunks(q.samples, q.steps * width * units, [&](Chunk samples) {
    Tensor<T> carried = Tensor<T>::zeros({samples.size(), units});
    T* dh = carried.edit().data();
    for (std::int64_t i = q.steps - 1; i >= 0; --i) {
      const std::int64_t now = samples.first * q.steps + q.step(i),
                         before = i > 0 ? samples.first * q.steps + q.step(i - 1) : -1;
      for (std::int64_t s = 0; s < samples.size(); ++s) {
        const std::int64_t at = now + s * q.steps;
        const T* g = made.gates.data() + at * width;
        T *to = d + at * width, *too = e + at * width;
        for (std::int64_t u = 0; u < units; ++u) {
          const T reset = g[u], keep = g[units + u], fresh = g[2 * units + u];
          const T old = i > 0 ? made.y[(before + s * q.steps) * units + u] : T{0};
          const T state = dy[at * units + u] + dh[s * units + u];
          const T sum = state * (T{1} - keep) * (T{1} - fresh * fresh);
          to[u] = too[u] = sum * made.parts[at * units + u] * reset * (T{1} - reset);
          to[units + u] = too[units + u] = state * (old - fresh) * keep * (T{1} - keep);
          to[2 * units + u] = sum;
          too[2 * units + u] = sum * reset;
          dh[s * units + u] = state * keep;
        }
      }
      if (i > 0) right.product(samples.size(), e + now * width, q.steps * width, dh, units, nullptr, true);
    }
  });
  const std::int64_t rows = q.samples * q.steps;
  const Tensor<T> lines = x.reshaped({rows, q.inputs}), states = detail::states_before(q, made.y).reshaped({rows, units});
  const Tensor<T> of_x = channel_sums(sums), of_h = channel_sums(of_state);
  Tensor<T> bias(Shape{4 * units});
  std::copy_n(of_x.data(), width, bias.edit().data());
  std::copy_n(of_h.data() + 2 * units, units, bias.edit().data() + width);
  return {detail::pull_input(q, sums, w),
          detail::beside(linear_backward_weight(lines, sums), linear_backward_weight(states, of_state)), std::move(bias)};
}

/// GRU on the tape; see gru_forward.
/// Gradient:  true, as gru_backward
template <class T>
Var<Tensor<T>> gru(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const Var<Tensor<T>>& bias, bool reverse = false) {
  return detail::record_recurrent(x, w, bias, gru_forward(x.value(), w.value(), bias.value(), reverse),
                                  [reverse](const auto&... of) { return gru_backward(of..., reverse); });
}

}  // namespace stet
