#include "arrays.hpp"

#include <stet/graph/builder.hpp>
#include <stet/io/npy_as.hpp>

#include <algorithm>

namespace example {

using namespace stet;

Dataset load_arrays(const std::string& x_path, const std::string& y_path) {
  Tensor<float> x = load_npy_as<float>(x_path);
  if (x.shape().rank() == 3) x = x.reshaped({x.shape()[0], 1, x.shape()[1], x.shape()[2]});
  if (!npy_holds_integers(y_path)) return {x, load_npy_as<float>(y_path), x_path};
  const Tensor<std::int32_t> labels = load_npy_as<std::int32_t>(y_path);
  require(labels.size() > 0, Errc::shape, "{}: no labels", y_path);
  const auto [least, most] = std::minmax_element(labels.span().begin(), labels.span().end());
  require(*least >= 0, Errc::range, "{}: class {}; classes count from 0", y_path, *least);
  return {x, labels, *most + 1, x_path};
}

Graph network(const Dataset& data, int width) {
  Graph g;
  auto x = g.input(data.shape());
  if (data.shape().rank() == 1) {
    x = relu(linear(x, {.units = width}));
    x = relu(linear(x, {.units = width}));
  } else {
    // A line of time has no neighbours above and below.
    const bool line = data.shape()[0] == 1;
    for (const int filters : {width, 2 * width, 2 * width}) {
      const Pair kernel = line ? Pair{1, 5} : Pair{3, 3}, stride = line ? Pair{1, 2} : Pair{2, 2};
      x = relu(batch_norm(conv2d(x, {.filters = filters, .kernel = kernel, .stride = stride, .bias = false})));
    }
    x = global_average_pool(x);
  }
  const auto outputs = data.has_labels() ? data.classes() : data.target_shape().elements();
  g.output(linear(x, {.units = static_cast<int>(outputs)}));
  return g;
}

}  // namespace example
