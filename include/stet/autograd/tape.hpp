#pragma once
// The tape: values with gradients, and record(), the one door through which an operator enters a backward function.

#include <stet/autograd/batch_parts.hpp>
#include <stet/core/parameter.hpp>
#include <stet/core/tensor.hpp>

#include <memory>
#include <set>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet {

/// Type of the gradient of a value, in real units and of its shape. Specialise for value types that are not tensors.
template <class T>
struct GradientOf {
  using type = T;
  static const Shape& shape(const T& value)
    requires requires { static_cast<const Shape&>(value.shape()); }
  {
    return value.shape();
  }
};
template <class T>
using Gradient = typename GradientOf<T>::type;

/// How an array of another library enters a tape: `static Tensor<..> of(const T&)`. stet/eigen.hpp specialises it.
template <class T>
struct TensorOf {};

class Tape;

namespace detail {

template <class T>
concept BecomesTensor = requires(const T& array) { TensorOf<T>::of(array); };

// Gradient slot of one value. Several Vars may refer to it; it lives as long as the tape.
template <class G>
struct Slot {
  G value{};
  bool filled = false;

  G take() {
    filled = false;
    return std::exchange(value, G());
  }
};

// What a tape plays back: an operator, or a parameter that takes its gradient. One virtual call each: std::function would
// cost every operator code to copy what its closure holds, and forbid closures that cannot be copied.
class TapeEntry {
 public:
  TapeEntry() = default;
  TapeEntry(const TapeEntry&) = delete;
  TapeEntry& operator=(const TapeEntry&) = delete;
  virtual ~TapeEntry() = default;
  virtual void play() = 0;
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
  static_assert(requires(const T& value) { GradientOf<T>::shape(value); },
                "stet: a value on the tape is a Tensor, a QTensor or what GradientOf knows (include stet/eigen.hpp for Eigen)");

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
template <class T>
Sink(const Var<T>&) -> Sink<Gradient<T>>;

namespace detail {

// An operator on the tape but for its backward function: the slot of its value and the sinks of its inputs.
template <class G, class... In>
class RecordedOperator : public TapeEntry {
 public:
  RecordedOperator(Slot<G>* out, const Sink<In>&... sinks) : sinks_(sinks...), out_(out) {}
  void play() final {
    if (out_->filled) pull(out_->take());
  }

 protected:
  std::tuple<Sink<In>...> sinks_;

 private:
  virtual void pull(const G& dy) = 0;
  Slot<G>* out_;
};

template <class Pull, class G, class... In>
class Recorded final : public RecordedOperator<G, In...> {
 public:
  Recorded(Pull pull, Slot<G>* out, const Sink<In>&... sinks)
      : RecordedOperator<G, In...>(out, sinks...), pull_(std::move(pull)) {}

 private:
  void pull(const G& dy) override {
    std::apply([&](const Sink<In>&... sink) { pull_(dy, sink...); }, this->sinks_);
  }
  Pull pull_;
};

// A parameter on the tape.
class RecordedParameter final : public TapeEntry {
 public:
  // `parts`: who hears that the gradient is complete then; null: nobody.
  RecordedParameter(Slot<Tensor<float>>* slot, Parameter* parameter, BatchParts* parts) : slot_(slot), parameter_(parameter), parts_(parts) {}
  void play() override {
    if (slot_->filled) take();
    if (parts_ != nullptr) parts_->gradient_ready(*parameter_);
  }

 private:
  void take() {
    if (parameter_->gradient.shape() == parameter_->value.shape()) {
      accumulate(parameter_->gradient, slot_->take());
    } else {
      parameter_->gradient = slot_->take();
    }
  }

  Slot<Tensor<float>>* slot_;
  Parameter* parameter_;
  BatchParts* parts_;
};

}  // namespace detail

/// Records operators in the order they run and plays their gradients back in reverse.
class Tape {
 public:
  Tape() = default;
  /// A tape of one part of a batch: operators that make a value of the whole batch ask the other parts, which must run the
  /// same operators at the same time. `parts` must outlive the tape; null: the tape has the whole batch.
  explicit Tape(BatchParts* parts) : parts_(parts) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// The parts of the batch of which this tape has one; null if it has all of it.
  [[nodiscard]] BatchParts* parts() const { return parts_; }

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
  /// Both for an array of another library, copied into a tensor.
  template <class T>
    requires detail::BecomesTensor<T>
  auto constant(T array) {
    return constant(TensorOf<T>::of(array));
  }
  template <class T>
    requires detail::BecomesTensor<T>
  auto variable(T array) {
    return variable(TensorOf<T>::of(array));
  }
  /// A trained tensor; backward adds to parameter.gradient. The parameter must outlive the tape.
  Var<Tensor<float>> parameter(Parameter& parameter) {
    Var<Tensor<float>> v = variable(parameter.value);
    BatchParts* first_use = nullptr;  // the backward pass comes to the first use last
    if (parts_ != nullptr && parameters_.insert(&parameter).second) first_use = parts_;
    add(new detail::RecordedParameter(v.slot_, &parameter, first_use));
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
    Sink(output).add(std::move(dy));
    for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
      (*entry)->play();
      entry->reset();  // what the closure saved is free for the operators before it
    }
  }

 private:
  template <class V, class... Inputs, class Pull>
  friend Var<V> record(V value, const std::tuple<Inputs...>& inputs, Pull pull);

  void add(detail::TapeEntry* entry) { entries_.emplace_back(entry); }

  template <class G>
  detail::Slot<G>* slot() {
    auto owned = std::make_shared<detail::Slot<G>>();
    auto* raw = owned.get();
    slots_.push_back(std::move(owned));
    return raw;
  }

  std::vector<std::unique_ptr<detail::TapeEntry>> entries_;
  std::vector<std::shared_ptr<void>> slots_;
  BatchParts* parts_ = nullptr;
  std::set<const Parameter*> parameters_;  // with parts: those that are on the tape
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
  using Entry = detail::Recorded<Pull, Gradient<V>, Gradient<typename std::remove_cvref_t<Inputs>::value_type>...>;
  tape->add(std::apply([&](const auto&... in) { return new Entry(std::move(pull), out, Sink(in)...); }, inputs));
  return Var<V>(tape, std::move(value), out);
}

}  // namespace stet
