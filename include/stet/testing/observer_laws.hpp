#pragma once
// Laws of Observer.

#include <stet/quant/observer.hpp>
#include <stet/testing/property.hpp>

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet::testing {

/// What an observer promises beyond the common laws.
struct ObserverPromises {
  bool order_free = false;  ///< batches in any order, or merged from parts, give the same ranges
  bool within = true;       ///< ranges lie within all values seen; false where the grid decides how far they reach
};

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
      out += fmt::format("{}{}..{}", i > 0 ? ", " : "", ranges[i].lo, ranges[i].hi);
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
  std::string out = fmt::format("{} batch{} {}:", c.batches.size(), c.batches.size() == 1 ? "" : "es", c.shape);
  for (const auto& batch : c.batches) out += fmt::format(" {}", testing::text(batch));
  return out;
}

// A law that two observers made of a case answer the same.
inline Law<ObserverCase> same_answer(std::string name, std::function<AnyObserver(const ObserverCase&)> got,
                                     std::function<AnyObserver(const ObserverCase&)> expected) {
  const auto fault = [got = std::move(got), expected = std::move(expected)](const ObserverCase& c) {
    const std::string a = answer(got(c)), b = answer(expected(c));
    return a == b ? std::nullopt : std::optional<Fault>(Fault{{}, b, a});
  };
  return {std::move(name), fault};
}

inline std::optional<Fault> wrong_ranges(const AnyObserver& fresh, const ObserverCase& c, bool within) {
  std::vector<Range> all;
  for (const auto& batch : c.batches) {
    const std::vector<Range> ranges = min_max(std::span<const float>(batch), c.shape, fresh.granularity());
    if (all.empty()) all = ranges;
    for (std::size_t k = 0; k < all.size(); ++k) all[k] = unite(all[k], ranges[k]);
  }
  const std::vector<Range> got = after(fresh, c).ranges();
  if (got.size() != all.size()) return Fault{{}, fmt::format("{} ranges", all.size()), fmt::format("{}", got.size())};
  for (std::size_t k = 0; k < all.size(); ++k) {
    const double slack = 0x1p-22 * static_cast<double>(all[k].absmax());  // an average is rounded
    const double lo = static_cast<double>(all[k].lo) - slack, hi = static_cast<double>(all[k].hi) + slack;
    const bool ordered = got[k].finite() && got[k].lo <= got[k].hi;
    if (ordered && (!within || (lo <= got[k].lo && got[k].hi <= hi))) continue;
    return Fault{fmt::format("range {}", k), within ? fmt::format("within {}..{}", all[k].lo, all[k].hi) : "finite and ordered",
                 fmt::format("{}..{}", got[k].lo, got[k].hi)};
  }
  return std::nullopt;
}

// On AnyObserver, so that the laws are compiled once and not for every observer.
inline std::vector<Law<ObserverCase>> observer_laws(const AnyObserver& fresh, const ObserverPromises& promises) {
  const auto seen = [&fresh](const ObserverCase& c) { return after(fresh, c); };
  // A spoiled copy of a value that is seen elsewhere in its channel would change the range, so the values are kept
  // and a batch of nothing but NaN and infinities follows each.
  const auto with_nan = [&fresh](const ObserverCase& c) {
    AnyObserver o = fresh;
    for (const auto& batch : c.batches) {
      see(o, batch, c.shape);
      std::vector<float> bad(batch.size(), std::numeric_limits<float>::quiet_NaN());
      bad[0] = std::numeric_limits<float>::infinity();
      see(o, bad, c.shape);
    }
    return o;
  };
  const auto carried = [&fresh](const ObserverCase& c) {
    AnyObserver from = after(fresh, c), to = fresh;
    carry(from, to);
    return to;
  };
  // Takes a batch that reaches further than the first one, so that it would change most ranges.
  const auto once_more = [](AnyObserver o, const ObserverCase& c) {
    std::vector<float> next = c.batches[0];
    for (float& v : next) v = 1.0f - 2.0f * v;
    see(o, next, c.shape);
    return o;
  };
  const auto after_reset = [&fresh](const ObserverCase& c) {
    AnyObserver o = after(fresh, c);
    o.reset();
    return o;
  };

  std::vector<Law<ObserverCase>> laws;
  laws.push_back({"an empty observer reports Errc::state", [&fresh](const ObserverCase&) -> std::optional<Fault> {
                    const std::string got = answer(fresh);
                    if (fresh.empty() && got == "error state") return std::nullopt;
                    return Fault{"ranges() before anything was observed, whatever follows", "empty() and error state",
                                 fmt::format("empty() is {} and {}", fresh.empty(), got)};
                  }});
  laws.push_back({promises.within ? "ranges lie within all values seen" : "ranges are finite and ordered",
                  [&fresh, within = promises.within](const ObserverCase& c) { return wrong_ranges(fresh, c, within); }});
  laws.push_back({"the state does not grow with the batches", [&fresh](const ObserverCase& c) -> std::optional<Fault> {
                    const std::size_t one = state_size(after(fresh, {c.shape, {c.batches[0]}})), all = state_size(after(fresh, c));
                    if (one == all) return std::nullopt;
                    return Fault{{}, fmt::format("{} numbers", one), fmt::format("{}", all)};
                  }});
  if (fresh.needs_values()) {
    laws.push_back({"an observer of values refuses ranges", [&fresh](const ObserverCase&) -> std::optional<Fault> {
                      AnyObserver o = fresh;
                      try {
                        o.observe(Range{-1, 1});
                      } catch (const Error& e) {
                        if (e.code() == Errc::state) return std::nullopt;
                      }
                      return Fault{"the range -1..1", "error state", "no error, or another"};
                    }});
  } else {
    laws.push_back(same_answer(
        "observing ranges equals observing values",
        [&fresh](const ObserverCase& c) {
          AnyObserver o = fresh;
          for (const auto& batch : c.batches) {
            const std::vector<Range> ranges = min_max(std::span<const float>(batch), c.shape, fresh.granularity());
            o.observe(std::span<const Range>(ranges));
          }
          return o;
        },
        seen));
  }
  laws.push_back(same_answer("values that are not finite change nothing", with_nan, seen));
  laws.push_back({"values that are not finite are counted", [=](const ObserverCase& c) -> std::optional<Fault> {
                    const auto bad = static_cast<std::int64_t>(c.batches.size()) * c.shape.elements();
                    const std::int64_t got = with_nan(c).non_finite(), none = seen(c).non_finite();
                    if (got == bad && none == 0) return std::nullopt;
                    return Fault{fmt::format("{} NaN and infinities after the values", bad),
                                 fmt::format("non_finite() is 0, then {}", bad), fmt::format("{}, then {}", none, got)};
                  }});
  laws.push_back(same_answer(
      "merging an empty observer changes nothing",
      [=, &fresh](const ObserverCase& c) {
        AnyObserver o = seen(c);
        o.merge(fresh);
        return o;
      },
      seen));
  laws.push_back(same_answer(
      "merging into an empty observer copies",
      [=, &fresh](const ObserverCase& c) {
        AnyObserver o = fresh;
        o.merge(seen(c));
        return o;
      },
      seen));
  laws.push_back(same_answer("fields() carry the state", carried, seen));
  laws.push_back(same_answer(
      "fields() carry the whole state: the next batch is taken alike",
      [=](const ObserverCase& c) { return once_more(carried(c), c); },
      [=](const ObserverCase& c) { return once_more(seen(c), c); }));
  laws.push_back({"reset() forgets", [=](const ObserverCase& c) -> std::optional<Fault> {
                    const AnyObserver o = after_reset(c);
                    if (o.empty()) return std::nullopt;
                    return Fault{{}, "empty() after reset()", "not empty, ranges " + answer(o)};
                  }});
  laws.push_back(same_answer(
      "after reset() it is as good as new", [=](const ObserverCase& c) { return once_more(after_reset(c), c); },
      [=, &fresh](const ObserverCase& c) { return once_more(fresh, c); }));
  if (promises.order_free) {
    laws.push_back(same_answer(
        "the order of batches does not matter",
        [&fresh](ObserverCase c) {
          std::reverse(c.batches.begin(), c.batches.end());
          return after(fresh, c);
        },
        seen));
    laws.push_back(same_answer(
        "merged parts equal the whole",
        [&fresh](const ObserverCase& c) {
          AnyObserver whole = fresh;
          for (const auto& batch : c.batches) {
            AnyObserver part = fresh;
            see(part, batch, c.shape);
            whole.merge(part);
          }
          return whole;
        },
        seen));
  }
  return laws;
}

}  // namespace detail

/// Checks an observer, given one that has seen nothing.
/// Laws:  empty is reported as Errc::state, never guessed; ranges are finite and ordered and, if promised, lie within all
///        values seen, up to float rounding; NaN and infinities are counted and change nothing; observing ranges equals
///        observing values, or is refused where the observer needs values; merging an empty one changes nothing; fields()
///        carry the whole state, which does not grow with the batches; reset() forgets; if promised, order does not
///        matter and parts merge
template <class O>
LawReport check_observer_laws(const O& fresh, const ObserverPromises& promises = {}, const LawOptions& options = {}) {
  if constexpr (check_observer<O>()) {
    const AnyObserver any(fresh);
    const Granularity g = any.granularity();
    const Cases<ObserverCase> cases{
        [=](Rng& rng, int round) { return detail::draw_observer_case(g, rng, round); },
        [=](ObserverCase& c, const Breaks<ObserverCase>& breaks) { detail::shrink_observer_case(g, c, breaks); },
        [](const ObserverCase& c) { return detail::describe(c); }};
    return check_laws(detail::observer_laws(any, promises), cases, options);
  } else {
    return {};
  }
}

}  // namespace stet::testing
