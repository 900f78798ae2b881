#pragma once
// Mutants: shipped types with one thing changed, which the laws must notice. The honest types are in laws_test.cpp,
// scheme_laws_test.cpp and learned_range_laws_test.cpp, where the same laws find nothing.
#include <stet/testing/laws.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace stet_test {

/// Counts mutants, and checks that each broke the law that is meant for it.
class Mutants {
 public:
  void killed(const std::string& name, const stet::testing::LawReport& report, const std::string& law) {
    INFO(name << "\n" << report.str());
    CHECK(names_.insert(name).second);  // each counts once
    bool found = false;
    for (const stet::testing::Broken& broken : report.broken)
      found = found || broken.law.find(law) != std::string::npos;
    CHECK(found);
  }
  [[nodiscard]] std::size_t count() const { return names_.size(); }

 private:
  std::set<std::string> names_;
};

/// A scheme with changes behind (or, for `mask` and `input`, before) what it does.
template <class S>
struct SchemeMutant {
  using Code = stet::CodeOf<S>;
  S of;
  std::function<void(stet::QParams&)> params{};
  std::function<stet::ClipMask(stet::ClipMask)> mask{};
  std::function<float(float)> input{};
  std::function<void(std::span<const float> x, const stet::QParams&, std::span<Code> codes,
                     std::span<std::uint32_t> pass)>
      codes{};
  std::function<void(std::span<const Code> codes, const stet::QParams&, std::span<float> y)> values{};

  [[nodiscard]] stet::Grid grid() const
    requires stet::detail::HasGrid<S>
  {
    return of.grid();
  }
  [[nodiscard]] stet::Granularity granularity() const { return stet::granularity_of(of); }
  [[nodiscard]] stet::QParams qparams(std::span<const stet::Range> ranges) const
    requires(!stet::detail::HasValueQParams<S>)
  {
    return changed(of.qparams(ranges));
  }
  [[nodiscard]] stet::QParams qparams(std::span<const float> x, const stet::Shape& shape) const
    requires stet::detail::HasValueQParams<S>
  {
    return changed(of.qparams(x, shape));
  }
  void encode(std::span<const float> x, const stet::Shape& shape, const stet::QParams& p, stet::ClipMask policy,
              std::span<Code> to, std::span<std::uint32_t> pass) const {
    std::vector<float> in(x.begin(), x.end());
    if (input) std::transform(in.begin(), in.end(), in.begin(), input);
    of.encode(in, shape, p, mask ? mask(policy) : policy, to, pass);
    if (codes) codes(x, p, to, pass);
  }
  void decode(std::span<const Code> from, const stet::Shape& shape, const stet::QParams& p, std::span<float> y) const {
    of.decode(from, shape, p, y);
    if (values) values(from, p, y);
  }

 private:
  [[nodiscard]] stet::QParams changed(stet::QParams p) const {
    if (params) params(p);
    return p;
  }
};

}  // namespace stet_test
