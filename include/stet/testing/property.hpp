#pragma once
// Properties: laws over random cases, and the search for the smallest case that breaks one. Framework-free.

#include <stet/core/random.hpp>
#include <stet/core/shape.hpp>
#include <stet/quant/granularity.hpp>
#include <stet/testing/law_report.hpp>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace stet::testing {

/// How a case breaks a law.
struct Fault {
  std::string input, expected, got;
};

/// One law about a Case: nothing where it holds, else how it is broken.
template <class Case>
struct Law {
  std::string name;
  std::function<std::optional<Fault>(const Case&)> fault;
};

/// Whether a case breaks the law at hand.
template <class Case>
using Breaks = std::function<bool(const Case&)>;

/// Makes a failing input simpler while fails(x) stays true: sets elements to 0, then to 1 or -1, then to numbers with
/// few digits.
inline std::vector<float> shrink(std::vector<float> x, const Breaks<std::vector<float>>& fails) {
  const auto accept = [&](std::vector<float>& simpler) {
    if (simpler == x || !fails(simpler)) return false;
    x = std::move(simpler);
    return true;
  };
  for (std::size_t length = x.size(); length > 0; length /= 2) {
    for (std::size_t first = 0; first < x.size(); first += length) {
      std::vector<float> simpler = x;
      for (std::size_t i = first; i < x.size() && i < first + length; ++i) simpler[i] = 0.0f;
      accept(simpler);
    }
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] == 0.0f) continue;
    std::vector<float> simpler = x;
    simpler[i] = x[i] < 0.0f ? -1.0f : 1.0f;
    if (accept(simpler) || std::abs(x[i]) == 1.0f) continue;
    for (int digits = 1; digits <= 4; ++digits) {
      simpler = x;
      simpler[i] = std::strtof(formatted("{:.{}g}", x[i], digits).c_str(), nullptr);
      if (accept(simpler) || simpler[i] == x[i]) break;
    }
  }
  return x;
}

/// How cases of one kind are drawn, made smaller in place while breaks(case) stays true, and described.
template <class Case>
struct Cases {
  std::function<Case(Rng&, int round)> draw;
  std::function<void(Case&, const Breaks<Case>& breaks)> smaller;
  std::function<std::string(const Case&)> describe;
};

/// Checks laws on random cases. What breaks one is made smaller and recorded; an exception breaks a law too. What does
/// not break it a second time, as with a type that is not repeatable, is recorded as it was drawn.
template <class Case>
LawReport check_laws(const std::vector<Law<Case>>& laws, const Cases<Case>& cases, const LawOptions& options) {
  LawReport report;
  Rng rng(options.seed);
  for (int round = 0; round < options.rounds; ++round) {
    const Case drawn = cases.draw(rng, round);
    for (const Law<Case>& law : laws) {
      const auto fault = [&](const Case& c) -> std::optional<Fault> {
        try {
          return law.fault(c);
        } catch (const std::exception& e) {
          return Fault{{}, "no exception", e.what()};
        }
      };
      ++report.checked;
      if (report.find(law.name) != nullptr) continue;
      const std::optional<Fault> found = fault(drawn);
      if (!found) continue;
      // An exception on the way does not count as smaller, unless it was one from the start.
      const bool threw = found->expected == "no exception";
      const auto breaks = [&](const Case& c) {
        const std::optional<Fault> f = fault(c);
        return f && (f->expected == "no exception") == threw;
      };
      Case small = drawn;
      cases.smaller(small, breaks);
      std::optional<Fault> f = breaks(small) ? fault(small) : std::nullopt;
      if (!f) {
        small = drawn;
        f = found;
      }
      const std::string all = cases.describe(small);
      report.broken.push_back({law.name, f->input.empty() ? all : f->input + " of " + all, f->expected, f->got});
    }
  }
  return report;
}

namespace detail {

// Random values of one of several kinds: normal, uniform, one-sided, with large outliers, tiny, all zero.
inline std::vector<float> random_values(Rng& rng, std::int64_t count, int kind) {
  std::vector<float> x(static_cast<std::size_t>(count));
  for (float& v : x) {
    double value = rng.normal();
    if (kind % 6 == 1) value = rng.uniform(-3, 3);
    if (kind % 6 == 2) value = value < 0 ? -value : value;
    if (kind % 6 == 3 && rng.below(16) == 0) value *= 1000;
    if (kind % 6 == 4) value *= 1e-20;
    if (kind % 6 == 5) value = 0;
    v = static_cast<float>(value);
  }
  return x;
}

// Shapes that the granularity fits, the smallest first: any axis below 4, any group size.
inline std::vector<Shape> shapes_for(const Granularity& g) {
  const bool grouped = g.kind == Granularity::Kind::per_group;
  const std::int64_t group = grouped ? g.group : 1;
  std::vector<Shape> shapes{{1, 1, 1, group}};
  if (g.kind != Granularity::Kind::per_tensor) {
    shapes.push_back(grouped ? Shape{1, 1, 1, 2 * group} : Shape{1, 1, 1, 1}.with(g.axis, 2));
  }
  shapes.push_back({1, 2, 1, 2 * group});
  shapes.push_back({3, 2, 5, grouped ? 2 * group : 8});
  return shapes;
}

// The shape of a round: small ones for the first dozen rounds, then the largest.
inline const Shape& shape_of_round(const std::vector<Shape>& shapes, int round) {
  const auto i = static_cast<std::size_t>(round) / 6;
  return i < shapes.size() ? shapes[i] : shapes.back();
}

// Elements first .. first+count-1.
inline std::vector<float> window(const std::vector<float>& x, std::int64_t first, std::int64_t count) {
  return {x.begin() + first, x.begin() + first + count};
}

// Replaces a value by the first candidate that keeps breaking the law; false if none does.
template <class Case, class T>
bool replace_first(Case& c, T Case::* member, const std::vector<T>& candidates, const Breaks<Case>& breaks) {
  for (const T& candidate : candidates) {
    if (candidate == c.*member) return false;
    Case other = c;
    other.*member = candidate;
    if (breaks(other)) {
      c = std::move(other);
      return true;
    }
  }
  return false;
}

inline std::string text_of(const Granularity& g) {
  switch (g.kind) {
    case Granularity::Kind::per_tensor: return "per_tensor()";
    case Granularity::Kind::per_channel: return formatted("per_channel({})", g.axis);
    case Granularity::Kind::per_group: return formatted("per_group({})", g.group);
  }
  return "of unknown kind";
}

}  // namespace detail

}  // namespace stet::testing
