#pragma once
// The step on codes of every operator that integers know: step(op, StepSite). Tables have one in common.

#include <stet/operators/activation/engine.hpp>
#include <stet/operators/clip/engine.hpp>
#include <stet/operators/constant/engine.hpp>
#include <stet/operators/conv_transpose/engine.hpp>
#include <stet/operators/convolution/engine.hpp>
#include <stet/operators/elementwise/engine.hpp>
#include <stet/operators/extremum/engine.hpp>
#include <stet/operators/input/engine.hpp>
#include <stet/operators/linear/engine.hpp>
#include <stet/operators/pad_channels/engine.hpp>
#include <stet/operators/pooling/engine.hpp>
#include <stet/operators/real/engine.hpp>
#include <stet/operators/resize_bilinear/engine.hpp>
#include <stet/operators/shape/engine.hpp>
#include <stet/operators/slice/engine.hpp>
#include <stet/operators/upsample/engine.hpp>
