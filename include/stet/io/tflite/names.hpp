#pragma once
// Names of operators and element types, for messages: as the schema writes them, also of those that stet does not know.

#include <stet/core/error.hpp>
#include <stet/io/tflite/schema.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

namespace stet::tflite {

/// The n-th word of a text, from 0; empty if there are fewer.
constexpr std::string_view word(std::string_view text, std::size_t n) {
  for (; n > 0 && !text.empty(); --n) text.remove_prefix(std::min(text.find(' '), text.size() - 1) + 1);
  return text.substr(0, text.find(' '));
}

namespace detail {

/// Source:    schema.fbs of LiteRT, BuiltinOperator, in the order of its numbers
inline constexpr std::string_view builtin_names =
    "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR "
    "FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC "
    "LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX "
    "SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD "
    "UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE "
    "UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE "
    "BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL "
    "LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT "
    "RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT "
    "UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR "
    "LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK "
    "ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 "
    "NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES "
    "CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT "
    "HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS "
    "RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU";

// What the format says of an element type.
struct TypeRow {
  TensorType type;
  const char* name;
  int bits;  // of one element; 0: they differ
};
inline constexpr TypeRow types[] = {
    {TensorType::float32, "float32", 32}, {TensorType::float16, "float16", 16}, {TensorType::int32, "int32", 32},
    {TensorType::uint8, "uint8", 8},      {TensorType::int64, "int64", 64},     {TensorType::string, "string", 0},
    {TensorType::boolean, "bool", 8},     {TensorType::int16, "int16", 16},     {TensorType::int8, "int8", 8},
    {TensorType::float64, "float64", 64}, {TensorType::int4, "int4", 4}};

inline const TypeRow* type_row(TensorType type) {
  const auto* found = std::ranges::find(types, type, &TypeRow::type);
  return found == std::end(types) ? nullptr : found;
}

}  // namespace detail

/// Name of an operator, such as CONV_2D; BUILTIN_n if it is newer than this list.
inline std::string operator_name(const OperatorInfo& op) {
  if (!op.custom_code.empty()) return "CUSTOM " + op.custom_code.substr(0, 80);
  const auto code = static_cast<std::int32_t>(op.code);
  const std::string_view name = code < 0 ? "" : word(detail::builtin_names, static_cast<std::size_t>(code));
  return name.empty() ? formatted("BUILTIN_{}", code) : std::string(name);
}

/// Name of an element type, such as int8; type_n if it is none of ours.
inline std::string type_name(TensorType type) {
  const detail::TypeRow* row = detail::type_row(type);
  return row == nullptr ? formatted("type_{}", static_cast<int>(type)) : row->name;
}

/// Text that names a tensor in messages; of a long name the beginning.
inline std::string tensor_name(const ModelInfo& model, std::int32_t index) {
  if (index < 0 || static_cast<std::size_t>(index) >= model.tensors.size()) return formatted("tensor {}", index);
  const std::string& name = model.tensors[static_cast<std::size_t>(index)].name;
  return name.empty() ? formatted("tensor {}", index) : name.substr(0, 200);
}

/// Bytes that a constant of this type takes, for so many elements; -1 for types without a fixed size.
inline std::int64_t data_size(TensorType type, std::int64_t elements) {
  const detail::TypeRow* row = detail::type_row(type);
  return row == nullptr || row->bits == 0 ? -1 : (elements * row->bits + 7) / 8;
}

}  // namespace stet::tflite
