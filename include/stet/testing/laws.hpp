#pragma once
// The laws of what users may replace: Scheme, Observer, Estimator, LearnedRange. Each check returns a LawReport; no
// test framework.

#include <stet/testing/estimator_laws.hpp>
#include <stet/testing/for_all_parameters.hpp>
#include <stet/testing/learned_range_laws.hpp>
#include <stet/testing/observer_laws.hpp>
#include <stet/testing/scheme_laws.hpp>
