#pragma once
// Laws of Observer.

#include <stet/quant/observer.hpp>
#include <stet/testing/law_report.hpp>
#include <stet/testing/scheme_laws.hpp>

#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

namespace stet::testing {

/// What an observer promises beyond the common laws.
struct ObserverPromises {
  bool order_free = false;  ///< batches in any order, or merged from parts, give the same ranges
  bool within = true;       ///< ranges lie within all values seen; false where the grid decides how far they reach
};

namespace detail {

inline std::string text(const std::vector<Range>& ranges) {
  std::string out;
  for (std::size_t i = 0; i < ranges.size() && i < 4; ++i) {
    out += fmt::format("{}{:.9g}..{:.9g}", i > 0 ? ", " : "", ranges[i].lo, ranges[i].hi);
  }
  return out + (ranges.size() > 4 ? ", ..." : "");
}

template <class O>
std::string answer(const O& o) {
  try {
    return text(o.ranges());
  } catch (const Error& e) {
    return std::string("error ") + name(e.code());
  }
}

// Moves the state of one observer into another through fields(), as a checkpoint does.
template <class O>
void carry(O& from, O& to) {
  std::tuple<std::vector<std::int64_t>, std::vector<std::vector<float>>, std::vector<std::vector<double>>,
             std::vector<std::vector<std::int64_t>>>
      kept;
  from.fields([&]<class T>(std::string_view, T& field) { std::get<std::vector<T>>(kept).push_back(field); });
  std::size_t numbers = 0, floats = 0, doubles = 0, integers = 0;
  const auto next = [](const auto& list, std::size_t& at) { return at < list.size() ? list[at++] : list.at(at); };
  to.fields([&]<class T>(std::string_view, T& field) {
    std::size_t& at = std::is_same_v<T, std::int64_t>         ? numbers
                      : std::is_same_v<T, std::vector<float>>  ? floats
                      : std::is_same_v<T, std::vector<double>> ? doubles
                                                               : integers;
    field = next(std::get<std::vector<T>>(kept), at);
  });
}

template <class O>
bool needs_values(const O& o) {
  if constexpr (requires { o.needs_values(); }) {
    return o.needs_values();
  } else {
    return stet::detail::NeedsValues<O>;
  }
}
template <class O>
void observe_ranges(O& o, const std::vector<Range>& ranges) {
  if constexpr (requires { o.observe(std::span<const Range>(ranges)); }) o.observe(std::span<const Range>(ranges));
}
// How many numbers the state consists of.
template <class O>
std::size_t state_size(O& o) {
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

}  // namespace detail

/// Checks an observer, given one that has seen nothing.
/// Laws:  empty is reported as Errc::state, never guessed; ranges are finite and ordered and, if promised, lie within all
///        values seen; NaN and infinities are counted and change nothing; observing ranges equals observing values, or is
///        refused where the observer needs values; merging an empty one changes nothing; fields() carry the whole state,
///        which does not grow with the batches; reset() forgets; if promised, order does not matter and parts merge
template <class O>
LawReport check_observer_laws(const O& fresh, const ObserverPromises& promises = {}, const LawOptions& options = {}) {
  static_cast<void>(check_observer<O>());
  LawReport report;
  Rng rng(options.seed);
  const Granularity granularity = fresh.granularity();
  const Shape shape = detail::shape_for(granularity);
  const auto check_same = [&](const std::string& law, const std::string& input, const O& a, const O& b) {
    const std::string got = detail::answer(a), expected = detail::answer(b);
    report.check(got == expected, law, input, expected, got);
  };
  if constexpr (std::is_same_v<O, AnyObserver>) {
    if (fresh.needs_values()) {
      O given = fresh;
      bool refused = false;
      try {
        given.observe(Range{-1, 1});
      } catch (const Error& e) {
        refused = e.code() == Errc::state;
      }
      report.check(refused, "an observer of values refuses ranges", "the range -1..1", "error state", "no error");
    }
  }
  report.check(fresh.empty() && detail::answer(fresh) == "error state", "an empty observer reports Errc::state",
               "nothing observed", "empty() and error state", detail::answer(fresh));
  for (int round = 0; round < options.rounds; ++round) {
    std::vector<std::vector<float>> batches;
    for (std::uint64_t b = 0; b < 1 + rng.below(4); ++b) {
      batches.push_back(detail::random_values(rng, shape.elements(), static_cast<int>(rng.below(6))));
    }
    const std::string input = fmt::format("{} batches, the first {}", batches.size(), testing::text(batches[0]));
    O seen = fresh, by_range = fresh, with_nan = fresh, backwards = fresh, merged = fresh;
    std::vector<Range> all;
    for (std::size_t b = 0; b < batches.size(); ++b) {
      const std::span<const float> x(batches[b]);
      const std::vector<Range> ranges = min_max(x, shape, granularity);
      seen.observe(x, shape);
      if (!detail::needs_values(fresh)) detail::observe_ranges(by_range, ranges);
      for (std::size_t k = 0; k < ranges.size(); ++k) {
        if (b == 0) all.push_back(ranges[k]);
        all[k] = unite(all[k], ranges[k]);
      }
      // A spoiled copy of a value that is seen elsewhere in its channel would change the range, so the value is kept
      // and a batch of nothing but NaN and infinities is added.
      with_nan.observe(x, shape);
      std::vector<float> bad(batches[b].size(), std::numeric_limits<float>::quiet_NaN());
      bad[0] = std::numeric_limits<float>::infinity();
      with_nan.observe(std::span<const float>(bad), shape);
      backwards.observe(std::span<const float>(batches[batches.size() - 1 - b]), shape);
      O part = fresh;
      part.observe(x, shape);
      merged.merge(part);
    }
    O one = fresh;
    one.observe(std::span<const float>(batches[0]), shape);
    report.check(detail::state_size(one) == detail::state_size(seen), "the state does not grow with the batches", input,
                 fmt::format("{} numbers", detail::state_size(one)), fmt::format("{}", detail::state_size(seen)));
    const std::vector<Range> got = seen.ranges();
    bool inside = got.size() == all.size();
    bool ordered = inside;
    for (std::size_t k = 0; ordered && k < got.size(); ++k) {
      ordered = got[k].finite() && got[k].lo <= got[k].hi;
      inside = inside && all[k].lo <= got[k].lo && got[k].hi <= all[k].hi;
    }
    report.check(ordered, "one finite, ordered range per scale", input, fmt::format("{} ranges", all.size()),
                 detail::text(got));
    if (promises.within) {
      report.check(inside, "ranges lie within all values seen", input, "within " + detail::text(all),
                   detail::text(got));
    }
    if (!detail::needs_values(fresh)) check_same("observing ranges equals observing values", input, by_range, seen);
    check_same("values that are not finite change nothing", input, with_nan, seen);
    report.check(
        with_nan.non_finite() == static_cast<std::int64_t>(batches.size()) * shape.elements() && seen.non_finite() == 0,
        "values that are not finite are counted", input,
        fmt::format("{}", static_cast<std::int64_t>(batches.size()) * shape.elements()),
        fmt::format("{}", with_nan.non_finite()));
    O left = seen, right = fresh;
    left.merge(fresh);
    right.merge(seen);
    check_same("merging an empty observer changes nothing", input, left, seen);
    check_same("merging into an empty observer copies", input, right, seen);
    O carried = fresh, again = seen;
    detail::carry(again, carried);
    check_same("fields() carry the state", input, carried, seen);
    carried.observe(std::span<const float>(batches[0]), shape);
    again.observe(std::span<const float>(batches[0]), shape);
    check_same("fields() carry the whole state", input + ", then the first once more", carried, again);
    again.reset();
    report.check(again.empty(), "reset() forgets", input, "empty()", "not empty");
    again.observe(std::span<const float>(batches[0]), shape);
    O first = fresh;
    first.observe(std::span<const float>(batches[0]), shape);
    check_same("after reset() it is as good as new", input, again, first);
    if (promises.order_free) {
      check_same("the order of batches does not matter", input, backwards, seen);
      check_same("merged parts equal the whole", input, merged, seen);
    }
  }
  return report;
}

}  // namespace stet::testing
