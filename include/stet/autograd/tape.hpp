#pragma once
// The tape: values with gradients, and record(), the one door through which an operator enters a backward function.

#include <stet/core/parameter.hpp>
#include <stet/core/tensor.hpp>

#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet {

/// Type of the gradient of a value, in real units and of its shape. Specialise for value types that are not tensors.
template <class T>
struct GradientOf {
  using type = T;
  static const Shape& shape(const T& value) { return value.shape(); }
};
template <class T>
using Gradient = typename GradientOf<T>::type;

class Tape;

namespace detail {

// Gradient slot of one value. Several Vars may refer to it; it lives as long as the tape.
template <class G>
struct Slot {
  G value{};
  bool filled = false;
};

template <class T>
void accumulate(Tensor<T>& sum, const Tensor<T>& term) {
  auto to = sum.edit();
  const T* from = term.data();
  T* out = to.data();
  const auto n = static_cast<std::int64_t>(to.size());
  for (std::int64_t i = 0; i < n; ++i) out[i] += from[i];
}

}  // namespace detail

/// A value on a tape. Copies refer to the same value and the same gradient. Invalid after its Tape.
template <class T>
class Var {
 public:
  using value_type = T;

  [[nodiscard]] const T& value() const { return value_; }
  [[nodiscard]] const Shape& shape() const { return GradientOf<T>::shape(value_); }
  /// Whether a backward pass would compute a gradient for this value.
  [[nodiscard]] bool wanted() const { return slot_ != nullptr; }
  [[nodiscard]] Tape& tape() const { return *tape_; }

 private:
  friend class Tape;
  template <class G>
  friend class Sink;
  template <class V, class... Inputs, class Pull>
  friend Var<V> record(V value, const std::tuple<Inputs...>& inputs, Pull pull);

  Var(Tape* tape, T value, detail::Slot<Gradient<T>>* slot) : tape_(tape), value_(std::move(value)), slot_(slot) {}

  Tape* tape_;
  T value_;
  detail::Slot<Gradient<T>>* slot_;  // null: no gradient wanted
};

/// Where a backward function leaves the gradient of one input.
template <class G>
class Sink {
 public:
  template <class T>
  explicit Sink(const Var<T>& input) : slot_(input.slot_), shape_(input.shape()) {}

  /// Whether the gradient is needed at all; skip its computation if not.
  [[nodiscard]] bool wanted() const { return slot_ != nullptr; }
  /// Adds a gradient term. The first one is moved in, later ones are summed.
  /// Errors:    Errc::shape if the term does not have the input's shape
  void add(G term) const {
    if (slot_ == nullptr) return;
    require(term.shape() == shape_, Errc::shape, "backward: gradient has shape {}, its input has {}", term.shape(),
            shape_);
    if (slot_->filled) {
      detail::accumulate(slot_->value, term);
    } else {
      slot_->value = std::move(term);
      slot_->filled = true;
    }
  }

 private:
  detail::Slot<G>* slot_;
  Shape shape_;
};

/// Records operators in the order they run and plays their gradients back in reverse.
class Tape {
 public:
  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// A value without gradient.
  template <class T>
  Var<T> constant(T value) {
    return Var<T>(this, std::move(value), nullptr);
  }
  /// A value whose gradient can be read with gradient() after backward.
  template <class T>
  Var<T> variable(T value) {
    return Var<T>(this, std::move(value), slot<Gradient<T>>());
  }
  /// A trained tensor; backward adds to parameter.gradient. The parameter must outlive the tape.
  Var<Tensor<float>> parameter(Parameter& parameter) {
    Var<Tensor<float>> v = variable(parameter.value);
    auto* s = v.slot_;
    entries_.push_back([s, p = &parameter] {
      if (!s->filled) return;
      if (p->gradient.shape() == p->value.shape()) {
        detail::accumulate(p->gradient, s->value);
      } else {
        p->gradient = std::move(s->value);
      }
      s->filled = false;
      s->value = Tensor<float>();
    });
    return v;
  }

  /// Gradient that the last backward pass left at a variable.
  /// Errors:    Errc::state if the variable got none
  template <class T>
  [[nodiscard]] const Gradient<T>& gradient(const Var<T>& v) const {
    require(v.slot_ != nullptr && v.slot_->filled, Errc::state,
            "gradient: this value has none; call backward on something that depends on it");
    return v.slot_->value;
  }
  template <class T>
  [[nodiscard]] bool has_gradient(const Var<T>& v) const {
    return v.slot_ != nullptr && v.slot_->filled;
  }

  /// Computes the gradients of a scalar with respect to all variables and parameters it depends on.
  /// A tape is played back once.
  /// Errors:    Errc::shape if the loss has more than one element; Errc::state on a second call
  template <class T>
  void backward(const Var<Tensor<T>>& loss) {
    require(loss.value().size() == 1, Errc::shape, "backward: the loss must be one number, got shape {}", loss.shape());
    backward(loss, Tensor<T>::filled(loss.shape(), T{1}));
  }
  /// The same from any value, given its gradient.
  template <class T>
  void backward(const Var<T>& output, Gradient<T> dy) {
    require(!played_, Errc::state, "backward: this tape was already played back; record the forward pass again");
    played_ = true;
    if (output.slot_ == nullptr) return;
    Sink<Gradient<T>>(output).add(std::move(dy));
    for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
      (*entry)();
      *entry = nullptr;  // what the closure saved is free for the operators before it
    }
  }

 private:
  template <class V, class... Inputs, class Pull>
  friend Var<V> record(V value, const std::tuple<Inputs...>& inputs, Pull pull);

  template <class G>
  detail::Slot<G>* slot() {
    auto owned = std::make_shared<detail::Slot<G>>();
    auto* raw = owned.get();
    slots_.push_back(std::move(owned));
    return raw;
  }

  std::vector<std::function<void()>> entries_;
  std::vector<std::shared_ptr<void>> slots_;
  bool played_ = false;
};

/// Puts an operator on the tape: its value, the inputs it depends on (std::tie(x, w)) and its backward function
/// pull(dy, dx, dw), called with the gradient of the value and one Sink per input. Nothing is recorded when no input
/// wants a gradient. The backward function may capture Tensors by value, never a Var.
template <class V, class... Inputs, class Pull>
Var<V> record(V value, const std::tuple<Inputs...>& inputs, Pull pull) {
  static_assert(sizeof...(Inputs) > 0, "record: name at least one input");
  Tape* tape = std::get<0>(inputs).tape_;
  const bool wanted = std::apply([](const auto&... in) { return (in.wanted() || ...); }, inputs);
  if (!wanted) return Var<V>(tape, std::move(value), nullptr);
  auto* out = tape->template slot<Gradient<V>>();
  auto sinks = std::apply(
      [](const auto&... in) {
        return std::make_tuple(Sink<Gradient<typename std::remove_cvref_t<decltype(in)>::value_type>>(in)...);
      },
      inputs);
  tape->entries_.push_back([out, sinks, pull = std::move(pull)]() mutable {
    if (!out->filled) return;
    const Gradient<V> dy = std::move(out->value);
    out->value = Gradient<V>();
    out->filled = false;
    std::apply([&](const auto&... sink) { pull(dy, sink...); }, sinks);
  });
  return Var<V>(tape, std::move(value), out);
}

}  // namespace stet
