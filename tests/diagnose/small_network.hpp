// A small network that the tests of diagnosis share, trained on drawn images.
#pragma once

#include <stet/data/shapes.hpp>
#include <stet/graph/builder.hpp>
#include <stet/graph/model.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/schedule.hpp>

namespace stet_test {

inline const stet::DatasetSplit& drawn_images() {
  static const stet::DatasetSplit data = stet::make_shapes(1, 3000, 4000);
  return data;
}

/// Two convolutions with batch norm and a linear layer named "logits"; some 60 % of the drawn images right.
inline const stet::Model& trained_network() {
  static const stet::Model model = [] {
    stet::Graph g;
    auto x = g.input({28, 28, 1});
    x = max_pool(relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2, .bias = false}))), {.size = 2});
    x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3, .bias = false})));
    g.output(linear(flatten(x), {.units = 10}).named("logits"));
    stet::Model m(std::move(g), stet::Rng(1));
    (void)stet::fit(m, drawn_images().train, {.epochs = 8, .optimizer = stet::Adam{.lr = 3e-3}, .schedule = stet::Cosine{}, .progress = stet::ProgressMode::quiet});
    return m;
  }();
  return model;
}

}  // namespace stet_test
