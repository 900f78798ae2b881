// Deployment alone: run integers, without any training code.
#include <stet/engine/engine.hpp>

#include <cstdio>

int main() {
  const stet::IntegerModel model;
  stet::Engine engine(model);
  std::printf("%d\n", static_cast<int>(engine.bytes_per_sample()));
}
