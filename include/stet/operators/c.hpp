#pragma once
// Every operator that integers know in C: as tables, write(op, WeightsWriter), and in a program, program(op, ProgramWriter). Tables of
// codes have one of each in common.

#include <stet/operators/activation/c.hpp>
#include <stet/operators/clip/c.hpp>
#include <stet/operators/constant/c.hpp>
#include <stet/operators/conv_transpose/c.hpp>
#include <stet/operators/convolution/c.hpp>
#include <stet/operators/elementwise/c.hpp>
#include <stet/operators/extremum/c.hpp>
#include <stet/operators/input/c.hpp>
#include <stet/operators/linear/c.hpp>
#include <stet/operators/pad_channels/c.hpp>
#include <stet/operators/pooling/c.hpp>
#include <stet/operators/real/c.hpp>
#include <stet/operators/resize_bilinear/c.hpp>
#include <stet/operators/shape/c.hpp>
#include <stet/operators/slice/c.hpp>
#include <stet/operators/upsample/c.hpp>
