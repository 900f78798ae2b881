#pragma once
// Kernels of C programs that multiply by weights.

#include <stet/core/requirements.hpp>
#include <stet/io/c/kernel/kernel.hpp>

namespace stet::c {

/// Sums are exact in 32 bits: format_faults refuses a layer in which one could overflow. CODE stands for the target's rule for the
/// kind of layer, CMSIS for the call of CMSIS-NN where it has that rule.
inline constexpr Kernel layer_kernels[] = {
    {"window", "", R"(
/* How a window moves over an image; padding is what lies above and left of it. Images are rows of pixels of channels. */
typedef struct {
  int32_t in_height, in_width, in_channels, out_height, out_width, out_channels;
  int32_t kernel_height, kernel_width, stride_height, stride_width, dilation_height, dilation_width, top, left;
} stet_window;
)"},
    {"layer", "", R"(
/* Weights and what makes codes of their sums. Of multiplier and shift, factor and scale those are set that the target's
   rule multiplies by, one for each output. */
typedef struct {
  const int8_t *weights;
  const int32_t *bias, *multiplier, *shift;
  const double *factor;
  const float *scale;
  int32_t in_zero_point, out_zero_point, low, high;
} stet_layer;
)"},
    {"code_double_rounding", "layer cut scaled", R"(
/* The code of a sum of output o. */
static inline int8_t stet_code_double_rounding(const stet_layer *l, int32_t o, int32_t sum) {
  const int32_t x = stet_scaled(sum, l->multiplier[o], l->shift[o]), z = l->out_zero_point;
  return (int8_t)(stet_cut(x, l->low - z, l->high - z) + z);
}
)"},
    {"code_half_away_double", "layer scaled_double", R"(
/* The code of a sum of output o. */
static inline int8_t stet_code_half_away_double(const stet_layer *l, int32_t o, int32_t sum) {
  const int32_t z = l->out_zero_point;
  return (int8_t)(stet_scaled_double(sum, l->factor[o], l->low - z, l->high - z) + z);
}
)"},
    {"code_float_half_even", "layer scaled_float", R"(
/* The code of a sum of output o. */
static inline int8_t stet_code_float_half_even(const stet_layer *l, int32_t o, int32_t sum) {
  const int32_t z = l->out_zero_point;
  return (int8_t)(stet_scaled_float(sum, l->scale[o], l->low - z, l->high - z) + z);
}
)"},
    {"cmsis", "layer", R"(
#ifdef STET_WITH_CMSIS_NN
/* What CMSIS-NN takes of every layer. It only reads the arrays, though their type there says otherwise. */
static cmsis_nn_per_channel_quant_params stet_multipliers(const stet_layer *l) {
  cmsis_nn_per_channel_quant_params q;
  q.multiplier = (int32_t *)(uintptr_t)l->multiplier;
  q.shift = (int32_t *)(uintptr_t)l->shift;
  return q;
}
static cmsis_nn_dims stet_dims(int32_t n, int32_t h, int32_t w, int32_t c) {
  cmsis_nn_dims d;
  d.n = n;
  d.h = h;
  d.w = w;
  d.c = c;
  return d;
}
static cmsis_nn_tile stet_tile(int32_t w, int32_t h) {
  cmsis_nn_tile t;
  t.w = w;
  t.h = h;
  return t;
}
/* Its memory; 1 if it wants more than there is. */
static int32_t stet_scratch[STET_SCRATCH_WORDS];
static int stet_context(cmsis_nn_context *context, int32_t bytes) {
  context->buf = stet_scratch;
  context->size = (int32_t)sizeof stet_scratch;
  return bytes > context->size;
}
#endif
)"},
    {"convolve", "window layer CODE", R"(
/* Weights [outputs, kernel height, kernel width, channels of a group]. A linear layer is one whose kernel is a pixel. */
static int stet_convolve_CODE(const stet_window *w, const stet_layer *l, int32_t groups, const int8_t *x, int8_t *y) {
CMSIS  const int32_t depth = w->in_channels / groups, outputs = w->out_channels / groups;
  const int32_t taps = w->kernel_height * w->kernel_width;
  for (int32_t row = 0; row < w->out_height; ++row) {
    for (int32_t column = 0; column < w->out_width; ++column) {
      for (int32_t o = 0; o < w->out_channels; ++o) {
        const int32_t first_channel = o / outputs * depth;
        int32_t sum = l->bias[o];
        for (int32_t i = 0; i < w->kernel_height; ++i) {
          const int32_t in_row = row * w->stride_height - w->top + i * w->dilation_height;
          if (in_row < 0 || in_row >= w->in_height) continue;
          for (int32_t j = 0; j < w->kernel_width; ++j) {
            const int32_t in_column = column * w->stride_width - w->left + j * w->dilation_width;
            if (in_column < 0 || in_column >= w->in_width) continue;
            const int8_t *from = x + (in_row * w->in_width + in_column) * w->in_channels + first_channel;
            const int8_t *by = l->weights + (o * taps + i * w->kernel_width + j) * depth;
            for (int32_t c = 0; c < depth; ++c) sum += by[c] * (from[c] - l->in_zero_point);
          }
        }
        *y++ = stet_code_CODE(l, o, sum);
      }
    }
  }
  return 0;
}
)"},
    {"depthwise", "window layer CODE", R"(
/* Weights [kernel height, kernel width, outputs]: output o reads channel o / multiplier. */
static int stet_depthwise_CODE(const stet_window *w, const stet_layer *l, const int8_t *x, int8_t *y) {
CMSIS  const int32_t multiplier = w->out_channels / w->in_channels;
  for (int32_t row = 0; row < w->out_height; ++row) {
    for (int32_t column = 0; column < w->out_width; ++column) {
      for (int32_t o = 0; o < w->out_channels; ++o) {
        int32_t sum = l->bias[o];
        for (int32_t i = 0; i < w->kernel_height; ++i) {
          const int32_t in_row = row * w->stride_height - w->top + i * w->dilation_height;
          if (in_row < 0 || in_row >= w->in_height) continue;
          for (int32_t j = 0; j < w->kernel_width; ++j) {
            const int32_t in_column = column * w->stride_width - w->left + j * w->dilation_width;
            if (in_column < 0 || in_column >= w->in_width) continue;
            sum += l->weights[(i * w->kernel_width + j) * w->out_channels + o] *
                   (x[(in_row * w->in_width + in_column) * w->in_channels + o / multiplier] - l->in_zero_point);
          }
        }
        *y++ = stet_code_CODE(l, o, sum);
      }
    }
  }
  return 0;
}
)"},
    {"transposed", "window layer CODE", R"(
/* The transposed convolution, each output from the inputs that reach it. Weights [outputs, kernel height, kernel width,
   channels]; padding is what is cut off above and left. */
static void stet_transposed_CODE(const stet_window *w, const stet_layer *l, const int8_t *x, int8_t *y) {
  const int32_t taps = w->kernel_height * w->kernel_width;
  for (int32_t row = 0; row < w->out_height; ++row) {
    for (int32_t column = 0; column < w->out_width; ++column) {
      for (int32_t o = 0; o < w->out_channels; ++o) {
        int32_t sum = l->bias[o];
        for (int32_t i = 0; i < w->kernel_height; ++i) {
          const int32_t steps_down = row + w->top - i;
          if (steps_down < 0 || steps_down % w->stride_height != 0) continue;
          const int32_t in_row = steps_down / w->stride_height;
          if (in_row >= w->in_height) continue;
          for (int32_t j = 0; j < w->kernel_width; ++j) {
            const int32_t steps_right = column + w->left - j;
            if (steps_right < 0 || steps_right % w->stride_width != 0) continue;
            const int32_t in_column = steps_right / w->stride_width;
            if (in_column >= w->in_width) continue;
            const int8_t *from = x + (in_row * w->in_width + in_column) * w->in_channels;
            const int8_t *by = l->weights + (o * taps + i * w->kernel_width + j) * w->in_channels;
            for (int32_t c = 0; c < w->in_channels; ++c) sum += by[c] * (from[c] - l->in_zero_point);
          }
        }
        *y++ = stet_code_CODE(l, o, sum);
      }
    }
  }
}
)"},
};

/// What stands at CMSIS in the kernels above where the rule is that of CMSIS-NN.
/// Source:    ARM-software/CMSIS-NN, Include/arm_nnfunctions.h
inline constexpr Kernel cmsis_calls[] = {
    {"convolve", "", R"(#ifdef STET_WITH_CMSIS_NN
  const cmsis_nn_dims in = stet_dims(1, w->in_height, w->in_width, w->in_channels);
  const cmsis_nn_dims filter = stet_dims(w->out_channels, w->kernel_height, w->kernel_width, w->in_channels / groups);
  const cmsis_nn_dims bias = stet_dims(1, 1, 1, w->out_channels);
  const cmsis_nn_dims out = stet_dims(1, w->out_height, w->out_width, w->out_channels);
  const cmsis_nn_per_channel_quant_params q = stet_multipliers(l);
  cmsis_nn_conv_params p;
  cmsis_nn_context context;
  p.input_offset = -l->in_zero_point;
  p.output_offset = l->out_zero_point;
  p.stride = stet_tile(w->stride_width, w->stride_height);
  p.padding = stet_tile(w->left, w->top);
  p.dilation = stet_tile(w->dilation_width, w->dilation_height);
  p.activation.min = l->low;
  p.activation.max = l->high;
  if (stet_context(&context, arm_convolve_wrapper_s8_get_buffer_size(&p, &in, &filter, &out))) return 2;
  return arm_convolve_wrapper_s8(&context, &p, &q, &in, x, &filter, l->weights, &bias, l->bias, &out, y) ? 2 : 0;
#else
)"},
    {"depthwise", "", R"(#ifdef STET_WITH_CMSIS_NN
  const cmsis_nn_dims in = stet_dims(1, w->in_height, w->in_width, w->in_channels);
  const cmsis_nn_dims filter = stet_dims(1, w->kernel_height, w->kernel_width, w->out_channels);
  const cmsis_nn_dims bias = stet_dims(1, 1, 1, w->out_channels);
  const cmsis_nn_dims out = stet_dims(1, w->out_height, w->out_width, w->out_channels);
  const cmsis_nn_per_channel_quant_params q = stet_multipliers(l);
  cmsis_nn_dw_conv_params p;
  cmsis_nn_context context;
  p.input_offset = -l->in_zero_point;
  p.output_offset = l->out_zero_point;
  p.ch_mult = w->out_channels / w->in_channels;
  p.stride = stet_tile(w->stride_width, w->stride_height);
  p.padding = stet_tile(w->left, w->top);
  p.dilation = stet_tile(w->dilation_width, w->dilation_height);
  p.activation.min = l->low;
  p.activation.max = l->high;
  if (stet_context(&context, arm_depthwise_conv_wrapper_s8_get_buffer_size(&p, &in, &filter, &out))) return 2;
  return arm_depthwise_conv_wrapper_s8(&context, &p, &q, &in, x, &filter, l->weights, &bias, l->bias, &out, y) ? 2 : 0;
#else
)"},
};

}  // namespace stet::c
