#pragma once
// The functions on graph Values that add an operator.

#include <stet/operators/activation/build.hpp>
#include <stet/operators/clip/build.hpp>
#include <stet/operators/conv_transpose/build.hpp>
#include <stet/operators/convolution/build.hpp>
#include <stet/operators/custom/build.hpp>
#include <stet/operators/elementary/build.hpp>
#include <stet/operators/elementwise/build.hpp>
#include <stet/operators/elu/build.hpp>
#include <stet/operators/extremum/build.hpp>
#include <stet/operators/gelu/build.hpp>
#include <stet/operators/hard_sigmoid/build.hpp>
#include <stet/operators/layer_norm/build.hpp>
#include <stet/operators/linear/build.hpp>
#include <stet/operators/normalization/build.hpp>
#include <stet/operators/pad_channels/build.hpp>
#include <stet/operators/pooling/build.hpp>
#include <stet/operators/recurrent/build.hpp>
#include <stet/operators/reduction/build.hpp>
#include <stet/operators/resize_bilinear/build.hpp>
#include <stet/operators/shape/build.hpp>
#include <stet/operators/slice/build.hpp>
#include <stet/operators/softplus/build.hpp>
#include <stet/operators/upsample/build.hpp>
