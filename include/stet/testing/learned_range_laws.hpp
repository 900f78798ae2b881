#pragma once
// Laws of LearnedRange.

#include <stet/core/random.hpp>
#include <stet/qat/learned_range.hpp>
#include <stet/testing/law_report.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace stet::testing {

/// What a learned range promises beyond the common laws.
struct LearnedRangePromises {
  std::optional<double> gradient_factor{};  ///< pull is the derivative of the scales by the parameters times this
};

namespace detail {

inline std::string summary(const QParams& p) {
  return formatted("scale {:.9g}, zero point {}, {} of them", p.scale.empty() ? 0.0f : p.scale[0],
                     p.zero_point.empty() ? 0 : p.zero_point[0], p.scale.size());
}

// Whether parameters can quantize: as many scales as before, positive, with a reciprocal, zero points on the grid.
inline bool usable(const QParams& p, std::size_t scales) {
  bool good = p.scale.size() == scales && p.zero_point.size() == scales;
  for (std::size_t k = 0; good && k < scales; ++k) {
    good = std::isfinite(p.scale[k]) && p.scale[k] > 0.0f && std::isfinite(1.0f / p.scale[k]) &&
           p.grid.contains(p.zero_point[k]);
  }
  return good;
}

// Whether parameters are the same but for rounding of the scales.
inline bool alike(const QParams& a, const QParams& b) {
  bool same = a.grid == b.grid && a.granularity == b.granularity && a.zero_point == b.zero_point &&
              a.scale.size() == b.scale.size();
  for (std::size_t k = 0; same && k < a.scale.size(); ++k) same = std::abs(a.scale[k] / b.scale[k] - 1.0f) < 1e-5f;
  return same;
}

// Copies the state of a range into another through fields(), as a checkpoint does: by type and order.
template <class R>
void carry_fields(R& from, R& to) {
  std::vector<Tensor<float>> tensors;
  std::vector<std::vector<float>> floats;
  std::vector<std::vector<std::int32_t>> integers;
  std::vector<double> numbers;
  from.fields([&]<class T>(std::string_view, T& field) {
    if constexpr (std::is_same_v<T, Tensor<float>>) {
      tensors.push_back(field);
    } else if constexpr (std::is_same_v<T, std::vector<float>>) {
      floats.push_back(field);
    } else if constexpr (std::is_same_v<T, std::vector<std::int32_t>>) {
      integers.push_back(field);
    } else {
      numbers.push_back(static_cast<double>(field));
    }
  });
  std::size_t t = 0, f = 0, i = 0, n = 0;
  to.fields([&]<class T>(std::string_view, T& field) {
    if constexpr (std::is_same_v<T, Tensor<float>>) {
      field = tensors[t++];
    } else if constexpr (std::is_same_v<T, std::vector<float>>) {
      field = floats[f++];
    } else if constexpr (std::is_same_v<T, std::vector<std::int32_t>>) {
      field = integers[i++];
    } else {
      field = static_cast<T>(numbers[n++]);
    }
  });
}

// Parameter i of a range, counted through all its parameters.
template <class R>
float& parameter_at(R& range, std::size_t i) {
  for (Parameter* p : range.parameters()) {
    const auto size = static_cast<std::size_t>(p->value.size());
    if (i < size) return p->value.edit()[i];
    i -= size;
  }
  fail(Errc::range, "learned range: no parameter {} more", i);
}

// The derivatives of one scale by every parameter: central differences, or, where a parameter moves it in leaps only,
// over a step of 2.
template <class R>
std::vector<double> scale_slopes(const R& given, std::size_t parameters, std::size_t k) {
  std::vector<double> slopes(parameters);
  bool flat = true;
  for (const double size : {0x1p-8, 1.0}) {
    for (std::size_t i = 0; flat && i < parameters; ++i) {
      R below = given, above = given;
      float& lower = parameter_at(below, i);
      float& upper = parameter_at(above, i);
      const float h = static_cast<float>(size) * std::max(1.0f, std::abs(lower));
      lower -= h;
      upper += h;
      const double width = static_cast<double>(upper) - static_cast<double>(lower);
      slopes[i] = (static_cast<double>(above.qparams().scale[k]) - static_cast<double>(below.qparams().scale[k])) / width;
    }
    for (const double s : slopes) flat = flat && s == 0;
  }
  return slopes;
}

template <class F>
std::string error_of(F f) {
  try {
    f();
    return "no error";
  } catch (const Error& e) {
    return name(e.code());
  }
}

}  // namespace detail

/// Checks a learned range that was initialized, and one of the same kind that may hold other values (`other`), into
/// which its state is carried.
/// Laws:  begin() stands where another one stands, or changes nothing; qparams() is usable for any parameter values, tiny, huge, infinite and of either sign; a parameter that is
///        NaN is Errc::range; clamp_parameters() changes no qparams() and is a projection; pull of zeros gives zeros of the
///        parameters' shapes, pull adds and is linear; gradients that are NaN or infinite, or of another number, are
///        errors that change nothing; a step against any gradient leaves a usable range; fields() carry the state;
///        the gradient of a scale has the sign of its derivative by each parameter and, if promised, its size
template <class R>
LawReport check_learned_range_laws(const R& given, const R& other, const LearnedRangePromises& promises = {},
                                   const LawOptions& options = {}) {
  static_cast<void>(check_learned_range<R>());
  LawReport report;
  Rng rng(options.seed);
  const std::size_t scales = given.qparams().scale.size();
  const std::vector<double> zeros(scales);
  constexpr double inf = std::numeric_limits<double>::infinity();
  const auto shapes_fit = [](R& r) {
    bool fit = true;
    for (const Parameter* p : r.parameters()) fit = fit && p->gradient.shape() == p->value.shape();
    return fit;
  };
  const auto gradients = [](R& r) {
    std::vector<float> all;
    for (const Parameter* p : r.parameters())
      all.insert(all.end(), p->gradient.span().begin(), p->gradient.span().end());
    return all;
  };
  report.check(detail::usable(given.qparams(), scales), "qparams() is usable", "as given", "positive scales",
               detail::summary(given.qparams()));

  R begun = other;
  const bool began = begun.begin(given.qparams());
  report.check(detail::alike(begun.qparams(), began ? given.qparams() : other.qparams()),
               began ? "it begins where another one stands" : "what it cannot begin at changes nothing",
               detail::summary(given.qparams()), detail::summary(began ? given.qparams() : other.qparams()),
               detail::summary(begun.qparams()));

  R silent = given;
  silent.pull(zeros, zeros);
  bool all_zero = shapes_fit(silent);
  for (const float v : gradients(silent)) all_zero = all_zero && v == 0.0f;
  report.check(all_zero, "zero gradients give zeros of the parameters' shapes", "zeros", "zeros", "something else");

  // A gradient of one scale alone goes where the parameters move that scale.
  const std::size_t parameters = gradients(silent).size();
  for (std::size_t k = 0; parameters > 0 && k < scales; ++k) {
    std::vector<double> ds(scales);
    ds[k] = 1.0;
    R pulled = given;
    pulled.pull(ds, zeros);
    const std::vector<float> got = gradients(pulled);
    const std::vector<double> slopes = detail::scale_slopes(given, parameters, k);
    bool alike = got.size() == parameters, equal = alike;
    for (std::size_t i = 0; alike && i < parameters; ++i) {
      const double g = static_cast<double>(got[i]);
      alike = (g > 0) == (slopes[i] > 0) && (g < 0) == (slopes[i] < 0);
      const double expected = promises.gradient_factor.value_or(1.0) * slopes[i];
      equal = equal && std::abs(g - expected) <= 0.01 * std::abs(expected);
    }
    const std::vector<float> slopes_text(slopes.begin(), slopes.end());
    report.check(alike, "the gradient of a scale has the sign of its derivative by each parameter",
                 formatted("a gradient of 1 for scale {}", k), text(slopes_text), text(got));
    if (!promises.gradient_factor) continue;
    report.check(equal, "the gradient of a scale is the promised factor times its derivative",
                 formatted("a gradient of 1 for scale {}", k),
                 formatted("{} times {}", *promises.gradient_factor, text(slopes_text)), text(got));
  }

  for (int round = 0; round < options.rounds; ++round) {
    R range = given;
    const std::string input = formatted("round {}, seed {}", round, options.seed);
    // Any value that an optimizer could leave.
    const double extremes[] = {0.0, 1.0, 1e-30, 1e10, 3e38, inf, 1e-45, 40.0};
    for (Parameter* p : range.parameters()) {
      for (float& v : p->value.edit()) {
        const double size = rng.below(2) == 0 ? rng.normal() * 3 : extremes[rng.below(8)];
        v = static_cast<float>(rng.below(2) == 0 ? size : -size);
      }
    }
    const QParams before = range.qparams();
    report.check(detail::usable(before, scales), "qparams() is usable for any parameter values", input,
                 "positive scales, zero points on the grid", detail::summary(before));
    range.clamp_parameters();
    const QParams after = range.qparams();
    report.check(after == before, "clamp_parameters() changes no qparams()", input, detail::summary(before),
                 detail::summary(after));
    bool finite = true;
    for (const Parameter* p : range.parameters()) {
      for (const float v : p->value.span()) finite = finite && std::isfinite(v);
    }
    report.check(finite, "clamp_parameters() leaves finite parameters", input, "finite", "infinite");

    // pull is linear and adds.
    std::vector<double> ds(scales), dz(scales), twice_ds(scales), twice_dz(scales);
    for (std::size_t k = 0; k < scales; ++k) {
      ds[k] = rng.normal();
      dz[k] = rng.normal();
      twice_ds[k] = 2 * ds[k];
      twice_dz[k] = 2 * dz[k];
    }
    R once = given, two = given, sum = given;
    once.pull(ds, dz);
    two.pull(twice_ds, twice_dz);
    sum.pull(ds, dz);
    sum.pull(ds, dz);
    report.check(gradients(two) == gradients(sum), "pull adds, and is linear", input, text(gradients(two)),
                 text(gradients(sum)));

    // What is no gradient changes nothing.
    if (!once.parameters().empty()) {
      const std::vector<float> kept = gradients(once);
      const std::size_t at = rng.below(scales);
      std::vector<double> bad = ds;
      bad[at] = rng.below(2) == 0 ? inf : std::numeric_limits<double>::quiet_NaN();
      report.check(detail::error_of([&] { once.pull(bad, dz); }) == "range" && gradients(once) == kept,
                   "a gradient of a scale that is not finite is Errc::range and changes nothing", input, "range",
                   detail::error_of([&] { once.pull(bad, dz); }));
      report.check(detail::error_of([&] { once.pull(ds, bad); }) == "range" && gradients(once) == kept,
                   "a gradient of a zero point that is not finite is Errc::range and changes nothing", input, "range",
                   detail::error_of([&] { once.pull(ds, bad); }));
      const std::vector<double> longer(scales + 1);
      report.check(detail::error_of([&] { once.pull(longer, longer); }) == "shape" && gradients(once) == kept,
                   "another number of gradients is Errc::shape and changes nothing", input, "shape",
                   detail::error_of([&] { once.pull(longer, longer); }));
      R spoiled = given;
      spoiled.parameters()[rng.below(spoiled.parameters().size())]->value.edit()[0] =
          std::numeric_limits<float>::quiet_NaN();
      report.check(detail::error_of([&] { static_cast<void>(spoiled.qparams()); }) == "range" &&
                       detail::error_of([&] { spoiled.clamp_parameters(); }) == "range",
                   "a parameter that is NaN is Errc::range", input, "range",
                   detail::error_of([&] { spoiled.clamp_parameters(); }));
    }

    // Steps of any size against random gradients.
    R trained = given;
    for (int step = 0; step < 8; ++step) {
      for (std::size_t k = 0; k < scales; ++k) {
        ds[k] = rng.normal() * std::pow(10.0, rng.uniform(-10, 12));
        dz[k] = rng.normal() * std::pow(10.0, rng.uniform(-10, 12));
      }
      for (Parameter* p : trained.parameters()) p->clear_gradient();
      trained.clamp_parameters();
      trained.pull(ds, dz);
      for (Parameter* p : trained.parameters()) {
        for (std::size_t i = 0; i < static_cast<std::size_t>(p->value.size()); ++i) {
          p->value.edit()[i] -= p->gradient[static_cast<std::int64_t>(i)];
        }
      }
      report.check(detail::usable(trained.qparams(), scales), "a step against any gradient leaves a usable range",
                   input, "positive scales, zero points on the grid", detail::summary(trained.qparams()));
    }

    R carried = other;
    detail::carry_fields(range, carried);
    report.check(carried.qparams() == range.qparams(), "fields() carry the state", input, detail::summary(range.qparams()),
                 detail::summary(carried.qparams()));
    R moved = range;
    for (R* r : {&moved, &carried}) {
      for (Parameter* p : r->parameters()) p->clear_gradient();
      r->pull(std::vector<double>(scales, 0.5), std::vector<double>(scales, 0.25));
    }
    report.check(gradients(moved) == gradients(carried), "fields() carry all that pull needs", input,
                 text(gradients(moved)), text(gradients(carried)));
  }
  return report;
}

}  // namespace stet::testing
