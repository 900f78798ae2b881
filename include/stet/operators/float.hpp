#pragma once
// Every operator from graph to tape: forward(op, NodeContext).

#include <stet/operators/activation/float.hpp>
#include <stet/operators/clip/float.hpp>
#include <stet/operators/conv_transpose/float.hpp>
#include <stet/operators/convolution/float.hpp>
#include <stet/operators/custom/float.hpp>
#include <stet/operators/elementary/float.hpp>
#include <stet/operators/elementwise/float.hpp>
#include <stet/operators/elu/float.hpp>
#include <stet/operators/extremum/float.hpp>
#include <stet/operators/gelu/float.hpp>
#include <stet/operators/hard_sigmoid/float.hpp>
#include <stet/operators/input/float.hpp>
#include <stet/operators/layer_norm/float.hpp>
#include <stet/operators/linear/float.hpp>
#include <stet/operators/normalization/float.hpp>
#include <stet/operators/pad_channels/float.hpp>
#include <stet/operators/pooling/float.hpp>
#include <stet/operators/real/float.hpp>
#include <stet/operators/recurrent/float.hpp>
#include <stet/operators/reduction/float.hpp>
#include <stet/operators/resize_bilinear/float.hpp>
#include <stet/operators/shape/float.hpp>
#include <stet/operators/slice/float.hpp>
#include <stet/operators/softplus/float.hpp>
#include <stet/operators/upsample/float.hpp>
