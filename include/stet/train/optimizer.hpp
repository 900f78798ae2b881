#pragma once
// Optimizers: a rule is a small value type that updates one block of one tensor; OptimizerState runs it over a model.

#include <stet/core/description.hpp>
#include <stet/core/finite.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/parameter.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet {

/// What one update of one tensor needs to know besides its numbers.
struct UpdateStep {
  double lr = 0;           ///< learning rate of this tensor now: rule, schedule and the tensor's own factor multiplied
  std::int64_t count = 1;  ///< how often the tensor has been updated, this time included
  bool decay = true;       ///< whether weight decay applies
};

/// Buffers that a rule may keep per parameter.
inline constexpr std::size_t max_optimizer_slots = 4;

/// A rule: lr, a name, the names of the buffers it keeps per parameter (all start at zero), and the update of a block.
/// The elements of a block are independent of each other, and blocks may be updated at the same time.
template <class O>
concept Optimizer =
    std::copy_constructible<O> && requires(const O& rule, const UpdateStep& step, std::span<float> value,
                                           std::span<const float> gradient, std::span<const std::span<float>> slots) {
      { rule.lr } -> std::convertible_to<double>;
      { rule.name() } -> std::convertible_to<const char*>;
      { rule.slots() } -> std::convertible_to<std::vector<const char*>>;
      rule.check();
      rule.update(step, value, gradient, slots);
    };

/// Any rule behind one type. A value: copies share the (constant) rule.
class AnyOptimizer {
 public:
  /// Errors:    Errc::range if an option of the rule is out of its range
  template <class O>
    requires(!std::same_as<O, AnyOptimizer> && Optimizer<O>)
  AnyOptimizer(O rule)  // NOLINT: implicit by design, `.optimizer = Adam{}`
      : self_(std::make_shared<const Erased<O>>(std::move(rule))) {
    self_->check();
  }
  // No moves: one that was moved from would hold nothing, and a copy costs a counter.
  AnyOptimizer(const AnyOptimizer&) = default;
  AnyOptimizer& operator=(const AnyOptimizer&) = default;
  ~AnyOptimizer() = default;

  [[nodiscard]] double lr() const { return self_->lr(); }
  [[nodiscard]] const char* name() const { return self_->name(); }
  /// What the rule is, with its options: description_of(rule), and the learning rate.
  [[nodiscard]] std::string describe() const { return formatted("{}, lr {}", self_->describe(), lr()); }
  [[nodiscard]] std::vector<const char*> slots() const { return self_->slots(); }
  void update(const UpdateStep& step, std::span<float> value, std::span<const float> gradient,
              std::span<const std::span<float>> slots) const {
    self_->update(step, value, gradient, slots);
  }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual double lr() const = 0;
    virtual const char* name() const = 0;
    virtual std::string describe() const = 0;
    virtual std::vector<const char*> slots() const = 0;
    virtual void check() const = 0;
    virtual void update(const UpdateStep&, std::span<float>, std::span<const float>,
                        std::span<const std::span<float>>) const = 0;
  };
  template <class O>
  struct Erased final : Interface {
    explicit Erased(O r) : rule(std::move(r)) {}
    double lr() const override { return static_cast<double>(rule.lr); }
    const char* name() const override { return rule.name(); }
    std::string describe() const override { return description_of(rule); }
    std::vector<const char*> slots() const override { return rule.slots(); }
    void check() const override { rule.check(); }
    void update(const UpdateStep& step, std::span<float> value, std::span<const float> gradient,
                std::span<const std::span<float>> slots) const override {
      rule.update(step, value, gradient, slots);
    }
    O rule;
  };

  std::shared_ptr<const Interface> self_;
};

/// One trained tensor as the optimizer sees it.
struct ParameterRef {
  Parameter* parameter = nullptr;
  std::string name{};    ///< names its state in a checkpoint; the position is used if it is empty
  bool decay = true;     ///< false for scales, biases and batch norm
  double lr_factor = 1;  ///< learning rate relative to the others
};

/// Running state of an optimizer: the rule's buffers and the number of updates of every parameter.
class OptimizerState {
 public:
  /// Buffers for these parameters, in this order; later calls of step() must pass the same ones.
  /// Errors:    Errc::state if a reference is empty; Errc::range if the rule keeps more than max_optimizer_slots
  OptimizerState(AnyOptimizer rule, std::span<const ParameterRef> parameters)
      : rule_(std::move(rule)), slot_names_(rule_.slots()) {
    require(slot_names_.size() <= max_optimizer_slots, Errc::range, "optimizer {}: keeps {} buffers, at most {}",
            rule_.name(), slot_names_.size(), max_optimizer_slots);
    counts_ = Tensor<std::int64_t>::zeros({static_cast<std::int64_t>(parameters.size())});
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      require(parameters[p].parameter != nullptr, Errc::state, "optimizer: parameter {} ({}) refers to nothing", p,
              parameters[p].name);
      const Shape& shape = parameters[p].parameter->value.shape();
      names_.push_back(parameters[p].name.empty() ? std::to_string(p) : parameters[p].name);
      shapes_.push_back(shape);
      for (std::size_t s = 0; s < slot_names_.size(); ++s) slots_.push_back(Tensor<float>::zeros(shape));
      for (std::int64_t first = 0; first < shape.elements(); first += block_) {
        blocks_.push_back({p, first, std::min(block_, shape.elements() - first)});
      }
    }
    work_.resize(parameters.size());
  }

  [[nodiscard]] const AnyOptimizer& rule() const { return rule_; }

  /// Updates every parameter that has a gradient; one without is left alone, as are its buffers.
  /// Formula:   lr = rule.lr * lr_scale * lr_factor, then the rule
  /// Errors:    Errc::shape if a gradient or a parameter does not have the shape it had at construction
  void step(std::span<const ParameterRef> parameters, double lr_scale = 1.0) {
    require(parameters.size() == names_.size(), Errc::shape, "optimizer: made for {} parameters, step got {}",
            names_.size(), parameters.size());
    const std::size_t per = slot_names_.size();
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      const Parameter& q = *parameters[p].parameter;
      require(q.value.shape() == shapes_[p], Errc::shape, "optimizer: parameter {} had shape {} at first, now {}",
              names_[p], shapes_[p], q.value.shape());
      require(q.gradient.empty() || q.gradient.shape() == q.value.shape(), Errc::shape,
              "optimizer: parameter {} has shape {}, its gradient {}", names_[p], q.value.shape(), q.gradient.shape());
    }
    auto counts = counts_.edit();
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      Parameter& q = *parameters[p].parameter;
      Work& w = work_[p];
      w.active = !q.gradient.empty();
      if (!w.active) continue;
      w.step = {rule_.lr() * lr_scale * parameters[p].lr_factor, ++counts[p], parameters[p].decay};
      w.value = q.value.edit();
      w.gradient = q.gradient.span();
      for (std::size_t s = 0; s < per; ++s) w.slots[s] = slots_[p * per + s].edit();
    }
    parallel(static_cast<std::int64_t>(blocks_.size()), [&](std::int64_t i) {
      BlockOf& b = blocks_[static_cast<std::size_t>(i)];
      const Work& w = work_[b.parameter];
      b.finite = b.finite_slots = true;
      if (!w.active) return;
      const auto first = static_cast<std::size_t>(b.first), size = static_cast<std::size_t>(b.size);
      std::array<std::span<float>, max_optimizer_slots> slots;
      for (std::size_t s = 0; s < per; ++s) slots[s] = w.slots[s].subspan(first, size);
      const std::span<float> value = w.value.subspan(first, size);
      rule_.update(w.step, value, w.gradient.subspan(first, size),
                   std::span<const std::span<float>>(slots.data(), per));
      // Here, where the block lies in the first-level cache, this costs next to nothing.
      b.finite = all_finite(value);
      for (std::size_t s = 0; s < per; ++s) b.finite_slots = b.finite_slots && all_finite(slots[s]);
    });
  }

  /// Says which parameter, or which buffer of the rule for it, the last step made NaN or infinite; the first, and how many
  /// others. Empty if none.
  [[nodiscard]] std::string fault() const {
    std::string text;
    std::size_t last = names_.size(), others = 0;
    for (const BlockOf& b : blocks_) {
      if ((b.finite && b.finite_slots) || b.parameter == last) continue;
      last = b.parameter;
      if (!text.empty()) {
        ++others;
      } else {
        text = b.finite ? formatted("the buffers of {} for {}", rule_.name(), names_[last]) : names_[last];
        text += " became NaN or infinite";
      }
    }
    return others == 0 ? text : text + formatted(" (and {} parameters more)", others);
  }

  /// Names and references of the whole state: f("count", Tensor<int64>), f("<slot>.<parameter>", Tensor<float>).
  template <class F>
  void fields(F&& f) {
    f(std::string("count"), counts_);
    for (std::size_t p = 0; p < names_.size(); ++p) {
      for (std::size_t s = 0; s < slot_names_.size(); ++s) {
        f(std::string(slot_names_[s]) + "." + names_[p], slots_[p * slot_names_.size() + s]);
      }
    }
  }

 private:
  struct BlockOf {
    std::size_t parameter;
    std::int64_t first, size;
    bool finite = true, finite_slots = true;  // after the last step
  };
  struct Work {
    bool active = false;
    UpdateStep step;
    std::span<float> value;
    std::span<const float> gradient;
    std::array<std::span<float>, max_optimizer_slots> slots;
  };
  static constexpr std::int64_t block_ = 8192;

  AnyOptimizer rule_;
  std::vector<const char*> slot_names_;
  std::vector<std::string> names_;
  std::vector<Shape> shapes_;
  std::vector<Tensor<float>> slots_;  // slot s of parameter p at p * slots + s
  Tensor<std::int64_t> counts_;
  std::vector<BlockOf> blocks_;
  std::vector<Work> work_;
};

/// Forgets the gradients of all parameters.
inline void clear_gradients(std::span<const ParameterRef> parameters) {
  for (const ParameterRef& p : parameters) p.parameter->clear_gradient();
}

}  // namespace stet
