// What each of the two units offers; see odr_main.cpp.
#pragma once

#include <cstdint>
#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/stet.hpp>
#include <vector>

#define STET_ODR_UNIT(name)                                                                         \
  namespace name {                                                                                  \
  stet::IntegerModel train(const stet::Dataset& data);                                              \
  std::vector<std::int8_t> run(const stet::IntegerModel& model, const stet::Tensor<float>& images); \
  std::vector<float> fake_quantize(const std::vector<float>& x);                                    \
  std::vector<float> product(const stet::Tensor<float>& x, const stet::Tensor<float>& w);           \
  }

STET_ODR_UNIT(baseline)
STET_ODR_UNIT(native)
