/* A stand-in for CMSIS-NN's header of this name: its types and the declarations that C programs of stet call, with plain loops of our
   own behind them. It shows that arguments stand where CMSIS-NN has them; its kernels are not here. */
#ifndef ARM_NNFUNCTIONS_H
#define ARM_NNFUNCTIONS_H
#include <stddef.h>
#include <stdint.h>

typedef enum { ARM_CMSIS_NN_SUCCESS = 0, ARM_CMSIS_NN_ARG_ERROR = -1 } arm_cmsis_nn_status;
typedef struct { int32_t w, h; } cmsis_nn_tile;
typedef struct { void *buf; int32_t size; } cmsis_nn_context;
typedef struct { int32_t n, h, w, c; } cmsis_nn_dims;
typedef struct { int32_t *multiplier, *shift; } cmsis_nn_per_channel_quant_params;
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

extern int stand_in_calls; /* how often one of them was called */

static inline int32_t stand_in_scaled(int32_t x, int32_t multiplier, int32_t shift) {
  const int32_t left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
  const int64_t high = ((int64_t)x * ((int64_t)1 << left) * multiplier + ((int64_t)1 << 30)) >> 31;
  const int64_t half = right > 0 ? (int64_t)1 << (right - 1) : 0;
  return (int32_t)(high < 0 ? -((-high + half) >> right) : (high + half) >> right);
}
static inline int8_t stand_in_code(int32_t x, int32_t offset, cmsis_nn_activation a) {
  const int32_t y = x + offset;
  return (int8_t)(y < a.min ? a.min : y > a.max ? a.max : y);
}

static inline int32_t arm_convolve_wrapper_s8_get_buffer_size(const cmsis_nn_conv_params *p, const cmsis_nn_dims *input,
                                                              const cmsis_nn_dims *filter, const cmsis_nn_dims *output) {
  (void)p;
  (void)output;
  return 4 * ((input->c * filter->w * filter->h + 15) / 16 * 16);
}
static inline arm_cmsis_nn_status arm_convolve_wrapper_s8(const cmsis_nn_context *context, const cmsis_nn_conv_params *p,
                                                          const cmsis_nn_per_channel_quant_params *q, const cmsis_nn_dims *input,
                                                          const int8_t *x, const cmsis_nn_dims *filter, const int8_t *weights,
                                                          const cmsis_nn_dims *bias_dims, const int32_t *bias,
                                                          const cmsis_nn_dims *output, int8_t *y) {
  ++stand_in_calls;
  if (context->buf == NULL || bias_dims->c != output->c || input->c % filter->c != 0 || filter->n != output->c) return ARM_CMSIS_NN_ARG_ERROR;
  for (int32_t h = 0; h < output->h; ++h)
    for (int32_t w = 0; w < output->w; ++w)
      for (int32_t o = 0; o < output->c; ++o) {
        const int32_t first = o / (output->c / (input->c / filter->c)) * filter->c;
        int32_t sum = bias[o];
        for (int32_t i = 0; i < filter->h; ++i)
          for (int32_t j = 0; j < filter->w; ++j) {
            const int32_t row = h * p->stride.h - p->padding.h + i * p->dilation.h;
            const int32_t column = w * p->stride.w - p->padding.w + j * p->dilation.w;
            if (row < 0 || row >= input->h || column < 0 || column >= input->w) continue;
            for (int32_t c = 0; c < filter->c; ++c)
              sum += weights[((o * filter->h + i) * filter->w + j) * filter->c + c] *
                     (x[(row * input->w + column) * input->c + first + c] + p->input_offset);
          }
        *y++ = stand_in_code(stand_in_scaled(sum, q->multiplier[o], q->shift[o]), p->output_offset, p->activation);
      }
  return ARM_CMSIS_NN_SUCCESS;
}

static inline int32_t arm_depthwise_conv_wrapper_s8_get_buffer_size(const cmsis_nn_dw_conv_params *p, const cmsis_nn_dims *input,
                                                                    const cmsis_nn_dims *filter, const cmsis_nn_dims *output) {
  (void)p;
  (void)output;
  return 2 * input->c * filter->w * filter->h;
}
static inline arm_cmsis_nn_status arm_depthwise_conv_wrapper_s8(const cmsis_nn_context *context, const cmsis_nn_dw_conv_params *p,
                                                                const cmsis_nn_per_channel_quant_params *q, const cmsis_nn_dims *input,
                                                                const int8_t *x, const cmsis_nn_dims *filter, const int8_t *weights,
                                                                const cmsis_nn_dims *bias_dims, const int32_t *bias,
                                                                const cmsis_nn_dims *output, int8_t *y) {
  ++stand_in_calls;
  if (context->buf == NULL || bias_dims->c != output->c || input->c * p->ch_mult != output->c || filter->c != output->c) return ARM_CMSIS_NN_ARG_ERROR;
  for (int32_t h = 0; h < output->h; ++h)
    for (int32_t w = 0; w < output->w; ++w)
      for (int32_t o = 0; o < output->c; ++o) {
        int32_t sum = bias[o];
        for (int32_t i = 0; i < filter->h; ++i)
          for (int32_t j = 0; j < filter->w; ++j) {
            const int32_t row = h * p->stride.h - p->padding.h + i * p->dilation.h;
            const int32_t column = w * p->stride.w - p->padding.w + j * p->dilation.w;
            if (row < 0 || row >= input->h || column < 0 || column >= input->w) continue;
            sum += weights[(i * filter->w + j) * output->c + o] * (x[(row * input->w + column) * input->c + o / p->ch_mult] + p->input_offset);
          }
        *y++ = stand_in_code(stand_in_scaled(sum, q->multiplier[o], q->shift[o]), p->output_offset, p->activation);
      }
  return ARM_CMSIS_NN_SUCCESS;
}

static inline arm_cmsis_nn_status arm_elementwise_add_s8(const int8_t *a, const int8_t *b, int32_t a_offset, int32_t a_multiplier,
                                                         int32_t a_shift, int32_t b_offset, int32_t b_multiplier, int32_t b_shift,
                                                         int32_t left_shift, int8_t *y, int32_t offset, int32_t multiplier, int32_t shift,
                                                         int32_t low, int32_t high, int32_t n) {
  const cmsis_nn_activation ends = {low, high};
  ++stand_in_calls;
  for (int32_t i = 0; i < n; ++i) {
    const int32_t one = stand_in_scaled((a[i] + a_offset) * (1 << left_shift), a_multiplier, a_shift);
    const int32_t two = stand_in_scaled((b[i] + b_offset) * (1 << left_shift), b_multiplier, b_shift);
    y[i] = stand_in_code(stand_in_scaled(one + two, multiplier, shift), offset, ends);
  }
  return ARM_CMSIS_NN_SUCCESS;
}
static inline arm_cmsis_nn_status arm_elementwise_mul_s8(const int8_t *a, const int8_t *b, int32_t a_offset, int32_t b_offset, int8_t *y,
                                                         int32_t offset, int32_t multiplier, int32_t shift, int32_t low, int32_t high, int32_t n) {
  const cmsis_nn_activation ends = {low, high};
  ++stand_in_calls;
  for (int32_t i = 0; i < n; ++i) y[i] = stand_in_code(stand_in_scaled((a[i] + a_offset) * (b[i] + b_offset), multiplier, shift), offset, ends);
  return ARM_CMSIS_NN_SUCCESS;
}
#endif
