#pragma once
// Laws of Observer, and what an observer promises beyond them.

#include <stet/testing/observer_cases.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet::testing {

/// What an observer promises beyond the common laws.
struct ObserverPromises {
  bool order_free = false;  ///< batches in any order, or merged from parts, give the same ranges
  bool within = true;       ///< ranges lie within all values seen; false where the grid decides how far they reach
  bool exact = true;  ///< one batch, seen once or again, gives its smallest and largest value; only where ranges suffice
  bool proportional = true;         ///< values twice as large give ranges twice as large
  double share = 0;                 ///< at least this part of the values of one batch lies in its ranges
  std::optional<double> follows{};  ///< a second batch moves the range by this part of the way to its own
  bool bounded = true;              ///< the state does not grow with the batches
};

namespace detail {

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
  if (got.size() != all.size()) return Fault{{}, formatted("{} ranges", all.size()), formatted("{}", got.size())};
  for (std::size_t k = 0; k < all.size(); ++k) {
    const double slack = 0x1p-22 * static_cast<double>(all[k].absmax());  // an average is rounded
    const double lo = static_cast<double>(all[k].lo) - slack, hi = static_cast<double>(all[k].hi) + slack;
    const bool ordered = got[k].finite() && got[k].lo <= got[k].hi;
    if (ordered && (!within || (lo <= got[k].lo && got[k].hi <= hi))) continue;
    return Fault{formatted("range {}", k), within ? formatted("within {}..{}", all[k].lo, all[k].hi) : "finite and ordered",
                 formatted("{}..{}", got[k].lo, got[k].hi)};
  }
  return std::nullopt;
}

// Whether ranges are the same up to float rounding; an error is the same as an error.
inline bool close(const AnyObserver& a, const AnyObserver& b) {
  if (a.empty() || b.empty()) return a.empty() == b.empty();
  const std::vector<Range> x = a.ranges(), y = b.ranges();
  bool same = x.size() == y.size();
  for (std::size_t k = 0; same && k < x.size(); ++k) {
    const double slack = 0x1p-18 * static_cast<double>(std::max(x[k].absmax(), y[k].absmax()));
    same = std::abs(static_cast<double>(x[k].lo) - static_cast<double>(y[k].lo)) <= slack &&
           std::abs(static_cast<double>(x[k].hi) - static_cast<double>(y[k].hi)) <= slack;
  }
  return same;
}

inline std::optional<Fault> one_sided_merge(const AnyObserver& fresh, const ObserverCase& c) {
  if (c.batches.size() < 2) return std::nullopt;
  const AnyObserver first = after(fresh, {c.shape, {c.batches[0]}});
  const AnyObserver rest = after(fresh, {c.shape, {c.batches.begin() + 1, c.batches.end()}});
  AnyObserver ab = first, ba = rest;
  ab.merge(rest);
  ba.merge(first);
  if (close(ab, ba)) return std::nullopt;
  return Fault{"the first batch merged with the rest", "the same as the rest merged with the first, " + answer(ba), answer(ab)};
}

inline std::optional<Fault> inexact(const AnyObserver& fresh, const ObserverCase& c) {
  AnyObserver o = fresh;
  for (const char* times : {"once", "twice"}) {
    see(o, c.batches[0], c.shape);
    AnyObserver ranges = MinMaxObserver(fresh.granularity());
    see(ranges, c.batches[0], c.shape);
    if (answer(o) == answer(ranges)) continue;
    return Fault{formatted("the first batch {}", times), answer(ranges), answer(o)};
  }
  return std::nullopt;
}

inline std::optional<Fault> disproportionate(const AnyObserver& fresh, ObserverCase c) {
  float largest = 0;
  for (const auto& batch : c.batches) {
    for (const float v : batch) largest = std::max(largest, std::abs(v));
  }
  if (largest < 0x1p-10f) return std::nullopt;  // the smallest scale decides
  const std::vector<Range> once = after(fresh, c).ranges();
  for (auto& batch : c.batches) {
    for (float& v : batch) v *= 2;
  }
  const std::vector<Range> twice = after(fresh, c).ranges();
  for (std::size_t k = 0; k < once.size(); ++k) {
    const Range expected{2 * once[k].lo, 2 * once[k].hi};
    if (expected == twice.at(k)) continue;
    return Fault{formatted("range {} of twice the values", k), formatted("{}..{}", expected.lo, expected.hi),
                 formatted("{}..{}", twice[k].lo, twice[k].hi)};
  }
  return std::nullopt;
}

// A margin of a sixteenth of the width, half a step of 3 bits: values that close to an end are rounded to it rather than lost.
inline std::optional<Fault> too_narrow(const AnyObserver& fresh, const ObserverCase& c, double share) {
  const std::vector<float>& batch = c.batches[0];
  const std::vector<Range> ranges = after(fresh, {c.shape, {batch}}).ranges();
  const ScaleMap map = scale_map(fresh.granularity(), c.shape);
  std::int64_t inside = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Range& r = ranges.at(static_cast<std::size_t>(map.index(static_cast<std::int64_t>(i))));
    const float margin = (r.hi - r.lo) / 16;
    if (r.lo - margin <= batch[i] && batch[i] <= r.hi + margin) ++inside;
  }
  if (static_cast<double>(inside) >= share * static_cast<double>(batch.size())) return std::nullopt;
  return Fault{"the first batch", formatted("{} of its values inside the ranges", share),
               formatted("{} of {}, range 0 is {}..{}", inside, batch.size(), ranges[0].lo, ranges[0].hi)};
}

inline std::optional<Fault> wrong_step(const AnyObserver& fresh, const ObserverCase& c, double follows) {
  if (c.batches.size() < 2) return std::nullopt;
  const std::vector<Range> from = after(fresh, {c.shape, {c.batches[0]}}).ranges();
  const std::vector<Range> to = after(fresh, {c.shape, {c.batches[1]}}).ranges();
  const std::vector<Range> got = after(fresh, {c.shape, {c.batches[0], c.batches[1]}}).ranges();
  for (std::size_t k = 0; k < got.size(); ++k) {
    const auto on_the_way = [&](float a, float b) {
      return static_cast<double>(a) + follows * (static_cast<double>(b) - static_cast<double>(a));
    };
    const double lo = on_the_way(from[k].lo, to[k].lo), hi = on_the_way(from[k].hi, to[k].hi);
    const double slack = 0x1p-20 * static_cast<double>(std::max(from[k].absmax(), to[k].absmax()));
    if (std::abs(static_cast<double>(got[k].lo) - lo) <= slack && std::abs(static_cast<double>(got[k].hi) - hi) <= slack) continue;
    return Fault{formatted("range {} after the first two batches", k), formatted("{:.9g}..{:.9g}", lo, hi),
                 formatted("{}..{}", got[k].lo, got[k].hi)};
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
                                 formatted("empty() is {} and {}", fresh.empty(), got)};
                  }});
  laws.push_back({promises.within ? "ranges lie within all values seen" : "ranges are finite and ordered",
                  [&fresh, within = promises.within](const ObserverCase& c) { return wrong_ranges(fresh, c, within); }});
  const auto grown = [&fresh](const ObserverCase& c) -> std::optional<Fault> {
    const std::size_t one = state_size(after(fresh, {c.shape, {c.batches[0]}})), all = state_size(after(fresh, c));
    if (one == all) return std::nullopt;
    return Fault{{}, formatted("{} numbers", one), formatted("{}", all)};
  };
  if (promises.bounded) laws.push_back({"the state does not grow with the batches", grown});
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
                    return Fault{formatted("{} NaN and infinities after the values", bad),
                                 formatted("non_finite() is 0, then {}", bad), formatted("{}, then {}", none, got)};
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
  laws.push_back({"merging takes from both sides alike", [&fresh](const ObserverCase& c) { return one_sided_merge(fresh, c); }});
  laws.push_back({"merging adds what was not finite", [=](const ObserverCase& c) -> std::optional<Fault> {
                    AnyObserver both = with_nan(c);
                    const std::int64_t expected = 2 * both.non_finite();
                    both.merge(with_nan(c));
                    if (both.non_finite() == expected) return std::nullopt;
                    return Fault{"two with NaN and infinities after the values", formatted("non_finite() is {}", expected),
                                 formatted("{}", both.non_finite())};
                  }});
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
  if (promises.exact && !fresh.needs_values()) {
    laws.push_back({"one batch, seen once or again, gives its range", [&fresh](const ObserverCase& c) { return inexact(fresh, c); }});
  }
  if (promises.proportional) {
    laws.push_back({"values twice as large give ranges twice as large",
                    [&fresh](const ObserverCase& c) { return disproportionate(fresh, c); }});
  }
  if (promises.share > 0) {
    laws.push_back({"the promised share of one batch lies in its ranges",
                    [&fresh, share = promises.share](const ObserverCase& c) { return too_narrow(fresh, c, share); }});
  }
  if (promises.follows) {
    laws.push_back({"a second batch moves the range as promised",
                    [&fresh, follows = *promises.follows](const ObserverCase& c) { return wrong_step(fresh, c, follows); }});
  }
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
///        observing values, or is refused where the observer needs values; merging an empty one changes nothing, and
///        either side counts alike; fields() carry the whole state; reset() forgets. If promised: the state does not
///        grow with the batches; one batch gives its range, or a share of its values lies inside; ranges grow with the
///        values; a second batch moves the range so far; order does not matter and parts merge
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
