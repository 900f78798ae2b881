#pragma once
// What the laws of observers are tried on: how it is drawn, made smaller and described; and what an observer answers.

#include <stet/quant/observer.hpp>
#include <stet/testing/property.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

namespace stet::testing {

/// What a law of observers is tried on: batches of values of one shape, in the order in which they are seen.
struct ObserverCase {
  Shape shape{};
  std::vector<std::vector<float>> batches{};
};

namespace detail {

// The ranges that an observer answers with, or the error.
inline std::string answer(const AnyObserver& o) {
  try {
    std::string out;
    const std::vector<Range> ranges = o.ranges();
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      out += formatted("{}{}..{}", i > 0 ? ", " : "", ranges[i].lo, ranges[i].hi);
    }
    return out;
  } catch (const Error& e) {
    return std::string("error ") + name(e.code());
  }
}

inline void see(AnyObserver& o, const std::vector<float>& batch, const Shape& shape) {
  o.observe(std::span<const float>(batch), shape);
}

inline AnyObserver after(const AnyObserver& fresh, const ObserverCase& c) {
  AnyObserver o = fresh;
  for (const auto& batch : c.batches) see(o, batch, c.shape);
  return o;
}

// Moves the state of one observer into another through fields(), as a checkpoint does.
inline void carry(AnyObserver& from, AnyObserver& to) {
  std::tuple<std::vector<std::int64_t>, std::vector<std::vector<float>>, std::vector<std::vector<double>>,
             std::vector<std::vector<std::int64_t>>>
      kept;
  from.fields([&]<class T>(std::string_view, T& field) { std::get<std::vector<T>>(kept).push_back(field); });
  std::size_t numbers = 0, floats = 0, doubles = 0, integers = 0;
  const auto next = [](const auto& list, std::size_t& at) { return at < list.size() ? list[at++] : list.at(at); };
  to.fields([&]<class T>(std::string_view, T& field) {
    std::size_t& at = std::is_same_v<T, std::int64_t>          ? numbers
                      : std::is_same_v<T, std::vector<float>>  ? floats
                      : std::is_same_v<T, std::vector<double>> ? doubles
                                                               : integers;
    field = next(std::get<std::vector<T>>(kept), at);
  });
}

// How many numbers the state consists of.
inline std::size_t state_size(AnyObserver o) {
  std::size_t size = 0;
  o.fields([&]<class T>(std::string_view, T& field) {
    if constexpr (std::is_same_v<T, std::int64_t>) {
      ++size;
    } else {
      size += field.size();
    }
  });
  return size;
}

inline ObserverCase draw_observer_case(const Granularity& g, Rng& rng, int round) {
  ObserverCase c{shape_of_round(shapes_for(g), round), {}};
  const std::uint64_t count = 1 + rng.below(4);
  for (std::uint64_t b = 0; b < count; ++b) {
    c.batches.push_back(random_values(rng, c.shape.elements(), static_cast<int>(rng.below(6))));
  }
  return c;
}

// Fewer batches, fewer elements, simpler values.
inline void shrink_observer_case(const Granularity& g, ObserverCase& c, const Breaks<ObserverCase>& breaks) {
  for (std::size_t b = 0; b < c.batches.size() && c.batches.size() > 1; ++b) {
    const ObserverCase one{c.shape, {c.batches[b]}};
    if (breaks(one)) c = one;
  }
  for (std::size_t b = 0; b < c.batches.size() && c.batches.size() > 1;) {
    ObserverCase fewer = c;
    fewer.batches.erase(fewer.batches.begin() + static_cast<std::ptrdiff_t>(b));
    if (breaks(fewer)) {
      c = fewer;
    } else {
      ++b;
    }
  }
  for (const Shape& shape : shapes_for(g)) {
    bool found = false;
    for (std::int64_t first = 0; !found && first + shape.elements() < c.shape.elements(); ++first) {
      ObserverCase part{shape, {}};
      for (const auto& batch : c.batches) part.batches.push_back(window(batch, first, shape.elements()));
      found = breaks(part);
      if (found) c = std::move(part);
    }
    if (found) break;
  }
  for (std::size_t b = 0; b < c.batches.size(); ++b) {
    c.batches[b] = shrink(c.batches[b], [&](const std::vector<float>& x) {
      ObserverCase simpler = c;
      simpler.batches[b] = x;
      return breaks(simpler);
    });
  }
}

inline std::string describe(const ObserverCase& c) {
  std::string out = formatted("{} batch{} {}:", c.batches.size(), c.batches.size() == 1 ? "" : "es", c.shape);
  for (const auto& batch : c.batches) out += formatted(" {}", testing::text(batch));
  return out;
}

}  // namespace detail

}  // namespace stet::testing
