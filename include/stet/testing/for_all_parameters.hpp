#pragma once
// for_all_parameters: laws over the parameters of a type (bits, granularity, options), shrunk to the simplest that
// fail.

#include <stet/quant/clip_mask.hpp>
#include <stet/testing/estimator_laws.hpp>
#include <stet/testing/observer_laws.hpp>
#include <stet/testing/scheme_laws.hpp>

#include <cstddef>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet::testing {

/// One parameter: its name and the values that are tried, the simplest first. Between the first and the last value of a
/// continuous one, more are drawn.
template <class T>
struct ParameterValues {
  using value_type = T;
  std::string name;
  std::vector<T> values;
  bool continuous = false;
};

/// The listed values; put the simplest first.
template <class T>
ParameterValues<T> one_of(std::string name, std::initializer_list<T> values) {
  return {std::move(name), values};
}
/// All whole numbers from the simplest to the last, upwards or downwards.
inline ParameterValues<int> whole_numbers(std::string name, int simplest, int last) {
  ParameterValues<int> p{std::move(name), {}};
  for (int v = simplest; v != last; v += simplest < last ? 1 : -1) p.values.push_back(v);
  p.values.push_back(last);
  return p;
}
/// Both ends and numbers between them.
inline ParameterValues<float> real_numbers(std::string name, float simplest, float last) {
  return {std::move(name), {simplest, last}, true};
}
/// Per tensor, per channel on every axis, per group of several sizes.
inline ParameterValues<Granularity> granularities() {
  ParameterValues<Granularity> p{"granularity", {Granularity::per_tensor()}};
  for (int axis = 0; axis < 4; ++axis) p.values.push_back(Granularity::per_channel(axis));
  for (const std::int64_t group : {1, 2, 4, 7}) p.values.push_back(Granularity::per_group(group));
  return p;
}
inline ParameterValues<ClipMask> clip_masks() {
  return {"mask", {ClipMask::rounded_inclusive, ClipMask::raw_inclusive, ClipMask::raw_exclusive}};
}

/// How many combinations are tried, and how long each.
struct ParameterOptions {
  std::uint64_t seed = 1;
  int combinations = 100;  ///< all, if there are no more and none is continuous; else so many at random
  int rounds = 24;         ///< LawOptions::rounds for each
};

namespace detail {

inline std::string text_of(bool value) { return value ? "true" : "false"; }

template <class T>
std::string parameter_text(const T& value) {
  if constexpr (requires { text_of(value); } && !std::is_arithmetic_v<T>) {
    return text_of(value);
  } else if constexpr (std::is_enum_v<T>) {
    return formatted("enumerator {}", static_cast<long long>(value));
  } else if constexpr (std::is_same_v<T, bool>) {
    return text_of(value);
  } else {
    return formatted("{}", value);
  }
}

template <class T>
T draw_parameter(const ParameterValues<T>& p, Rng& rng) {
  if constexpr (std::is_floating_point_v<T>) {
    if (p.continuous && rng.below(4) != 0) return static_cast<T>(rng.uniform(p.values.front(), p.values.back()));
  }
  return p.values[rng.below(p.values.size())];
}

// Values that are simpler than this one, the simplest first.
template <class T>
std::vector<T> simpler_values(const ParameterValues<T>& p, const T& value) {
  std::vector<T> simpler;
  for (const T& v : p.values) {
    if (v == value) return simpler;
    simpler.push_back(v);
  }
  if constexpr (std::is_floating_point_v<T>) {
    for (int digits = 1; digits <= 3; ++digits) {
      const auto v = static_cast<T>(std::strtod(formatted("{:.{}g}", value, digits).c_str(), nullptr));
      const bool inside = (v - p.values.front()) * (v - p.values.back()) <= 0;
      if (v == value) return simpler;
      if (inside) simpler.push_back(v);
    }
  }
  return simpler;
}

}  // namespace detail

/// Runs property(values..., LawOptions) -> LawReport over combinations of parameters. For every law that breaks, the
/// parameters are made simpler one after the other while it stays broken, and what is left is reported. A property
/// that throws breaks the law "no exception".
///
///   for_all_parameters(
///       [](int bits, const Granularity& g, const LawOptions& o) { return check_scheme_laws(IntN(bits, g), {}, o); },
///       {}, whole_numbers("bits", 8, 2), granularities());
template <class Property, class... T>
LawReport for_all_parameters(const Property& property, const ParameterOptions& options,
                             const ParameterValues<T>&... parameters) {
  using Values = std::tuple<T...>;
  constexpr auto indices = std::index_sequence_for<T...>();
  const auto all = std::tie(parameters...);
  const auto run = [&](const Values& values, std::uint64_t seed) {
    return std::apply(
        [&](const T&... v) -> LawReport {
          try {
            return property(v..., LawOptions{seed, options.rounds});
          } catch (const std::exception& e) {
            return {1, {{"no exception", "the parameters alone", "a report", e.what()}}};
          }
        },
        values);
  };
  const auto describe = [&]<std::size_t... I>(const Values& values, std::index_sequence<I...>) {
    std::string out;
    ((out += formatted("{}{} = {}", out.empty() ? "" : ", ", std::get<I>(all).name,
                         detail::parameter_text(std::get<I>(values)))),
     ...);
    return out;
  };

  std::size_t combinations = 1;
  const auto most = static_cast<std::size_t>(options.combinations);
  ((combinations = parameters.continuous ? most + 1 : std::min(most + 1, combinations * parameters.values.size())),
   ...);
  const bool exhaustive = combinations <= most;
  LawReport total;
  Rng rng(options.seed);
  for (std::size_t i = 0; i < (exhaustive ? combinations : most); ++i) {
    std::size_t digit = i;
    [[maybe_unused]] const auto next = [&]<class V>(const ParameterValues<V>& p) {
      if (!exhaustive) return detail::draw_parameter(p, rng);
      const std::size_t at = digit % p.values.size();
      digit /= p.values.size();
      return p.values[at];
    };
    const Values values{next(parameters)...};  // in this order: braces
    const std::uint64_t seed = rng.next();
    const LawReport report = run(values, seed);
    total.checked += report.checked;
    for (const Broken& broken : report.broken) {
      if (total.find(broken.law) != nullptr) continue;
      Values small = values;
      Broken smallest = broken;
      [[maybe_unused]] const auto simplify = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
        for (const auto& candidate : detail::simpler_values(std::get<I>(all), std::get<I>(small))) {
          Values simpler = small;
          std::get<I>(simpler) = candidate;
          const LawReport again = run(simpler, seed);
          if (const Broken* same = again.find(broken.law)) {
            small = simpler;
            smallest = *same;
            return true;
          }
        }
        return false;
      };
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        for (bool again = sizeof...(T) > 0; again;) {
          again = (int{simplify(std::integral_constant<std::size_t, I>())} + ... + 0) > 0;
        }
      }(indices);
      smallest.parameters = describe(small, indices);
      total.broken.push_back(std::move(smallest));
    }
  }
  return total;
}

/// The laws of every scheme that make(values...) makes: one line per type.
///   for_all_schemes([](int bits, const Granularity& g) { return IntN(bits, g); }, {},
///                   whole_numbers("bits", 8, 2), granularities());
template <class Make, class... T>
LawReport for_all_schemes(const Make& make, const SchemePromises& promises, const ParameterValues<T>&... parameters) {
  return for_all_parameters(
      [&](const T&... v, const LawOptions& options) { return check_scheme_laws(make(v...), promises, options); }, {},
      parameters...);
}
/// The laws of every observer that make(values...) makes.
template <class Make, class... T>
LawReport for_all_observers(const Make& make, const ObserverPromises& promises,
                            const ParameterValues<T>&... parameters) {
  return for_all_parameters(
      [&](const T&... v, const LawOptions& options) { return check_observer_laws(make(v...), promises, options); }, {},
      parameters...);
}
/// The laws of every estimator that make(values...) makes.
template <class Make, class... T>
LawReport for_all_estimators(const Make& make, const EstimatorPromises& promises,
                             const ParameterValues<T>&... parameters) {
  return for_all_parameters(
      [&](const T&... v, const LawOptions& options) { return check_estimator_laws(make(v...), promises, options); }, {},
      parameters...);
}

}  // namespace stet::testing
