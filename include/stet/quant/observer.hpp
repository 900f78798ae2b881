#pragma once
// Observer: whatever watches values and answers with ranges; and AnyObserver, which holds one of any type.

#include <stet/core/description.hpp>
#include <stet/core/parallel.hpp>
#include <stet/quant/grid.hpp>
#include <stet/quant/last_batch_observer.hpp>
#include <stet/quant/min_max_observer.hpp>
#include <stet/quant/moving_average_observer.hpp>

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet {

namespace detail {

// Stands for the function that a checkpoint passes to fields().
struct FieldVisitor {
  void operator()(std::string_view, std::vector<float>&) const {}
  void operator()(std::string_view, std::vector<double>&) const {}
  void operator()(std::string_view, std::vector<std::int64_t>&) const {}
  void operator()(std::string_view, std::int64_t&) const {}
};

template <class O>
concept ObservesValues = requires(O& o, std::span<const float> x, const Shape& shape) { o.observe(x, shape); };
template <class O>
concept NeedsValues = requires { requires bool(O::needs_values); };
template <class O>
concept ObservesRanges = NeedsValues<O> || requires(O& o, std::span<const Range> ranges) { o.observe(ranges); };
template <class O>
concept KnowsGrid = requires(O& o, const Grid& grid) { o.set_grid(grid, true); };
template <class O>
concept HasRanges = requires(const O& o) {
  { o.ranges() } -> std::same_as<std::vector<Range>>;
  { o.empty() } -> std::same_as<bool>;
  { o.non_finite() } -> std::convertible_to<std::int64_t>;
  { o.granularity() } -> std::convertible_to<Granularity>;
};
template <class O>
concept Resets = requires(O& o) { o.reset(); };
template <class O>
concept Merges = requires(O& o, const O& other) { o.merge(other); };
template <class O>
concept HasFields = requires(O& o) { o.fields(FieldVisitor{}); };

}  // namespace detail

/// Value type that sees batches and answers with one range per scale.
/// Laws (testing/laws.hpp): an empty observer reports Errc::state; ranges() contains what the observer promises; values
/// that are not finite are counted and change nothing; fields() carries the whole state. ranges() are such that
/// choose_qparams makes of them the parameters that the observer means.
/// Optional:  describe() -> std::string, name and options; `static constexpr bool needs_values = true` where the range of a batch is not enough: it then need not have
///            observe(std::span<const Range>); `void set_grid(const Grid&, bool symmetric)` where its choice depends on
///            the grid.
template <class O>
concept Observer = std::copyable<O> && detail::ObservesValues<O> && detail::ObservesRanges<O> && detail::HasRanges<O> &&
                   detail::Resets<O> && detail::Merges<O> && detail::HasFields<O>;

/// Explains at compile time what a type lacks to be an Observer.
template <class O>
consteval bool check_observer() {
  static_assert(std::copyable<O>, "stet: an Observer is a value: it must be copyable");
  static_assert(detail::ObservesValues<O>, "stet: an Observer needs observe(std::span<const float>, const Shape&)");
  static_assert(detail::ObservesRanges<O>,
                "stet: an Observer needs observe(std::span<const Range>), or static constexpr bool needs_values = true");
  static_assert(detail::HasRanges<O>,
                "stet: an Observer needs const members ranges() -> std::vector<Range>, empty() -> bool, non_finite() "
                "and granularity()");
  static_assert(detail::Resets<O>, "stet: an Observer needs reset()");
  static_assert(detail::Merges<O>, "stet: an Observer needs merge(const Self&)");
  static_assert(detail::HasFields<O>,
                "stet: an Observer needs fields(f), calling f(std::string_view, field&) with fields of type std::int64_t or "
                "std::vector of float, double or std::int64_t");
  return Observer<O>;
}

/// Any Observer as a value; a call costs one virtual function per batch.
class AnyObserver {
 public:
  template <class O>
    requires(!std::same_as<std::remove_cvref_t<O>, AnyObserver>)
  AnyObserver(O observer) : held_(std::make_unique<Held<O>>(std::move(observer))) {  // NOLINT: implicit by design
    static_cast<void>(check_observer<O>());
  }
  AnyObserver(const AnyObserver& other) : held_(other.held().clone()) {}
  AnyObserver(AnyObserver&&) noexcept = default;
  AnyObserver& operator=(AnyObserver other) noexcept {
    held_ = std::move(other.held_);
    return *this;
  }
  ~AnyObserver() = default;

  void observe(std::span<const float> x, const Shape& shape) { held().observe(x, shape); }
  void observe(const Tensor<float>& x) { held().observe(x.span(), x.shape()); }
  void observe(std::span<const float> x) { held().observe(x, Shape{static_cast<std::int64_t>(x.size())}); }
  /// The same of doubles, as their nearest floats.
  void observe(std::span<const double> x, const Shape& shape) { observe(to_float(x).span(), shape); }
  void observe(const Tensor<double>& x) { observe(x.span(), x.shape()); }
  void observe(std::span<const double> x) { observe(to_float(x).span()); }
  /// Errors:    Errc::state if the observer needs values
  void observe(std::span<const Range> ranges) { held().observe(ranges); }
  void observe(const Range& range) { held().observe(std::span<const Range>(&range, 1)); }
  /// Whether ranges are not enough, so that it must be given the values.
  [[nodiscard]] bool needs_values() const { return held().needs_values(); }
  /// Tells an observer whose choice depends on it which codes there are; nothing happens to others.
  void set_grid(const Grid& grid, bool symmetric) { held().set_grid(grid, symmetric); }
  [[nodiscard]] bool empty() const { return held().empty(); }
  [[nodiscard]] std::vector<Range> ranges() const { return held().ranges(); }
  [[nodiscard]] Granularity granularity() const { return held().granularity(); }
  /// What the observer is, with its options: description_of(observer).
  [[nodiscard]] std::string describe() const { return held().describe(); }
  [[nodiscard]] std::int64_t non_finite() const { return held().non_finite(); }
  void reset() { held().reset(); }
  /// Errors:    Errc::state if the other one holds an observer of another type
  void merge(const AnyObserver& other) { held().merge(other.held()); }
  template <class F>
  void fields(F&& f) {
    held().fields([&](std::string_view name, const Field& field) {
      if (field.number != nullptr) f(name, *field.number);
      if (field.floats != nullptr) f(name, *field.floats);
      if (field.doubles != nullptr) f(name, *field.doubles);
      if (field.integers != nullptr) f(name, *field.integers);
    });
  }
  /// The observer inside, or nullptr if it is of another type.
  template <class O>
  [[nodiscard]] const O* get() const {
    const auto* held = dynamic_cast<const Held<O>*>(held_.get());
    return held == nullptr ? nullptr : &held->observer;
  }

 private:
  struct Field {  // one of them
    explicit Field(std::int64_t& field) : number(&field) {}
    explicit Field(std::vector<float>& field) : floats(&field) {}
    explicit Field(std::vector<double>& field) : doubles(&field) {}
    explicit Field(std::vector<std::int64_t>& field) : integers(&field) {}
    std::int64_t* number = nullptr;
    std::vector<float>* floats = nullptr;
    std::vector<double>* doubles = nullptr;
    std::vector<std::int64_t>* integers = nullptr;
  };
  struct Interface {
    virtual ~Interface() = default;
    virtual std::unique_ptr<Interface> clone() const = 0;
    virtual void observe(std::span<const float> x, const Shape& shape) = 0;
    virtual void observe(std::span<const Range> ranges) = 0;
    virtual bool needs_values() const = 0;
    virtual void set_grid(const Grid& grid, bool symmetric) = 0;
    virtual bool empty() const = 0;
    virtual std::vector<Range> ranges() const = 0;
    virtual Granularity granularity() const = 0;
    virtual std::string describe() const = 0;
    virtual std::int64_t non_finite() const = 0;
    virtual void reset() = 0;
    virtual void merge(const Interface& other) = 0;
    virtual void fields(FunctionRef<void(std::string_view, const Field&)> f) = 0;
  };
  template <class O>
  struct Held final : Interface {
    explicit Held(O o) : observer(std::move(o)) {}
    std::unique_ptr<Interface> clone() const override { return std::make_unique<Held>(observer); }
    void observe(std::span<const float> x, const Shape& shape) override { observer.observe(x, shape); }
    void observe(std::span<const Range> ranges) override {
      if constexpr (requires { observer.observe(ranges); }) {
        observer.observe(ranges);
      } else {
        fail(Errc::state,
             "AnyObserver: the observer needs the values of a batch, got {} ranges; give it observe(x, shape)",
             ranges.size());
      }
    }
    bool needs_values() const override { return detail::NeedsValues<O>; }
    void set_grid(const Grid& grid, bool symmetric) override {
      if constexpr (detail::KnowsGrid<O>) {
        observer.set_grid(grid, symmetric);
      } else {
        static_cast<void>(grid), static_cast<void>(symmetric);
      }
    }
    bool empty() const override { return observer.empty(); }
    std::vector<Range> ranges() const override { return observer.ranges(); }
    Granularity granularity() const override { return observer.granularity(); }
    std::string describe() const override { return description_of(observer); }
    std::int64_t non_finite() const override { return observer.non_finite(); }
    void reset() override { observer.reset(); }
    void merge(const Interface& other) override {
      const auto* same = dynamic_cast<const Held*>(&other);
      require(same != nullptr, Errc::state, "AnyObserver: merge needs two observers of the same type");
      observer.merge(same->observer);
    }
    void fields(FunctionRef<void(std::string_view, const Field&)> f) override {
      observer.fields([&](std::string_view name, auto& value) { f(name, Field(value)); });
    }
    O observer;
  };

  Interface& held() const {
    require(held_ != nullptr, Errc::state, "AnyObserver: used after it was moved from");
    return *held_;
  }

  std::unique_ptr<Interface> held_;
};

}  // namespace stet
