#pragma once
// Shapes: a data set that the program draws itself, for when no real one is at hand.

#include <stet/core/parallel.hpp>
#include <stet/core/random.hpp>
#include <stet/data/dataset.hpp>

#include <array>
#include <cmath>

namespace stet {

/// Classes of make_shapes, in the order of their labels.
inline constexpr std::array<const char*, 10> shape_names = {
    "disc", "ring", "square", "frame", "triangle", "cross", "plus", "horizontal bars", "vertical bars", "checker"};

namespace detail {

// A figure at a place: signed distance to its outline in pixels, negative inside.
struct Figure {
  int kind = 0;
  double x = 0, y = 0;          // centre
  double cosine = 1, sine = 0;  // rotation
  double radius = 8, stroke = 2, period = 5;

  static double box(double u, double v, double a, double b) { return std::fmax(std::fabs(u) - a, std::fabs(v) - b); }
  [[nodiscard]] double stripes(double u) const {
    const double phase = u / period - std::floor(u / period);
    return (std::fabs(phase - 0.5) - 0.25) * period;
  }
  [[nodiscard]] double distance(double px, double py) const {
    const double dx = px - x, dy = py - y;
    const double u = cosine * dx + sine * dy, v = cosine * dy - sine * dx;
    const double side = 0.85 * radius, half = 0.5 * stroke;
    switch (kind) {
      case 0:
        return std::sqrt(u * u + v * v) - radius;
      case 1:
        return std::fabs(std::sqrt(u * u + v * v) - radius) - half;
      case 2:
        return box(u, v, side, side);
      case 3:
        return std::fabs(box(u, v, side, side)) - half;
      case 4:
        return std::fmax(v, std::fmax(0.8660254 * u - 0.5 * v, -0.8660254 * u - 0.5 * v)) - 0.6 * radius;
      case 5:
      case 6:
        return std::fmin(box(u, v, radius, half), box(u, v, half, radius));
      case 7:
        return std::fmax(stripes(v), box(u, v, side, side));
      case 8:
        return std::fmax(stripes(u), box(u, v, side, side));
      default: {
        const double a = stripes(u), b = stripes(v);
        return std::fmax(std::fmax(std::fmin(a, b), -std::fmax(a, b)), box(u, v, side, side));
      }
    }
  }
};

inline Figure random_figure(int kind, Rng& rng) {
  Figure f;
  f.kind = kind;
  f.radius = rng.uniform(6.0, 11.0);
  f.x = rng.uniform(f.radius - 1.0, 28.0 - f.radius);
  f.y = rng.uniform(f.radius - 1.0, 28.0 - f.radius);
  f.stroke = rng.uniform(1.6, 3.2);
  f.period = rng.uniform(3.6, 5.6);
  // Tangent of half the angle: any for the triangle, at most 18 degrees for what would turn into another class.
  const double t = kind == 4 ? rng.uniform(-1.0, 1.0) : rng.uniform(-0.16, 0.16);
  f.cosine = (1 - t * t) / (1 + t * t);
  f.sine = 2 * t / (1 + t * t);
  if (kind == 5) {  // a cross is a plus turned by 45 degrees
    const double c = f.cosine;
    f.cosine = (c - f.sine) * 0.7071067811865476;
    f.sine = (c + f.sine) * 0.7071067811865476;
  }
  return f;
}

// About normal with deviation 1: the sum of the eight bytes of one random word.
inline double rough_normal(Rng& rng) {
  std::uint64_t word = rng.next();
  double sum = 0;
  for (int i = 0; i < 8; ++i, word >>= 8) sum += static_cast<double>(word & 255);
  return (sum - 1020.0) / 209.0;
}

inline void draw_shape(int kind, Rng rng, std::uint8_t* pixels) {
  const Figure figure = random_figure(kind, rng);
  const double ground = rng.uniform(0.0, 1.0);
  const double contrast = rng.uniform(0.4, 0.9);
  const double ink = ground < 0.5 ? ground + contrast : ground - contrast;
  const double noise = rng.uniform(0.02, 0.14);
  // A stray line crosses the picture.
  const double lx = rng.uniform(0.0, 28.0), ly = rng.uniform(0.0, 28.0), t = rng.uniform(-1.0, 1.0);
  const double nx = (1 - t * t) / (1 + t * t), ny = 2 * t / (1 + t * t), strength = rng.uniform(-0.3, 0.3);
  for (int i = 0; i < 28; ++i) {
    for (int j = 0; j < 28; ++j) {
      const double px = j + 0.5, py = i + 0.5;
      const double cover = std::fmin(1.0, std::fmax(0.0, 0.5 - figure.distance(px, py)));
      const double line = std::fmax(0.0, 1.2 - std::fabs(nx * (px - lx) + ny * (py - ly)));
      const double value =
          ground + (ink - ground) * cover + strength * std::fmin(1.0, line) + noise * rough_normal(rng);
      pixels[i * 28 + j] = static_cast<std::uint8_t>(255.0 * std::fmin(1.0, std::fmax(0.0, value)) + 0.5);
    }
  }
}

inline Dataset draw_shapes(const Rng& rng, std::int64_t count, const char* part) {
  require(count >= 1, Errc::range, "make_shapes: {} {} images, need at least 1", count, part);
  Tensor<std::uint8_t> images(Shape{count, 28, 28, 1});
  Tensor<std::int32_t> labels(Shape{count});
  std::uint8_t* pixels = images.edit().data();
  std::int32_t* label = labels.edit().data();
  parallel_chunks(count, 784, [&](Chunk chunk) {
    for (std::int64_t i = chunk.first; i < chunk.last; ++i) {
      Rng own = rng.split(static_cast<std::uint64_t>(i));
      label[i] = static_cast<std::int32_t>(own.below(shape_names.size()));
      draw_shape(label[i], own, pixels + i * 784);
    }
  });
  return Dataset(std::move(images), std::move(labels), static_cast<int>(shape_names.size()),
                 "shapes (drawn by the program)");
}

}  // namespace detail

/// Draws grey images [28,28,1] of ten kinds of figures at random places, sizes, angles, contrasts and noise, crossed by
/// a stray line. Image i depends on the seed and i alone (bytes are the same for one build; compilers may differ by
/// one). Errors:    Errc::range if a count is below 1
inline DatasetSplit make_shapes(std::uint64_t seed, std::int64_t train = 60000, std::int64_t test = 10000) {
  const Rng rng(seed);
  return {detail::draw_shapes(rng.split(0), train, "training"), detail::draw_shapes(rng.split(1), test, "test")};
}

}  // namespace stet
