#pragma once
// PAD operators that the window behind them takes along as its padding: TFLite itself knows only SAME and VALID.

#include <stet/core/tensor.hpp>
#include <stet/io/tflite/import_attributes.hpp>

#include <algorithm>
#include <cstdint>
#include <map>

namespace stet::tflite {

/// Where a window reads: a node or value, and the padding around it.
struct WindowSource {
  int from = -1;
  stet::Padding padding{};
};

/// PADs that have no node of their own, by the tensor that they make.
class Margins {
 public:
  void put(std::int32_t tensor, int from, const op::Pad& p) {
    sources_[tensor] = {from, stet::Padding::of(p.top, p.bottom, p.left, p.right)};
  }
  /// Null if the tensor is an ordinary value.
  [[nodiscard]] const WindowSource* find(std::int32_t tensor) const {
    const auto found = sources_.find(tensor);
    return found == sources_.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::int32_t, WindowSource> sources_;
};

/// Whether an operator is an unpadded convolution of this tensor.
inline bool is_unpadded_convolution(const OperatorInfo* o, std::int32_t tensor) {
  return o != nullptr && (o->code == Builtin::conv_2d || o->code == Builtin::depthwise_conv_2d) &&
         o->inputs[0] == tensor && o->options.padding == Padding::valid;
}

/// Whether an operator is an unpadded pool of this kind.
inline bool is_unpadded_pool(const OperatorInfo* o, Builtin kind) {
  return o != nullptr && o->code == kind && o->options.padding == Padding::valid;
}

/// Whether a constant holds, for each window of an average pool, how many times more taps it has than lie in the image:
/// the factor with which a mean over zeros around the image becomes the mean of the image's elements.
/// Formula:   taps / (rows inside * columns inside), in double, then rounded to float
/// Shapes:    factor [1,out height,out width,1]
inline bool is_share(const Tensor<float>& factor, const Window& w) {
  if (factor.shape() != Shape{1, w.h.out, w.w.out, 1}) return false;
  const auto inside = [](const WindowAxis& a, std::int64_t out) {
    const std::int64_t first = out * a.stride - a.before;
    return std::min(first + a.kernel, a.in) - std::max<std::int64_t>(first, 0);
  };
  for (std::int64_t i = 0; i < factor.size(); ++i) {
    const std::int64_t taps = inside(w.h, i / w.w.out) * inside(w.w, i % w.w.out);
    if (taps < 1 || factor[i] != static_cast<float>(static_cast<double>(w.taps()) / static_cast<double>(taps)))
      return false;
  }
  return true;
}

}  // namespace stet::tflite
