#pragma once
// Kernels of C programs that need no weights: element by element, windows, moves of codes, and the two real ends.

#include <stet/core/requirements.hpp>
#include <stet/io/c/kernel/kernel.hpp>

namespace stet::c {

/// Of operands a step of 0 repeats one code for the whole run. Bounds are those of codes, z their zero point.
inline constexpr Kernel element_kernels[] = {
    {"copy", "", R"(
/* n codes, each so many steps behind the last. */
static void stet_copy(int32_t n, const int8_t *x, int32_t x_step, int8_t *y, int32_t y_step) {
  for (int32_t i = 0; i < n; ++i) y[i * y_step] = x[i * x_step];
}
)"},
    {"clamp", "cut", R"(
static void stet_clamp(int32_t n, const int8_t *x, int32_t low, int32_t high, int8_t *y) {
  for (int32_t i = 0; i < n; ++i) y[i] = stet_cut(x[i], low, high);
}
)"},
    {"lookup", "", R"(
/* A function of one number: entry q + 128 is the code that q becomes. */
static void stet_lookup(int32_t n, const int8_t *x, const int8_t *table, int8_t *y) {
  for (int32_t i = 0; i < n; ++i) y[i] = table[x[i] + 128];
}
)"},
    {"add", "cut scaled", R"(
/* A sum: both operands at 2^20 on a scale of twice the larger, then on the output's. A difference has sign -1. */
typedef struct {
  int32_t zero_point_1, multiplier_1, shift_1, zero_point_2, multiplier_2, shift_2, sign;
  int32_t z, multiplier, shift, low, high;
} stet_sum;
static void stet_add(const stet_sum *p, int32_t n, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, int8_t *y) {
CMSIS  for (int32_t i = 0; i < n; ++i) {
    const int32_t one = stet_scaled((a[i * a_step] - p->zero_point_1) * (1 << 20), p->multiplier_1, p->shift_1);
    const int32_t two = stet_scaled((b[i * b_step] - p->zero_point_2) * (1 << 20), p->multiplier_2, p->shift_2);
    const int32_t sum = stet_scaled(one + p->sign * two, p->multiplier, p->shift);
    y[i] = (int8_t)(stet_cut(sum, p->low - p->z, p->high - p->z) + p->z);
  }
}
)"},
    {"add_once", "cut", R"(
/* A sum with one rounding, half up. */
typedef struct {
  int32_t factor_1, factor_2, constant, shift, z, low, high;
} stet_sum_once;
static void stet_add_once(const stet_sum_once *p, int32_t n, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                          int8_t *y) {
  for (int32_t i = 0; i < n; ++i) {
    const int32_t sum = p->factor_1 * a[i * a_step] + p->constant + p->factor_2 * b[i * b_step];
    y[i] = (int8_t)(stet_cut((sum + (1 << (p->shift - 1))) >> p->shift, p->low - p->z, p->high - p->z) + p->z);
  }
}
)"},
    {"multiply", "cut scaled", R"(
typedef struct {
  int32_t zero_point_1, zero_point_2, z, multiplier, shift, low, high;
} stet_product;
static void stet_multiply(const stet_product *p, int32_t n, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                          int8_t *y) {
CMSIS  for (int32_t i = 0; i < n; ++i) {
    const int32_t product = (a[i * a_step] - p->zero_point_1) * (b[i * b_step] - p->zero_point_2);
    y[i] = (int8_t)(stet_cut(stet_scaled(product, p->multiplier, p->shift), p->low - p->z, p->high - p->z) + p->z);
  }
}
)"},
    {"multiply_float", "scaled_float", R"(
typedef struct {
  int32_t zero_point_1, zero_point_2, z;
  float factor;
  int32_t low, high;
} stet_product_float;
static void stet_multiply_float(const stet_product_float *p, int32_t n, const int8_t *a, int32_t a_step, const int8_t *b,
                                int32_t b_step, int8_t *y) {
  for (int32_t i = 0; i < n; ++i) {
    const int32_t product = (a[i * a_step] - p->zero_point_1) * (b[i * b_step] - p->zero_point_2);
    y[i] = (int8_t)(stet_scaled_float(product, p->factor, p->low - p->z, p->high - p->z) + p->z);
  }
}
)"},
    {"maximum", "", R"(
static void stet_maximum(int32_t n, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, int8_t *y) {
  for (int32_t i = 0; i < n; ++i) y[i] = a[i * a_step] > b[i * b_step] ? a[i * a_step] : b[i * b_step];
}
)"},
    {"minimum", "", R"(
static void stet_minimum(int32_t n, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, int8_t *y) {
  for (int32_t i = 0; i < n; ++i) y[i] = a[i * a_step] < b[i * b_step] ? a[i * a_step] : b[i * b_step];
}
)"},
    {"max_pool", "window cut", R"(
static void stet_max_pool(const stet_window *w, int32_t low, int32_t high, const int8_t *x, int8_t *y) {
  for (int32_t row = 0; row < w->out_height; ++row) {
    for (int32_t column = 0; column < w->out_width; ++column) {
      for (int32_t c = 0; c < w->in_channels; ++c) {
        int32_t most = low;
        for (int32_t i = 0; i < w->kernel_height; ++i) {
          const int32_t in_row = row * w->stride_height - w->top + i;
          if (in_row < 0 || in_row >= w->in_height) continue;
          for (int32_t j = 0; j < w->kernel_width; ++j) {
            const int32_t in_column = column * w->stride_width - w->left + j;
            if (in_column < 0 || in_column >= w->in_width) continue;
            const int32_t q = x[(in_row * w->in_width + in_column) * w->in_channels + c];
            if (q > most) most = q;
          }
        }
        *y++ = stet_cut(most, low, high);
      }
    }
  }
}
)"},
    {"average_pool", "window cut", R"(
/* The sum of the codes inside the image by their number, half away from zero. */
static void stet_average_pool(const stet_window *w, int32_t low, int32_t high, const int8_t *x, int8_t *y) {
  for (int32_t row = 0; row < w->out_height; ++row) {
    for (int32_t column = 0; column < w->out_width; ++column) {
      for (int32_t c = 0; c < w->in_channels; ++c) {
        int32_t sum = 0, count = 0;
        for (int32_t i = 0; i < w->kernel_height; ++i) {
          const int32_t in_row = row * w->stride_height - w->top + i;
          if (in_row < 0 || in_row >= w->in_height) continue;
          for (int32_t j = 0; j < w->kernel_width; ++j) {
            const int32_t in_column = column * w->stride_width - w->left + j;
            if (in_column < 0 || in_column >= w->in_width) continue;
            sum += x[(in_row * w->in_width + in_column) * w->in_channels + c];
            ++count;
          }
        }
        *y++ = stet_cut((sum > 0 ? sum + count / 2 : sum - count / 2) / count, low, high);
      }
    }
  }
}
)"},
    {"mean", "cut scaled", R"(
/* The mean of each channel over `count` pixels; the multiplier holds 1/count. */
static void stet_mean(int32_t count, int32_t channels, const int8_t *x, int32_t in_zero_point, int32_t multiplier, int32_t shift,
                      int32_t z, int32_t low, int32_t high, int8_t *y) {
  for (int32_t c = 0; c < channels; ++c) {
    int32_t sum = 0;
    for (int32_t i = 0; i < count; ++i) sum += x[i * channels + c] - in_zero_point;
    y[c] = (int8_t)(stet_cut(stet_scaled(sum, multiplier, shift), low - z, high - z) + z);
  }
}
)"},
    {"mean_float", "cut stored half_even", R"(
/* The same in float: the sum of the codes times a factor, and an offset. */
static void stet_mean_float(int32_t count, int32_t channels, const int8_t *x, float factor, float offset, int32_t low, int32_t high,
                            int8_t *y) {
  for (int32_t c = 0; c < channels; ++c) {
    int32_t sum = 0;
    float mean;
    for (int32_t i = 0; i < count; ++i) sum += x[i * channels + c];
    mean = stet_stored(stet_stored((float)sum * factor) + offset);
    y[c] = stet_cut(stet_half_even(mean < -1024.0f ? -1024.0f : mean > 1024.0f ? 1024.0f : mean), low, high);
  }
}
)"},
    {"mean_centred", "scaled_float", R"(
/* The same in float: the sum of what the codes mean times a factor. */
static void stet_mean_centred(int32_t count, int32_t channels, const int8_t *x, int32_t in_zero_point, float factor, int32_t z,
                              int32_t low, int32_t high, int8_t *y) {
  for (int32_t c = 0; c < channels; ++c) {
    int32_t sum = 0;
    for (int32_t i = 0; i < count; ++i) sum += x[i * channels + c] - in_zero_point;
    y[c] = (int8_t)(stet_scaled_float(sum, factor, low - z, high - z) + z);
  }
}
)"},
    {"resize", "", R"(
/* Between which two rows or columns an output lies, and the weight of the second in parts of 2^bits. */
typedef struct {
  int32_t first, second, weight;
} stet_position;
static void stet_resize(int32_t out_height, int32_t out_width, int32_t in_width, int32_t channels, int32_t bits,
                        const stet_position *rows, const stet_position *columns, const int8_t *x, int8_t *y) {
  const int32_t one = 1 << bits, half = 1 << (2 * bits - 1);
  for (int32_t i = 0; i < out_height; ++i) {
    const int32_t down = rows[i].weight;
    for (int32_t j = 0; j < out_width; ++j) {
      const int32_t across = columns[j].weight;
      const int8_t *a = x + (rows[i].first * in_width + columns[j].first) * channels;
      const int8_t *b = x + (rows[i].first * in_width + columns[j].second) * channels;
      const int8_t *d = x + (rows[i].second * in_width + columns[j].first) * channels;
      const int8_t *e = x + (rows[i].second * in_width + columns[j].second) * channels;
      for (int32_t c = 0; c < channels; ++c) {
        const int32_t sum = (one - down) * (one - across) * a[c] + (one - down) * across * b[c] + down * (one - across) * d[c] +
                            down * across * e[c];
        *y++ = (int8_t)(RESIZED);
      }
    }
  }
}
)"},
    {"quantize_half_away", "stored", R"(
/* Codes of n real numbers: round(x / scale) + z, half away from zero. 1 if one of them is no finite number. */
static int stet_quantize(int32_t n, const float *x, float scale, int32_t z, int32_t low, int32_t high, int8_t *y) {
  for (int32_t i = 0; i < n; ++i) {
    float steps = stet_stored(x[i] / scale), part;
    int32_t whole;
    if (!(x[i] >= -FLT_MAX && x[i] <= FLT_MAX)) return 1;
    steps = steps > (float)(low - z) ? steps : (float)(low - z);
    steps = steps < (float)(high - z) ? steps : (float)(high - z);
    whole = (int32_t)steps;
    part = steps - (float)whole;
    y[i] = (int8_t)(whole + (part >= 0.5f ? 1 : 0) - (part <= -0.5f ? 1 : 0) + z);
  }
  return 0;
}
)"},
    {"quantize_half_even", "stored half_even", R"(
/* Codes of n real numbers: round(STEPS) + z, half to even. 1 if one of them is no finite number. */
static int stet_quantize(int32_t n, const float *x, float scale, int32_t z, int32_t low, int32_t high, int8_t *y) {
  for (int32_t i = 0; i < n; ++i) {
    float steps = stet_stored(x[i] STEP scale);
    if (!(x[i] >= -FLT_MAX && x[i] <= FLT_MAX)) return 1;
    steps = steps > (float)(low - z) ? steps : (float)(low - z);
    steps = steps < (float)(high - z) ? steps : (float)(high - z);
    y[i] = (int8_t)(stet_half_even(steps) + z);
  }
  return 0;
}
)"},
    {"within", "", R"(
/* Whether n codes lie on their grid. */
static int stet_within(int32_t n, const int8_t *x, int32_t low, int32_t high) {
  for (int32_t i = 0; i < n; ++i) {
    if (x[i] < low || x[i] > high) return 0;
  }
  return 1;
}
)"},
    {"dequantize", "", R"(
static void stet_dequantize(int32_t n, const int8_t *x, float scale, int32_t z, float *y) {
  for (int32_t i = 0; i < n; ++i) y[i] = scale * (float)(x[i] - z);
}
)"},
};

/// What stands at CMSIS in the kernels above.
/// Source:    ARM-software/CMSIS-NN, Include/arm_nnfunctions.h
inline constexpr Kernel cmsis_element_calls[] = {
    {"add", "", R"(#ifdef STET_WITH_CMSIS_NN
  if (a_step == 1 && b_step == 1 && p->sign == 1) {
    (void)arm_elementwise_add_s8(a, b, -p->zero_point_1, p->multiplier_1, p->shift_1, -p->zero_point_2, p->multiplier_2, p->shift_2,
                                 20, y, p->z, p->multiplier, p->shift, p->low, p->high, n);
    return;
  }
#endif
)"},
    {"multiply", "", R"(#ifdef STET_WITH_CMSIS_NN
  if (a_step == 1 && b_step == 1) {
    (void)arm_elementwise_mul_s8(a, b, -p->zero_point_1, -p->zero_point_2, y, p->z, p->multiplier, p->shift, p->low, p->high, n);
    return;
  }
#endif
)"},
};

}  // namespace stet::c
