#pragma once
// Bilinear interpolation of images to any size.

#include <stet/autograd/tape.hpp>
#include <stet/core/interpolation.hpp>
#include <stet/core/parallel.hpp>

#include <cstdint>
#include <utility>
#include <vector>

namespace stet {

/// An image resized: the positions of its output's rows and columns.
struct Interpolation {
  std::vector<SamplePosition> rows, columns;
  Interpolation(const Shape& image, std::int64_t height, std::int64_t width, Coordinates coordinates)
      : rows(sample_positions(image[0], height, coordinates)), columns(sample_positions(image[1], width, coordinates)) {}
};

namespace detail {

// Calls f(output row, output column, positions of the four neighbours in an image of this width, their weights).
template <class T, class F>
void for_neighbours(const Interpolation& to, std::int64_t width, F f) {
  for (std::size_t h = 0; h < to.rows.size(); ++h) {
    for (std::size_t w = 0; w < to.columns.size(); ++w) {
      const SamplePosition &r = to.rows[h], &c = to.columns[w];
      const double down = r.fraction(), right = c.fraction();
      const std::int64_t at[] = {r.lo * width + c.lo, r.lo * width + c.hi, r.hi * width + c.lo, r.hi * width + c.hi};
      const T weight[] = {static_cast<T>((1 - down) * (1 - right)), static_cast<T>((1 - down) * right), static_cast<T>(down * (1 - right)),
                          static_cast<T>(down * right)};
      f(static_cast<std::int64_t>(h * to.columns.size() + w), at, weight);
    }
  }
}

}  // namespace detail

/// Interpolates rows and columns linearly.
/// Formula:   y = Σ weight_k x_k over the four neighbours of each output's position
/// Shapes:    x [N,H,W,C] -> [N,rows,columns,C]
/// Errors:    Errc::shape if x is no image
template <class T>
Tensor<T> resize_bilinear_forward(const Tensor<T>& x, const Interpolation& to) {
  const Shape& s = x.shape();
  require(s.rank() == 4, Errc::shape, "resize_bilinear: input must be [N,H,W,C], got {}", s);
  Tensor<T> y(Shape{s[0], static_cast<std::int64_t>(to.rows.size()), static_cast<std::int64_t>(to.columns.size()), s[3]});
  T* out = y.edit().data();
  const std::int64_t c = s[3], image = s[1] * s[2] * c, made = y.size() / std::max<std::int64_t>(s[0], 1);
  parallel_chunks(s[0], 8 * made, [&](Chunk images) {
    for (std::int64_t n = images.first; n < images.last; ++n) {
      const T* from = x.data() + n * image;
      detail::for_neighbours<T>(to, s[2], [&](std::int64_t pixel, const std::int64_t* at, const T* weight) {
        T* const line = out + n * made + pixel * c;
        const T *a = from + at[0] * c, *b = from + at[1] * c, *d = from + at[2] * c, *e = from + at[3] * c;
        const T wa = weight[0], wb = weight[1], wd = weight[2], we = weight[3];
        for (std::int64_t i = 0; i < c; ++i) line[i] = wa * a[i] + wb * b[i] + wd * d[i] + we * e[i];
      });
    }
  });
  return y;
}

/// The transposed of resize_bilinear_forward.
/// Formula:   dx_j = Σ weight dy over the outputs that lie beside sample j
/// Shapes:    dy -> shape `input`
template <class T>
Tensor<T> resize_bilinear_backward(const Tensor<T>& dy, const Interpolation& to, const Shape& input) {
  Tensor<T> dx = Tensor<T>::zeros(input);
  T* out = dx.edit().data();
  const std::int64_t c = input[3], image = input[1] * input[2] * c, made = dy.size() / std::max<std::int64_t>(input[0], 1);
  parallel_chunks(input[0], 8 * made, [&](Chunk images) {
    for (std::int64_t n = images.first; n < images.last; ++n) {
      detail::for_neighbours<T>(to, input[2], [&](std::int64_t pixel, const std::int64_t* at, const T* weight) {
        const T* const g = dy.data() + n * made + pixel * c;
        for (int k = 0; k < 4; ++k) {
          T* const line = out + n * image + at[k] * c;
          for (std::int64_t i = 0; i < c; ++i) line[i] += weight[k] * g[i];
        }
      });
    }
  });
  return dx;
}

/// Bilinear interpolation on the tape; see resize_bilinear_forward.
/// Gradient:  dx = the transposed interpolation of dy
template <class T>
Var<Tensor<T>> resize_bilinear(const Var<Tensor<T>>& x, Interpolation to) {
  Tensor<T> y = resize_bilinear_forward(x.value(), to);
  return record(std::move(y), std::tie(x),
                [to = std::move(to), input = x.shape()](const Tensor<T>& dy, auto dx) { dx.add(resize_bilinear_backward(dy, to, input)); });
}

}  // namespace stet
