#pragma once
// What check says of an operator beyond what it says of all: remark(op, UnitRemarks), remark_scales(op, parameters,
// UnitRemarks).

#include <stet/operators/elementwise/check.hpp>
#include <stet/operators/linear/check.hpp>
#include <stet/operators/pooling/check.hpp>
#include <stet/operators/real/check.hpp>
#include <stet/operators/shape/check.hpp>
