// The types of examples/custom_scheme obey the laws, and what is called an under-60-line program is one.
#include "../../examples/custom_scheme/affine_scheme.hpp"
#include "../../examples/custom_scheme/custom_scheme.hpp"

#include <stet/testing/laws.hpp>

#include "support/catch.hpp"

#include <fstream>
#include <string>

namespace custom_scheme_test {

using namespace stet;
using namespace stet::testing;

TEST_CASE("the example's scheme, observer and estimator obey the laws") {
  const LawReport scheme = check_scheme_laws(Log4{});
  INFO(scheme.str());
  CHECK(scheme.ok());
  const LawReport observer = for_all_observers([](const Granularity& g) { return PeakObserver(g); }, {}, granularities());
  INFO(observer.str());
  CHECK(observer.ok());
  const LawReport estimator = check_estimator_laws(LeakySte{});
  INFO(estimator.str());
  CHECK(estimator.ok());
  const LawReport affine = check_scheme_laws(ThreeSigma{});
  INFO(affine.str());
  CHECK(affine.ok());
  static_assert(!AffineScheme<Log4> && AffineScheme<ThreeSigma>);
}

TEST_CASE("the example's three types take less than 60 lines") {
  std::ifstream file(STET_TEST_DIR "/../examples/custom_scheme/custom_scheme.hpp");
  int lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  CHECK(lines > 0);
  CHECK(lines < 60);
}

}  // namespace custom_scheme_test
