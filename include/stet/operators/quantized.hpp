#pragma once
// Every operator that is trained on codes: run(op, UnitSite), or product_of(op) of layers. Tables of codes have one in common.

#include <stet/operators/activation/quantized.hpp>
#include <stet/operators/clip/quantized.hpp>
#include <stet/operators/constant/quantized.hpp>
#include <stet/operators/conv_transpose/quantized.hpp>
#include <stet/operators/convolution/quantized.hpp>
#include <stet/operators/elementwise/quantized.hpp>
#include <stet/operators/extremum/quantized.hpp>
#include <stet/operators/input/quantized.hpp>
#include <stet/operators/linear/quantized.hpp>
#include <stet/operators/pad_channels/quantized.hpp>
#include <stet/operators/pooling/quantized.hpp>
#include <stet/operators/real/quantized.hpp>
#include <stet/operators/resize_bilinear/quantized.hpp>
#include <stet/operators/shape/quantized.hpp>
#include <stet/operators/slice/quantized.hpp>
#include <stet/operators/upsample/quantized.hpp>
