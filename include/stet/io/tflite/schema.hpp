#pragma once
// The part of the TFLite schema that stet reads and writes, as plain data: what a .tflite file says, without its bytes.
// Source:    schema.fbs of LiteRT; the numbers are those of its enumerations.

#include <stet/core/requirements.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace stet::tflite {

enum class TensorType : std::int8_t {
  float32 = 0,
  float16 = 1,
  int32 = 2,
  uint8 = 3,
  int64 = 4,
  string = 5,
  boolean = 6,
  int16 = 7,
  int8 = 9,
  float64 = 10,
  int4 = 17
};

enum class Builtin : std::int32_t {
  add = 0,
  average_pool_2d = 1,
  concatenation = 2,
  conv_2d = 3,
  depthwise_conv_2d = 4,
  dequantize = 6,
  fully_connected = 9,
  logistic = 14,
  max_pool_2d = 17,
  mul = 18,
  relu = 19,
  relu_n1_to_1 = 20,
  relu6 = 21,
  reshape = 22,
  resize_bilinear = 23,
  softmax = 25,
  tanh = 28,
  pad = 34,
  gather = 36,
  transpose = 39,
  mean = 40,
  sub = 41,
  squeeze = 43,
  unidirectional_sequence_lstm = 44,
  strided_slice = 45,
  exp = 47,
  topk_v2 = 48,
  split = 49,
  log_softmax = 50,
  cast = 53,
  prelu = 54,
  maximum = 55,
  arg_max = 56,
  minimum = 57,
  neg = 59,
  padv2 = 60,
  slice = 65,
  transpose_conv = 67,
  expand_dims = 70,
  log = 73,
  sum = 74,
  sqrt = 75,
  rsqrt = 76,
  shape = 77,
  pow = 78,
  reduce_prod = 81,
  pack = 83,
  square = 92,
  resize_nearest_neighbor = 97,
  leaky_relu = 98,
  squared_difference = 99,
  mirror_pad = 100,
  abs = 101,
  split_v = 102,
  elu = 111,
  quantize = 114,
  hard_swish = 117,
  batch_matmul = 126,
  gelu = 150,
  relu_0_to_1 = 152
};

/// Which options table an operator carries: the type id of the union BuiltinOptions.
enum class OptionsType : std::uint8_t {
  none = 0,
  conv_2d = 1,
  depthwise_conv_2d = 2,
  pool_2d = 5,
  fully_connected = 8,
  softmax = 9,
  concatenation = 10,
  add = 11,
  resize_bilinear = 15,
  reshape = 17,
  mul = 21,
  pad = 22,
  gather = 23,
  transpose = 26,
  reducer = 27,
  sub = 28,
  squeeze = 30,
  strided_slice = 32,
  exp = 33,
  split = 35,
  dequantize = 38,
  log_softmax = 36,
  cast = 37,
  maximum_minimum = 39,
  neg = 42,
  pad_v2 = 43,
  slice = 48,
  transpose_conv = 49,
  expand_dims = 52,
  shape = 55,
  pow = 56,
  pack = 59,
  square = 66,
  unidirectional_sequence_lstm = 71,
  resize_nearest_neighbor = 74,
  leaky_relu = 75,
  squared_difference = 76,
  mirror_pad = 77,
  abs = 78,
  split_v = 79,
  quantize = 89,
  hard_swish = 91,
  batch_matmul = 101,
  gelu = 116
};

enum class Padding : std::int8_t { same = 0, valid = 1 };
enum class FusedActivation : std::int8_t { none = 0, relu = 1, relu_n1_to_1 = 2, relu6 = 3, tanh = 4, sign_bit = 5 };

/// Scales and zero points of a tensor; both empty if it is not quantized.
struct Quantization {
  std::vector<float> scale{};
  std::vector<std::int64_t> zero_point{};
  std::int32_t dimension = 0;  ///< axis of the scales where there are several
  friend bool operator==(const Quantization&, const Quantization&) = default;
};

/// A tensor; a constant if it has data.
struct TensorInfo {
  std::string name{};
  std::vector<std::int32_t> shape{};
  std::vector<std::int32_t> shape_signature{};  ///< with -1 for dimensions that may change; empty: as shape
  TensorType type = TensorType::float32;
  Quantization quantization{};
  std::vector<std::uint8_t> data{};  ///< little endian, row-major; empty for activations
  std::int32_t same_buffer = -1;     ///< an earlier tensor whose bytes in the file these are; -1: its own
  bool is_variable = false;
  friend bool operator==(const TensorInfo&, const TensorInfo&) = default;
};

/// Attributes of all operators in one place. Each options table uses some of them, named as in the schema; the defaults
/// here are the schema's.
struct Options {
  OptionsType type = OptionsType::none;
  Padding padding = Padding::same;
  std::int32_t stride_w = 0, stride_h = 0;
  std::int32_t dilation_w = 1, dilation_h = 1;
  std::int32_t depth_multiplier = 0;
  std::int32_t filter_width = 0, filter_height = 0;
  FusedActivation fused_activation = FusedActivation::none;
  std::int32_t axis = 0;                    ///< concatenation, pack and gather
  float beta = 0.0f;                        ///< softmax
  float alpha = 0.0f;                       ///< leaky ReLU
  bool approximate = false;                 ///< gelu: by a tanh
  bool keep_dims = false;                   ///< reducers
  bool keep_num_dims = false;               ///< fully connected
  std::int8_t weights_format = 0;           ///< fully connected; only 0 is understood
  bool asymmetric_quantize_inputs = false;  ///< fully connected and batch matmul on float inputs with int8 weights
  bool adj_x = false, adj_y = false;        ///< batch matmul
  bool pot_scale_int16 = true;              ///< add and sub
  TensorType quantized_bias_type = TensorType::float32;  ///< conv and fully connected, 16x8; float32: not said
  std::vector<std::int32_t> new_shape{};                 ///< reshape
  std::vector<std::int32_t> squeeze_dims{};              ///< squeeze
  std::int32_t begin_mask = 0, end_mask = 0, ellipsis_mask = 0, new_axis_mask = 0;  ///< strided slice
  std::int32_t shrink_axis_mask = 0;                                                ///< strided slice
  std::int32_t values_count = 0;                                                    ///< pack
  std::int32_t batch_dims = 0;                                                      ///< gather
  std::int8_t mirror = 0;                                                           ///< mirror pad: 0 reflects at the element, 1 beside it
  float cell_clip = 0.0f, proj_clip = 0.0f;                                         ///< lstm
  bool time_major = false;                                                          ///< lstm
  std::int32_t num_splits = 0;                                                      ///< split
  bool align_corners = false, half_pixel_centers = false;                           ///< resizes
  friend bool operator==(const Options&, const Options&) = default;
};

/// One operator; inputs and outputs are indices of tensors, -1 for an optional input that is absent.
struct OperatorInfo {
  Builtin code = Builtin::add;
  std::string custom_code{};  ///< only when a file that is read has one
  std::int32_t version = 1;
  std::vector<std::int32_t> inputs{}, outputs{};
  Options options{};
  friend bool operator==(const OperatorInfo&, const OperatorInfo&) = default;
};

/// Name of a tensor at a signature's end.
struct SignatureEntry {
  std::string name{};
  std::int32_t tensor = -1;
  friend bool operator==(const SignatureEntry&, const SignatureEntry&) = default;
};

/// A file's contents: one subgraph. Operators stand in execution order.
struct ModelInfo {
  std::string description{};
  std::string subgraph_name{};
  std::vector<TensorInfo> tensors{};
  std::vector<OperatorInfo> operators{};
  std::vector<std::int32_t> inputs{}, outputs{};
  std::string signature_key{};  ///< empty: no signature
  std::vector<SignatureEntry> signature_inputs{}, signature_outputs{};
  std::string min_runtime_version{};  ///< metadata, such as 1.14.0; empty: none
  std::string input_fingerprint{};    ///< metadata stet.input_fingerprint (io/fingerprint_text.hpp); empty: none

  /// Tensors of an operator whose indices exist.
  [[nodiscard]] const TensorInfo& input(const OperatorInfo& o, std::size_t i) const {
    return tensors[static_cast<std::size_t>(o.inputs[i])];
  }
  [[nodiscard]] const TensorInfo& output(const OperatorInfo& o) const {
    return tensors[static_cast<std::size_t>(o.outputs[0])];
  }
  friend bool operator==(const ModelInfo&, const ModelInfo&) = default;
};

}  // namespace stet::tflite
