#pragma once
// Names of operators and element types, for messages: as the schema writes them, also of those that stet does not know.
// Source:    schema.fbs of LiteRT, BuiltinOperator

#include <stet/core/error.hpp>
#include <stet/io/tflite/schema.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace stet::tflite {

namespace detail {

inline constexpr std::array<std::string_view, 151> builtin_names = {"ADD",
                                                                    "AVERAGE_POOL_2D",
                                                                    "CONCATENATION",
                                                                    "CONV_2D",
                                                                    "DEPTHWISE_CONV_2D",
                                                                    "DEPTH_TO_SPACE",
                                                                    "DEQUANTIZE",
                                                                    "EMBEDDING_LOOKUP",
                                                                    "FLOOR",
                                                                    "FULLY_CONNECTED",
                                                                    "HASHTABLE_LOOKUP",
                                                                    "L2_NORMALIZATION",
                                                                    "L2_POOL_2D",
                                                                    "LOCAL_RESPONSE_NORMALIZATION",
                                                                    "LOGISTIC",
                                                                    "LSH_PROJECTION",
                                                                    "LSTM",
                                                                    "MAX_POOL_2D",
                                                                    "MUL",
                                                                    "RELU",
                                                                    "RELU_N1_TO_1",
                                                                    "RELU6",
                                                                    "RESHAPE",
                                                                    "RESIZE_BILINEAR",
                                                                    "RNN",
                                                                    "SOFTMAX",
                                                                    "SPACE_TO_DEPTH",
                                                                    "SVDF",
                                                                    "TANH",
                                                                    "CONCAT_EMBEDDINGS",
                                                                    "SKIP_GRAM",
                                                                    "CALL",
                                                                    "CUSTOM",
                                                                    "EMBEDDING_LOOKUP_SPARSE",
                                                                    "PAD",
                                                                    "UNIDIRECTIONAL_SEQUENCE_RNN",
                                                                    "GATHER",
                                                                    "BATCH_TO_SPACE_ND",
                                                                    "SPACE_TO_BATCH_ND",
                                                                    "TRANSPOSE",
                                                                    "MEAN",
                                                                    "SUB",
                                                                    "DIV",
                                                                    "SQUEEZE",
                                                                    "UNIDIRECTIONAL_SEQUENCE_LSTM",
                                                                    "STRIDED_SLICE",
                                                                    "BIDIRECTIONAL_SEQUENCE_RNN",
                                                                    "EXP",
                                                                    "TOPK_V2",
                                                                    "SPLIT",
                                                                    "LOG_SOFTMAX",
                                                                    "DELEGATE",
                                                                    "BIDIRECTIONAL_SEQUENCE_LSTM",
                                                                    "CAST",
                                                                    "PRELU",
                                                                    "MAXIMUM",
                                                                    "ARG_MAX",
                                                                    "MINIMUM",
                                                                    "LESS",
                                                                    "NEG",
                                                                    "PADV2",
                                                                    "GREATER",
                                                                    "GREATER_EQUAL",
                                                                    "LESS_EQUAL",
                                                                    "SELECT",
                                                                    "SLICE",
                                                                    "SIN",
                                                                    "TRANSPOSE_CONV",
                                                                    "SPARSE_TO_DENSE",
                                                                    "TILE",
                                                                    "EXPAND_DIMS",
                                                                    "EQUAL",
                                                                    "NOT_EQUAL",
                                                                    "LOG",
                                                                    "SUM",
                                                                    "SQRT",
                                                                    "RSQRT",
                                                                    "SHAPE",
                                                                    "POW",
                                                                    "ARG_MIN",
                                                                    "FAKE_QUANT",
                                                                    "REDUCE_PROD",
                                                                    "REDUCE_MAX",
                                                                    "PACK",
                                                                    "LOGICAL_OR",
                                                                    "ONE_HOT",
                                                                    "LOGICAL_AND",
                                                                    "LOGICAL_NOT",
                                                                    "UNPACK",
                                                                    "REDUCE_MIN",
                                                                    "FLOOR_DIV",
                                                                    "REDUCE_ANY",
                                                                    "SQUARE",
                                                                    "ZEROS_LIKE",
                                                                    "FILL",
                                                                    "FLOOR_MOD",
                                                                    "RANGE",
                                                                    "RESIZE_NEAREST_NEIGHBOR",
                                                                    "LEAKY_RELU",
                                                                    "SQUARED_DIFFERENCE",
                                                                    "MIRROR_PAD",
                                                                    "ABS",
                                                                    "SPLIT_V",
                                                                    "UNIQUE",
                                                                    "CEIL",
                                                                    "REVERSE_V2",
                                                                    "ADD_N",
                                                                    "GATHER_ND",
                                                                    "COS",
                                                                    "WHERE",
                                                                    "RANK",
                                                                    "ELU",
                                                                    "REVERSE_SEQUENCE",
                                                                    "MATRIX_DIAG",
                                                                    "QUANTIZE",
                                                                    "MATRIX_SET_DIAG",
                                                                    "ROUND",
                                                                    "HARD_SWISH",
                                                                    "IF",
                                                                    "WHILE",
                                                                    "NON_MAX_SUPPRESSION_V4",
                                                                    "NON_MAX_SUPPRESSION_V5",
                                                                    "SCATTER_ND",
                                                                    "SELECT_V2",
                                                                    "DENSIFY",
                                                                    "SEGMENT_SUM",
                                                                    "BATCH_MATMUL",
                                                                    "PLACEHOLDER_FOR_GREATER_OP_CODES",
                                                                    "CUMSUM",
                                                                    "CALL_ONCE",
                                                                    "BROADCAST_TO",
                                                                    "RFFT2D",
                                                                    "CONV_3D",
                                                                    "IMAG",
                                                                    "REAL",
                                                                    "COMPLEX_ABS",
                                                                    "HASHTABLE",
                                                                    "HASHTABLE_FIND",
                                                                    "HASHTABLE_IMPORT",
                                                                    "HASHTABLE_SIZE",
                                                                    "REDUCE_ALL",
                                                                    "CONV_3D_TRANSPOSE",
                                                                    "VAR_HANDLE",
                                                                    "READ_VARIABLE",
                                                                    "ASSIGN_VARIABLE",
                                                                    "BROADCAST_ARGS",
                                                                    "RANDOM_STANDARD_NORMAL",
                                                                    "BUCKETIZE",
                                                                    "RANDOM_UNIFORM",
                                                                    "MULTINOMIAL",
                                                                    "GELU"};

}  // namespace detail

/// Name of an operator, such as CONV_2D; BUILTIN_n if it is newer than this list.
inline std::string operator_name(const OperatorInfo& op) {
  if (!op.custom_code.empty()) return "CUSTOM " + op.custom_code.substr(0, 80);
  const auto code = static_cast<std::int32_t>(op.code);
  if (code < 0 || static_cast<std::size_t>(code) >= detail::builtin_names.size())
    return formatted("BUILTIN_{}", code);
  return std::string(detail::builtin_names[static_cast<std::size_t>(code)]);
}

/// Name of an element type, such as int8; type_n if it is none of ours.
inline std::string type_name(TensorType type) {
  switch (type) {
    case TensorType::float32:
      return "float32";
    case TensorType::float16:
      return "float16";
    case TensorType::int32:
      return "int32";
    case TensorType::uint8:
      return "uint8";
    case TensorType::int64:
      return "int64";
    case TensorType::string:
      return "string";
    case TensorType::boolean:
      return "bool";
    case TensorType::int16:
      return "int16";
    case TensorType::int8:
      return "int8";
    case TensorType::float64:
      return "float64";
    case TensorType::int4:
      return "int4";
  }
  return formatted("type_{}", static_cast<int>(type));
}

}  // namespace stet::tflite
