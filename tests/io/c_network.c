/* Runs a network from the tables of save_c_weights with plain loops:  c_network INPUT OUTPUT
   Compiled with -DNETWORK_FILE="..." -DNETWORK=symbol. INPUT holds the codes of all inputs of one image in turn; OUTPUT gets the codes
   of all values in turn. */
#include NETWORK_FILE

#include <stdio.h>
#include <stdlib.h>

static int32_t multiply(int32_t x, int32_t multiplier, int32_t shift) {
  const int32_t left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
  const int64_t product = (int64_t)x * ((int64_t)1 << left) * multiplier;
  const int64_t high = (product + ((int64_t)1 << 30)) >> 31;
  const int64_t mask = ((int64_t)1 << right) - 1;
  const int64_t threshold = (mask >> 1) + (high < 0);
  return (int32_t)((high >> right) + ((high & mask) > threshold));
}
static int8_t clamp(int32_t x, int32_t lo, int32_t hi) { return (int8_t)(x < lo ? lo : x > hi ? hi : x); }
static int64_t size(cmsis_nn_dims d) { return (int64_t)d.n * d.h * d.w * d.c; }
static int64_t at(cmsis_nn_dims d, int32_t h, int32_t w, int32_t c) { return ((int64_t)h * d.w + w) * d.c + c; }

static void convolve(const stet_node* n, cmsis_nn_dims xd, const int8_t* x, cmsis_nn_dims yd, int8_t* y) {
  const cmsis_nn_conv_params* p = n->params;
  const int32_t per_group = yd.c / (xd.c / n->filter.c);
  for (int32_t h = 0; h < yd.h; ++h)
    for (int32_t w = 0; w < yd.w; ++w)
      for (int32_t o = 0; o < yd.c; ++o) {
        int32_t sum = n->bias[o];
        for (int32_t i = 0; i < n->filter.h; ++i)
          for (int32_t j = 0; j < n->filter.w; ++j)
            for (int32_t c = 0; c < n->filter.c; ++c) {
              const int32_t row = h * p->stride.h - p->padding.h + i * p->dilation.h;
              const int32_t column = w * p->stride.w - p->padding.w + j * p->dilation.w;
              if (row < 0 || row >= xd.h || column < 0 || column >= xd.w) continue;
              sum += n->weights[((o * n->filter.h + i) * n->filter.w + j) * n->filter.c + c] *
                     (x[at(xd, row, column, o / per_group * n->filter.c + c)] + p->input_offset);
            }
        y[at(yd, h, w, o)] = clamp(multiply(sum, n->quant.multiplier[o], n->quant.shift[o]) + p->output_offset,
                                   p->activation.min, p->activation.max);
      }
}

static void convolve_depthwise(const stet_node* n, cmsis_nn_dims xd, const int8_t* x, cmsis_nn_dims yd, int8_t* y) {
  const cmsis_nn_dw_conv_params* p = n->params;
  for (int32_t h = 0; h < yd.h; ++h)
    for (int32_t w = 0; w < yd.w; ++w)
      for (int32_t o = 0; o < yd.c; ++o) {
        int32_t sum = n->bias[o];
        for (int32_t i = 0; i < n->filter.h; ++i)
          for (int32_t j = 0; j < n->filter.w; ++j) {
            const int32_t row = h * p->stride.h - p->padding.h + i * p->dilation.h;
            const int32_t column = w * p->stride.w - p->padding.w + j * p->dilation.w;
            if (row < 0 || row >= xd.h || column < 0 || column >= xd.w) continue;
            sum += n->weights[(i * n->filter.w + j) * yd.c + o] *
                   (x[at(xd, row, column, o / p->ch_mult)] + p->input_offset);
          }
        y[at(yd, h, w, o)] = clamp(multiply(sum, n->quant.multiplier[o], n->quant.shift[o]) + p->output_offset,
                                   p->activation.min, p->activation.max);
      }
}

static void convolve_transposed(const stet_node* n, cmsis_nn_dims xd, const int8_t* x, cmsis_nn_dims yd, int8_t* y) {
  const cmsis_nn_transpose_conv_params* p = n->params;
  for (int32_t h = 0; h < yd.h; ++h)
    for (int32_t w = 0; w < yd.w; ++w)
      for (int32_t o = 0; o < yd.c; ++o) {
        int32_t sum = n->bias[o];
        for (int32_t i = 0; i < n->filter.h; ++i)
          for (int32_t j = 0; j < n->filter.w; ++j) {
            const int32_t row = h + p->padding.h - i, column = w + p->padding.w - j;
            if (row < 0 || row % p->stride.h != 0 || row / p->stride.h >= xd.h) continue;
            if (column < 0 || column % p->stride.w != 0 || column / p->stride.w >= xd.w) continue;
            for (int32_t c = 0; c < xd.c; ++c) {
              sum += n->weights[((o * n->filter.h + i) * n->filter.w + j) * xd.c + c] *
                     (x[at(xd, row / p->stride.h, column / p->stride.w, c)] + p->input_offset);
            }
          }
        y[at(yd, h, w, o)] = clamp(multiply(sum, n->quant.multiplier[o], n->quant.shift[o]) + p->output_offset,
                                   p->activation.min, p->activation.max);
      }
}

static void fully_connected(const stet_node* n, const int8_t* x, int8_t* y) {
  const cmsis_nn_fc_params* p = n->params;
  for (int32_t o = 0; o < n->filter.c; ++o) {
    int32_t sum = n->bias[o];
    for (int32_t i = 0; i < n->filter.n; ++i) {
      sum += (n->weights[o * n->filter.n + i] + p->filter_offset) * (x[i] + p->input_offset);
    }
    y[o] = clamp(multiply(sum, n->quant.multiplier[o], n->quant.shift[o]) + p->output_offset, p->activation.min,
                 p->activation.max);
  }
}

static void add(const stet_node* n, int64_t count, const int8_t* a, const int8_t* b, int8_t* y) {
  const stet_add_params* p = n->params;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t one = (a[i] + p->input_1_offset) * (1 << p->left_shift);
    const int32_t two = (b[i] + p->input_2_offset) * (1 << p->left_shift);
    const int32_t first = multiply(one, p->input_1_mult, p->input_1_shift);
    const int32_t second = multiply(two, p->input_2_mult, p->input_2_shift);
    const int32_t sum = n->op == STET_SUB || n->op == STET_SUB_BROADCAST ? first - second : first + second;
    y[i] =
        clamp(multiply(sum, p->out_mult, p->out_shift) + p->out_offset, p->out_activation_min, p->out_activation_max);
  }
}

static void mul(const stet_node* n, int64_t count, const int8_t* a, const int8_t* b, int8_t* y) {
  const stet_mul_params* p = n->params;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t product = (a[i] + p->input_1_offset) * (b[i] + p->input_2_offset);
    y[i] = clamp(multiply(product, p->out_mult, p->out_shift) + p->out_offset, p->out_activation_min,
                 p->out_activation_max);
  }
}

/* The codes of x repeated to the dimensions of y. */
static int8_t* repeated(cmsis_nn_dims xd, const int8_t* x, cmsis_nn_dims yd) {
  int8_t* wide = malloc((size_t)size(yd));
  for (int32_t h = 0; h < yd.h; ++h)
    for (int32_t w = 0; w < yd.w; ++w)
      for (int32_t c = 0; c < yd.c; ++c)
        wide[at(yd, h, w, c)] = x[at(xd, xd.h == 1 ? 0 : h, xd.w == 1 ? 0 : w, xd.c == 1 ? 0 : c)];
  return wide;
}

static void broadcast(const stet_node* n, cmsis_nn_dims ad, const int8_t* a, cmsis_nn_dims bd, const int8_t* b,
                      cmsis_nn_dims yd, int8_t* y) {
  int8_t *left = repeated(ad, a, yd), *right = repeated(bd, b, yd);
  (n->op == STET_MUL_BROADCAST ? mul : add)(n, size(yd), left, right, y);
  free(left);
  free(right);
}

static void cut_out(const stet_node* n, cmsis_nn_dims xd, const int8_t* x, cmsis_nn_dims yd, int8_t* y) {
  const stet_slice_params* p = n->params;
  const int32_t dh = p->axis == 1 ? p->first : 0, dw = p->axis == 2 ? p->first : 0, dc = p->axis == 3 ? p->first : 0;
  const int32_t sh = p->axis == 1 ? p->step : 1, sw = p->axis == 2 ? p->step : 1, sc = p->axis == 3 ? p->step : 1;
  for (int32_t h = 0; h < yd.h; ++h)
    for (int32_t w = 0; w < yd.w; ++w)
      for (int32_t c = 0; c < yd.c; ++c) y[at(yd, h, w, c)] = x[at(xd, h * sh + dh, w * sw + dw, c * sc + dc)];
}

static void pad_channels(const stet_node* n, cmsis_nn_dims xd, const int8_t* x, cmsis_nn_dims yd, int8_t* y) {
  const stet_pad_channels_params* p = n->params;
  for (int32_t i = 0; i < yd.h * yd.w; ++i)
    for (int32_t c = 0; c < yd.c; ++c) {
      const int32_t from = c - p->before;
      y[i * yd.c + c] = from < 0 || from >= xd.c ? (int8_t)p->value : x[i * xd.c + from];
    }
}

static void upsample(cmsis_nn_dims xd, const int8_t* x, cmsis_nn_dims yd, int8_t* y) {
  for (int32_t h = 0; h < yd.h; ++h)
    for (int32_t w = 0; w < yd.w; ++w)
      for (int32_t c = 0; c < yd.c; ++c) y[at(yd, h, w, c)] = x[at(xd, h / (yd.h / xd.h), w / (yd.w / xd.w), c)];
}

static void pool(const stet_node* n, cmsis_nn_dims xd, const int8_t* x, cmsis_nn_dims yd, int8_t* y) {
  const cmsis_nn_pool_params* p = n->params;
  for (int32_t h = 0; h < yd.h; ++h)
    for (int32_t w = 0; w < yd.w; ++w)
      for (int32_t c = 0; c < yd.c; ++c) {
        int32_t most = -128, sum = 0, count = 0;
        for (int32_t i = 0; i < n->filter.h; ++i)
          for (int32_t j = 0; j < n->filter.w; ++j) {
            const int32_t row = h * p->stride.h - p->padding.h + i, column = w * p->stride.w - p->padding.w + j;
            if (row < 0 || row >= xd.h || column < 0 || column >= xd.w) continue;
            const int32_t q = x[at(xd, row, column, c)];
            most = q > most ? q : most;
            sum += q;
            ++count;
          }
        const int32_t average = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
        y[at(yd, h, w, c)] = clamp(n->op == STET_MAX_POOL ? most : average, p->activation.min, p->activation.max);
      }
}

static int32_t place(int32_t first, int32_t step, int32_t i) { return first + i * step < 0 ? 0 : first + i * step; }
static int32_t last(int32_t i, int32_t count) { return i < count ? i : count - 1; }

static void resize_bilinear(const stet_node* n, cmsis_nn_dims xd, const int8_t* x, cmsis_nn_dims yd, int8_t* y) {
  const stet_resize_bilinear_params* p = n->params;
  for (int32_t h = 0; h < yd.h; ++h)
    for (int32_t w = 0; w < yd.w; ++w)
      for (int32_t c = 0; c < yd.c; ++c) {
        const int32_t row = place(p->row_first, p->row_step, h), column = place(p->column_first, p->column_step, w);
        const int32_t top = row / 1024, bottom = last(top + 1, xd.h), left = column / 1024, right = last(left + 1, xd.w);
        const int32_t down = row % 1024, across = column % 1024;
        const int32_t sum = (1024 - down) * (1024 - across) * x[at(xd, top, left, c)] + (1024 - down) * across * x[at(xd, top, right, c)] +
                            down * (1024 - across) * x[at(xd, bottom, left, c)] + down * across * x[at(xd, bottom, right, c)];
        y[at(yd, h, w, c)] = (int8_t)((sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20));
      }
}

static void mean(const stet_node* n, cmsis_nn_dims xd, const int8_t* x, int8_t* y) {
  const stet_mean_params* p = n->params;
  for (int32_t c = 0; c < xd.c; ++c) {
    int32_t sum = 0;
    for (int32_t i = 0; i < xd.h * xd.w; ++i) sum += x[i * xd.c + c] + p->input_offset;
    y[c] = clamp(multiply(sum, p->multiplier, p->shift) + p->output_offset, -128, 127);
  }
}

static void rearrange(const stet_network* net, const stet_node* n, int8_t** codes) {
  const cmsis_nn_dims yd = net->values[n->output].dims;
  int8_t* y = codes[n->output];
  int32_t first[4] = {0, 0, 0, 0};
  for (int32_t k = 0; k < n->input_count; ++k) {
    const cmsis_nn_dims xd = net->values[n->inputs[k]].dims;
    const int32_t size_of[4] = {xd.n, xd.h, xd.w, xd.c};
    for (int32_t h = 0; h < xd.h; ++h)
      for (int32_t w = 0; w < xd.w; ++w)
        for (int32_t c = 0; c < xd.c; ++c) {
          const int32_t from[4] = {0, h, w, c};
          int32_t to[4] = {0, h + first[1], w + first[2], c + first[3]};
          if (n->op == STET_TRANSPOSE) {
            for (int i = 0; i < 4; ++i) to[i] = from[((const stet_transpose_params*)n->params)->axes[i]];
          }
          if (n->op == STET_PAD) {
            to[1] += ((const stet_pad_params*)n->params)->top;
            to[2] += ((const stet_pad_params*)n->params)->left;
          }
          y[at(yd, to[1], to[2], to[3])] = codes[n->inputs[k]][at(xd, h, w, c)];
        }
    if (n->op == STET_CONCAT) {
      const int32_t axis = ((const stet_concat_params*)n->params)->axis;
      first[axis] += size_of[axis];
    }
  }
}

static void run(const stet_network* net, const stet_node* n, int8_t** codes) {
  const cmsis_nn_dims xd = net->values[n->inputs[0]].dims, yd = net->values[n->output].dims;
  const int8_t *x = codes[n->inputs[0]], *b = n->input_count > 1 ? codes[n->inputs[1]] : 0;
  int8_t* y = codes[n->output];
  switch (n->op) {
    case STET_INPUT:
      break;
    case STET_CONV:
      convolve(n, xd, x, yd, y);
      break;
    case STET_DEPTHWISE_CONV:
      convolve_depthwise(n, xd, x, yd, y);
      break;
    case STET_TRANSPOSE_CONV:
      convolve_transposed(n, xd, x, yd, y);
      break;
    case STET_FULLY_CONNECTED:
      fully_connected(n, x, y);
      break;
    case STET_ADD:
    case STET_SUB:
      add(n, size(yd), x, b, y);
      break;
    case STET_MUL:
      mul(n, size(yd), x, b, y);
      break;
    case STET_ADD_BROADCAST:
    case STET_SUB_BROADCAST:
    case STET_MUL_BROADCAST:
      broadcast(n, xd, x, net->values[n->inputs[1]].dims, b, yd, y);
      break;
    case STET_MAXIMUM:
    case STET_MINIMUM: {
      int8_t *left = repeated(xd, x, yd), *right = repeated(net->values[n->inputs[1]].dims, codes[n->inputs[1]], yd);
      for (int64_t i = 0; i < size(yd); ++i) y[i] = (left[i] > right[i]) == (n->op == STET_MAXIMUM) ? left[i] : right[i];
      free(left);
      free(right);
      break;
    }
    case STET_MAX_POOL:
    case STET_AVERAGE_POOL:
      pool(n, xd, x, yd, y);
      break;
    case STET_MEAN:
      mean(n, xd, x, y);
      break;
    case STET_PAD:
      for (int64_t i = 0; i < size(yd); ++i) y[i] = (int8_t)((const stet_pad_params*)n->params)->value;
      rearrange(net, n, codes);
      break;
    case STET_CONCAT:
    case STET_TRANSPOSE:
      rearrange(net, n, codes);
      break;
    case STET_RESHAPE:
      for (int64_t i = 0; i < size(yd); ++i) y[i] = x[i];
      break;
    case STET_SLICE:
      cut_out(n, xd, x, yd, y);
      break;
    case STET_PAD_CHANNELS:
      pad_channels(n, xd, x, yd, y);
      break;
    case STET_RESIZE_BILINEAR:
      resize_bilinear(n, xd, x, yd, y);
      break;
    case STET_UPSAMPLE:
      upsample(xd, x, yd, y);
      break;
    case STET_LOOKUP:
      for (int64_t i = 0; i < size(yd); ++i) y[i] = n->weights[x[i] + 128];
      break;
    case STET_CLAMP: {
      const cmsis_nn_activation* p = n->params;
      for (int64_t i = 0; i < size(yd); ++i) y[i] = clamp(x[i], p->min, p->max);
      break;
    }
  }
}

int main(int argc, char** argv) {
  const stet_network* net = &NETWORK;
  if (argc != 3) return 2;
  int8_t** codes = calloc((size_t)net->value_count, sizeof(int8_t*));
  for (int32_t v = 0; v < net->value_count; ++v) codes[v] = calloc((size_t)size(net->values[v].dims), 1);
  FILE* in = fopen(argv[1], "rb");
  if (!in) return 2;
  for (int32_t i = 0; i < net->input_count; ++i) {
    const size_t wanted = (size_t)size(net->values[net->inputs[i]].dims);
    if (fread(codes[net->inputs[i]], 1, wanted, in) != wanted) return 2;
  }
  fclose(in);
  for (int32_t i = 0; i < net->node_count; ++i) {
    if (net->nodes[i].op != STET_INPUT) run(net, &net->nodes[i], codes);
  }
  FILE* out = fopen(argv[2], "wb");
  if (!out) return 2;
  for (int32_t v = 0; v < net->value_count; ++v) fwrite(codes[v], 1, (size_t)size(net->values[v].dims), out);
  fclose(out);
  for (int32_t v = 0; v < net->value_count; ++v) free(codes[v]);
  free(codes);
  return 0;
}
