#pragma once
// Every operator in .onnx: write(op, writer) for float and integer models.

#include <stet/operators/activation/onnx.hpp>
#include <stet/operators/convolution/onnx.hpp>
#include <stet/operators/custom/onnx.hpp>
#include <stet/operators/elementwise/onnx.hpp>
#include <stet/operators/input/onnx.hpp>
#include <stet/operators/linear/onnx.hpp>
#include <stet/operators/normalization/onnx.hpp>
#include <stet/operators/pooling/onnx.hpp>
#include <stet/operators/reduction/onnx.hpp>
#include <stet/operators/shape/onnx.hpp>
