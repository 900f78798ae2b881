#pragma once
// Options of save_onnx.

#include <stet/graph/activation_ranges.hpp>

#include <cstdint>

namespace stet {

/// How images enter and leave an .onnx file; inside of it they are [N,C,H,W], because ONNX knows no other convolution.
enum class OnnxLayout {
  nchw,  ///< as ONNX and PyTorch do
  nhwc   ///< as stet does; the file begins and ends with a Transpose
};

/// Numbers in the file of a float model.
enum class OnnxFormat {
  float32,
  int16x8  ///< activations int16 with zero point 0, weights int8 per channel; ONNX Runtime multiplies them in float
};

/// Options of a float model.
struct OnnxOptions {
  OnnxFormat format = OnnxFormat::float32;
  OnnxLayout layout = OnnxLayout::nchw;
  std::int64_t batch = 0;       ///< images per run; 0: any number, the dimension is called N
  bool fold_batch_norm = true;  ///< whether a batch norm behind a layer with weights is put into its weights
  ActivationRanges ranges{};    ///< of the model's nodes; int16x8 needs them
};

/// Codes of the activations of an integer model.
enum class OnnxActivations {
  uint8,  ///< codes + 128; ONNX Runtime fuses every operator everywhere
  int8    ///< the codes themselves; on x86-64 ONNX Runtime leaves some operators in float (see save_onnx)
};

/// Options of an integer model.
struct OnnxIntegerOptions {
  OnnxLayout layout = OnnxLayout::nchw;
  std::int64_t batch = 0;  ///< images per run; 0: any number, the dimension is called N
  OnnxActivations activations = OnnxActivations::uint8;
  /// Two weights per byte in layers whose codes all lie in -7..7 (opset 21; see int4_weights()). ONNX Runtime runs such
  /// layers in float, and its codes then differ from the engine's now and then.
  bool int4_weights = false;
  bool output_codes = false;  ///< end with the codes instead of real numbers
};

}  // namespace stet
