#pragma once
// The C declarations at the head of a weights file: CMSIS-NN's parameter types, and the tables that tie them together.
// Source:    ARM-software/CMSIS-NN, Include/arm_nn_types.h (names and order of fields)

#include <stet/core/requirements.hpp>

#include <string_view>

namespace stet::c {

/// C99. With STET_WITH_CMSIS_NN the first half comes from CMSIS-NN itself.
inline constexpr std::string_view types = R"(#include <stdint.h>

#ifndef STET_C_TYPES
#define STET_C_TYPES

#ifdef STET_WITH_CMSIS_NN
#include <arm_nn_types.h>
#else
typedef struct { int32_t n, h, w, c; } cmsis_nn_dims;
typedef struct { int32_t w, h; } cmsis_nn_tile;
typedef struct { int32_t min, max; } cmsis_nn_activation;
typedef struct {
  int32_t input_offset, output_offset;
  cmsis_nn_tile stride, padding, dilation;
  cmsis_nn_activation activation;
} cmsis_nn_conv_params;
typedef struct {
  int32_t input_offset, output_offset, ch_mult;
  cmsis_nn_tile stride, padding, dilation;
  cmsis_nn_activation activation;
} cmsis_nn_dw_conv_params;
typedef struct {
  int32_t input_offset, output_offset;
  cmsis_nn_tile stride, padding, padding_offsets, dilation;
  cmsis_nn_activation activation;
} cmsis_nn_transpose_conv_params;
typedef struct {
  int32_t input_offset, filter_offset, output_offset;
  cmsis_nn_activation activation;
} cmsis_nn_fc_params;
typedef struct {
  cmsis_nn_tile stride, padding;
  cmsis_nn_activation activation;
} cmsis_nn_pool_params;
#endif

/* One multiplier and shift per output. cmsis_nn_per_channel_quant_params has the same two, without the const that keeps them in
   flash: (int32_t *)(uintptr_t)multiplier. */
typedef struct { const int32_t *multiplier, *shift; } stet_quant_params;
/* What CMSIS-NN takes as single arguments, in their order. */
typedef struct {
  int32_t input_1_offset, input_1_mult, input_1_shift, input_2_offset, input_2_mult, input_2_shift;
  int32_t left_shift, out_offset, out_mult, out_shift, out_activation_min, out_activation_max;
} stet_add_params;
typedef struct {
  int32_t input_1_offset, input_2_offset, out_offset, out_mult, out_shift, out_activation_min, out_activation_max;
} stet_mul_params;
/* (sum + count * input_offset) * multiplier + output_offset over height and width */
typedef struct {
  int32_t input_offset, output_offset, multiplier, shift;
} stet_mean_params;
typedef struct { int32_t top, bottom, left, right, value; } stet_pad_params;
/* Axis of n, h, w, c for STET_CONCAT; axis of the input for each axis of the output for STET_TRANSPOSE. */
typedef struct { int32_t axis; } stet_concat_params;
typedef struct { int32_t axes[4]; } stet_transpose_params;
typedef struct { int32_t before, after, value; } stet_pad_channels_params;
/* Axis of n, h, w, c, the first element that is taken of it, and how far the next one is; how many, the output's dims say. */
typedef struct { int32_t axis, first, step; } stet_slice_params;
/* Row i of the output lies at max(row_first + i * row_step, 0) / 1024 of the input's rows, columns likewise: between the two
   codes around it in each, the last at most, weighted by 1024ths; one rounding of the sum over 2^20, halves away from zero. */
typedef struct { int32_t row_step, row_first, column_step, column_first; } stet_resize_bilinear_params;

typedef enum {
  STET_INPUT,           /* no parameters: codes = round(x / scale) + zero_point, halves away from zero */
  STET_CONV,            /* cmsis_nn_conv_params; filter [out, kh, kw, in/groups] */
  STET_DEPTHWISE_CONV,  /* cmsis_nn_dw_conv_params; filter [1, kh, kw, out] */
  STET_TRANSPOSE_CONV,  /* cmsis_nn_transpose_conv_params; filter [out, kh, kw, in] */
  STET_FULLY_CONNECTED, /* cmsis_nn_fc_params; filter n = inputs, c = outputs; weights [outputs, inputs] */
  STET_ADD,             /* stet_add_params */
  STET_SUB,             /* stet_add_params */
  STET_MUL,             /* stet_mul_params */
  STET_MAX_POOL,        /* cmsis_nn_pool_params; filter h, w */
  STET_AVERAGE_POOL,    /* cmsis_nn_pool_params; filter h, w */
  STET_MEAN,            /* stet_mean_params */
  STET_CONCAT,          /* stet_concat_params */
  STET_PAD,             /* stet_pad_params */
  STET_RESHAPE,         /* no parameters */
  STET_TRANSPOSE,       /* stet_transpose_params */
  STET_CLAMP,           /* cmsis_nn_activation */
  STET_LOOKUP,          /* no parameters; weights [256]: output code of input code q at q + 128 */
  STET_ADD_BROADCAST,   /* stet_add_params; dims of 1 are repeated, of either input or of both */
  STET_SUB_BROADCAST,   /* stet_add_params; the same */
  STET_MUL_BROADCAST,   /* stet_mul_params; the same */
  STET_SLICE,           /* stet_slice_params */
  STET_UPSAMPLE,        /* no parameters: rows and columns are repeated to fill the output's dims */
  STET_RESIZE_BILINEAR, /* stet_resize_bilinear_params; the output's dims say the size */
  STET_MAXIMUM,         /* no parameters; dims of 1 are repeated, of either input or of both */
  STET_MINIMUM,         /* the same */
  STET_PAD_CHANNELS     /* stet_pad_channels_params */
} stet_operator;

typedef struct {
  const char *name;
  cmsis_nn_dims dims; /* one image: n = 1 */
  float scale;
  int32_t zero_point;
} stet_value;

typedef struct {
  stet_operator op;
  const char *name;
  const int32_t *inputs; /* values */
  int32_t input_count, output;
  const void *params;
  cmsis_nn_dims filter;
  const int8_t *weights;
  const int32_t *bias;
  stet_quant_params quant;
} stet_node;

typedef struct {
  const stet_value *values;
  const stet_node *nodes; /* in execution order */
  const int32_t *inputs, *outputs; /* values, in the order of the model's */
  int32_t value_count, node_count, input_count, output_count;
} stet_network;

#endif
)";

}  // namespace stet::c
