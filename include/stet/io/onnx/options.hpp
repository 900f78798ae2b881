#pragma once
// Options of save_onnx.

#include <cstdint>

namespace stet {

/// How images enter and leave an .onnx file; inside of it they are [N,C,H,W], because ONNX knows no other convolution.
enum class OnnxLayout {
  nchw,  ///< as ONNX and PyTorch do
  nhwc   ///< as stet does; the file begins and ends with a Transpose
};

/// Options of a float model.
struct OnnxOptions {
  OnnxLayout layout = OnnxLayout::nchw;
  std::int64_t batch = 0;       ///< images per run; 0: any number, the dimension is called N
  bool fold_batch_norm = true;  ///< whether a batch norm behind a layer with weights is put into its weights
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
  bool int4_weights = false;  ///< store weights as int4 (opset 21); ONNX Runtime runs such convolutions in float
  bool output_codes = false;  ///< end with the codes instead of real numbers
};

}  // namespace stet
