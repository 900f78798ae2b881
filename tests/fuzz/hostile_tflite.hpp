// Small .tflite files that ask for much.
#pragma once

#include <stet/io/tflite/encode.hpp>

#include "hostile_file.hpp"
#include "io/tflite_description.hpp"

#include <algorithm>
#include <cstring>
#include <functional>

namespace stet_test {

/// A .tflite file whose list of tensors has `count` entries that all lead to the last tensor of the file.
inline std::vector<std::uint8_t> with_one_tensor_many_times(const tfl::ModelInfo& info) {
  std::vector<std::uint8_t> bytes = tfl::encode(info);
  const auto number = [&](std::size_t at) {
    std::uint32_t v = 0;
    std::memcpy(&v, bytes.data() + at, 4);
    return v;
  };
  const auto field = [&](std::size_t table, int slot) {
    std::uint16_t offset = 0;
    std::memcpy(&offset, bytes.data() + table - static_cast<std::int32_t>(number(table)) + 4 + 2 * slot, 2);
    return table + offset;
  };
  const auto follow = [&](std::size_t at) { return at + number(at); };
  const std::size_t subgraphs = follow(field(follow(0), 2));
  const std::size_t tensors = follow(field(follow(subgraphs + 4), 0));
  const std::uint32_t count = number(tensors);
  const std::size_t last = follow(tensors + 4 * count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto offset = static_cast<std::uint32_t>(last - (tensors + 4 + 4 * i));
    std::memcpy(bytes.data() + tensors + 4 + 4 * i, &offset, 4);
  }
  return bytes;
}

inline std::vector<HostileFile> hostile_tflite() {
  using tfl::Builtin;
  using tfl::OptionsType;
  std::vector<HostileFile> files;
  const auto finish = [&](Description& d, std::int32_t x, std::int32_t y, const std::string& what) {
    d.info.inputs = {x};
    d.info.outputs = {y};
    files.push_back({what, tfl::encode(d.info)});
  };
  const tfl::Options dense{.type = OptionsType::fully_connected}, none{};
  constexpr int many = 12000;

  for (const bool integer : {false, true}) {
    const auto value = [integer](Description& d, const std::string& name, std::vector<std::int32_t> shape) {
      return integer ? d.codes(name, std::move(shape)) : d.real(name, std::move(shape));
    };
    const auto weight = [integer](Description& d, std::vector<std::int32_t> shape) {
      std::int64_t n = 1;
      for (const std::int32_t s : shape) n *= s;
      std::vector<std::int8_t> codes(static_cast<std::size_t>(n), 1);
      std::vector<float> reals(codes.size(), 0.5f);
      codes[0] = 2, reals[0] = 1.0f;
      return integer ? d.weights("w", std::move(shape), codes, {0.01f}) : d.floats("w", std::move(shape), reals);
    };
    const std::string kind = integer ? "int8, " : "float, ";
    for (const int far : {1 << 30, 1 << 20, 5000}) {
      for (const bool steps : {false, true}) {
        Description d;
        const auto x = value(d, "x", {1, 8, 8, 1}), y = value(d, "y", steps ? std::vector<std::int32_t>{1, 1, 1, 1} : std::vector<std::int32_t>{1, 8, 8, 1});
        const auto w = weight(d, {1, 3, 3, 1}), b = integer ? d.bias("b", {0}, {0.001f}) : d.floats("b", {1}, {0});
        d.operation(Builtin::conv_2d, {x, w, b}, y,
                    {.type = OptionsType::conv_2d, .stride_w = steps ? far : 1, .stride_h = steps ? far : 1, .dilation_w = far, .dilation_h = far});
        finish(d, x, y, kind + "a convolution with gaps of " + std::to_string(far));
        Description p;
        const auto from = value(p, "x", {1, 8, 8, 1}), to = value(p, "y", steps ? std::vector<std::int32_t>{1, 1, 1, 1} : std::vector<std::int32_t>{1, 8, 8, 1});
        p.operation(Builtin::max_pool_2d, {from}, to,
                    {.type = OptionsType::pool_2d, .stride_w = steps ? far : 1, .stride_h = steps ? far : 1, .filter_width = far, .filter_height = far});
        finish(p, from, to, kind + "a pool with windows of " + std::to_string(far));
      }
      Description d;
      const std::int32_t wide = 8 + 2 * std::min(far, 1 << 24);
      const auto x = value(d, "x", {1, 8, 8, 1}), padded = value(d, "p", {1, wide, wide, 1}), y = value(d, "y", {1, 2, 2, 1});
      const auto pads = d.integers("pads", {0, 0, (wide - 8) / 2, (wide - 8) / 2, (wide - 8) / 2, (wide - 8) / 2, 0, 0});
      const auto w = weight(d, {1, 1, 1, 1}), b = integer ? d.bias("b", {0}, {0.001f}) : d.floats("b", {1}, {0});
      d.operation(Builtin::pad, {x, pads}, padded, {.type = OptionsType::pad});
      d.operation(Builtin::conv_2d, {padded, w, b}, y,
                  {.type = OptionsType::conv_2d, .padding = tfl::Padding::valid, .stride_w = wide / 2, .stride_h = wide / 2});
      finish(d, x, y, kind + "a convolution over padding of " + std::to_string(wide));
    }
    for (const bool one_name : {false, true}) {
      Description d;
      const auto x = value(d, "x", {1, 64});
      const auto w = weight(d, {64, 64});
      auto last = x;
      for (int i = 0; i < many; ++i) {
        const auto y = value(d, one_name ? "y" : "", {1, 64});
        d.operation(Builtin::fully_connected, {last, w}, y, dense);
        last = y;
      }
      finish(d, x, last, kind + "12,000 products with one weight");
      Description r;
      last = value(r, "x", {1, 64});
      const auto first = last;
      for (int i = 0; i < many; ++i) {
        const auto y = value(r, one_name ? "y" : "", {1, 64});
        r.operation(Builtin::relu, {last}, y, none);
        last = y;
      }
      finish(r, first, last, kind + "12,000 activations in a chain");
    }
    {
      Description d;
      auto last = value(d, "x", {1, 8});
      const auto x = last;
      for (int i = 0; i < 40; ++i) {
        const auto y = value(d, "", {1, i < 24 ? 8 << (i + 1) : 8});
        d.operation(Builtin::concatenation, {last, last}, y, {.type = OptionsType::concatenation, .axis = 1});
        last = y;
      }
      finish(d, x, last, kind + "joins a value with itself, 40 times");
      Description wide;
      const auto in = value(wide, "x", {1, 8}), out = value(wide, "y", {1, 8 * 60000});
      wide.operation(Builtin::concatenation, std::vector<std::int32_t>(60000, in), out, {.type = OptionsType::concatenation, .axis = 1});
      finish(wide, in, out, kind + "joins a value 60,000 times");
      Description missing;
      const auto one = value(missing, std::string(100000, 'n'), {1, 8});
      for (int i = 0; i < 1000; ++i) missing.operation(Builtin::concatenation, std::vector<std::int32_t>(100, one), one, none);
      finish(missing, one, one, kind + "100,000 faults of a long name");
    }
    {
      Description d;
      const auto x = value(d, "x", {1, 4, 4, 1 << 26}), y = value(d, "y", {1, 4, 4, 1 << 26});
      const auto c = integer ? d.weights("c", {1}, {2}, {0.5f}) : d.floats("c", {1}, {0.5f});
      d.operation(Builtin::mul, {x, c}, y, {.type = OptionsType::mul});
      finish(d, x, y, kind + "one factor for 2^26 channels");
    }
    {
      Description d;
      const auto w = d.weights("w", {1, 100000}, std::vector<std::int8_t>(100000, 3), {0.5f});
      const auto x = value(d, "x", {1, 4});
      auto last = x;
      for (int i = 0; i < many; ++i) d.operation(Builtin::dequantize, {w}, last = d.real("", {1, 100000}), none);
      finish(d, x, last, kind + "12,000 times the same constant in float");
    }
    {
      Description d;
      constexpr int groups = 300000;
      const auto x = value(d, "x", {1, 1, 1, groups}), y = value(d, "y", {1, 1, 1, groups});
      const auto w = weight(d, {groups, 1, 1, 1}),
                 b = integer ? d.bias("b", std::vector<std::int32_t>(groups, 0), {0.001f}) : d.floats("b", {groups}, std::vector<float>(groups, 0.0f));
      d.operation(Builtin::conv_2d, {x, w, b}, y, {.type = OptionsType::conv_2d, .stride_w = 1, .stride_h = 1});
      finish(d, x, y, kind + "300,000 groups of one channel");
      Description dot;
      const auto v = value(dot, "x", {1, 1 << 20}), z = value(dot, "y", {1, 1});
      dot.operation(Builtin::fully_connected, {v, weight(dot, {1, 1 << 20})}, z, dense);
      finish(dot, v, z, kind + "one output of many weights");
    }
  }
  Description d;
  for (int i = 0; i < 100000; ++i) d.real("", {1});
  d.constant(std::string(30000, 'n'), {20000}, tfl::TensorType::int8, std::vector<std::int8_t>(20000, 1));
  d.info.inputs = d.info.outputs = {0};
  files.push_back({"100,000 entries for one large tensor", with_one_tensor_many_times(d.info)});
  d.info.tensors.back() = {};
  files.push_back({"100,000 entries for one small tensor", with_one_tensor_many_times(d.info)});
  return files;
}

}  // namespace stet_test
