#pragma once
// What the operators that integers know ask of a target: resolve(op, Surroundings), requantization(op, Target) of layers,
// table_function(op) of functions of one number.

#include <stet/operators/activation/resolve.hpp>
#include <stet/operators/clip/resolve.hpp>
#include <stet/operators/constant/resolve.hpp>
#include <stet/operators/conv_transpose/resolve.hpp>
#include <stet/operators/convolution/resolve.hpp>
#include <stet/operators/elementwise/resolve.hpp>
#include <stet/operators/extremum/resolve.hpp>
#include <stet/operators/input/resolve.hpp>
#include <stet/operators/linear/resolve.hpp>
#include <stet/operators/pad_channels/resolve.hpp>
#include <stet/operators/pooling/resolve.hpp>
#include <stet/operators/real/resolve.hpp>
#include <stet/operators/resize_bilinear/resolve.hpp>
#include <stet/operators/shape/resolve.hpp>
#include <stet/operators/slice/resolve.hpp>
#include <stet/operators/upsample/resolve.hpp>
