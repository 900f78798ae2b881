#include "data.hpp"

#include "readers.hpp"

#include <stet/data/idx.hpp>
#include <stet/data/random_subset.hpp>
#include <stet/data/split.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace example {

namespace {

using namespace stet;
namespace fs = std::filesystem;

Part read_part(const DataSource& source, const std::string& path, const std::string& answers, const Shape& input) {
  if (fs::is_directory(path)) return read_class_folders(source, path, input);
  if (path.ends_with(".csv")) return read_table(source, path);
  if (path.ends_with(".npy")) return read_arrays(source, path, answers);
  fail(Errc::unsupported, "{}: is neither a folder nor a .csv or .npy file", path);
}

// Shapes that differ by dimensions of 1 are one: a table's row [F] for an input [1,F].
Shape without_ones(const Shape& shape) {
  std::vector<std::int64_t> dims;
  for (int d = 0; d < shape.rank(); ++d) {
    if (shape[d] != 1) dims.push_back(shape[d]);
  }
  return Shape(std::span<const std::int64_t>(dims));
}

// Every number x of channel c becomes (x - mean[c]) / std[c].
Tensor<float> scaled(Tensor<float> x, const std::vector<float>& mean, const std::vector<float>& std) {
  const auto values = x.edit();
  const auto channels = static_cast<std::size_t>(x.shape().back());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t c = i % channels;
    values[i] = (values[i] - mean[mean.size() == 1 ? 0 : c]) / std[std.size() == 1 ? 0 : c];
  }
  return x;
}

// Mean and deviation of every channel; a channel that never changes is divided by 1.
std::pair<std::vector<float>, std::vector<float>> moments(const Tensor<float>& x) {
  const auto channels = static_cast<std::size_t>(x.shape().back());
  std::vector<double> sum(channels), squares(channels);
  const double count = static_cast<double>(x.size()) / static_cast<double>(channels);
  for (std::int64_t i = 0; i < x.size(); ++i) sum[static_cast<std::size_t>(i) % channels] += static_cast<double>(x[i]) / count;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::size_t c = static_cast<std::size_t>(i) % channels;
    const double d = static_cast<double>(x[i]) - sum[c];
    squares[c] += d * d / count;
  }
  std::vector<float> mean, std;
  for (std::size_t c = 0; c < channels; ++c) {
    mean.push_back(static_cast<float>(sum[c]));
    std.push_back(squares[c] > 1e-12 ? static_cast<float>(std::sqrt(squares[c])) : 1.0f);
  }
  return {mean, std};
}

void check_scale(const std::vector<float>& values, const char* name, std::int64_t channels) {
  require(values.size() == 1 || static_cast<std::int64_t>(values.size()) == channels, Errc::shape, "--{} wants 1 or {} numbers, got {}", name, channels,
          values.size());
  for (const float v : values) {
    require(std::isfinite(v) && (std::string_view(name) == "mean" || v > 0), Errc::range, "--{} is {}; it must be {}", name, v,
            std::string_view(name) == "mean" ? "finite" : "positive");
  }
}

std::string text_of(const std::vector<float>& values) {
  std::string text;
  for (const float v : values) text += formatted("{}{:.6g}", text.empty() ? "" : " ", v);
  return text;
}

Dataset with_numbers(const Dataset& data, const Shape& input, const std::vector<float>& mean, const std::vector<float>& std,
                     const std::vector<float>& target_mean, const std::vector<float>& target_std) {
  const Batch all = data.batch(0, data.size());
  const Tensor<float> x = scaled(all.x, mean, std).reshaped(input.batched(data.size()));
  if (data.has_labels()) return {x, all.labels, data.classes(), data.name()};
  return {x, scaled(all.targets, target_mean, target_std), data.name()};
}

// Weights with which all classes that there are count alike, and all samples together as many as they are.
Dataset balanced(const Dataset& data) {
  std::vector<double> count(static_cast<std::size_t>(data.classes()), 0);
  for (const std::int32_t label : data.labels()) ++count[static_cast<std::size_t>(label)];
  const auto there = static_cast<double>(std::count_if(count.begin(), count.end(), [](double n) { return n > 0; }));
  Tensor<float> weights(Shape{data.size()});
  auto to = weights.edit();
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] = static_cast<float>(static_cast<double>(data.size()) / (there * count[static_cast<std::size_t>(data.labels()[i])]));
  }
  return data.with_weights(weights);
}

// Both parts as the files have them.
Samples read_samples(const DataSource& source, const Shape& input, std::uint64_t seed) {
  const bool folder = fs::is_directory(source.train);
  if (folder && (fs::exists(source.train + "/train-images-idx3-ubyte") || fs::exists(source.train + "/train-images-idx3-ubyte.gz"))) {
    return {load_mnist(source.train, source.train)};
  }
  const bool two = folder && source.test.empty() && fs::is_directory(source.train + "/train") && fs::is_directory(source.train + "/test");
  const Part train = read_part(source, two ? source.train + "/train" : source.train, source.train_answers, input);
  const std::string test = two ? source.train + "/test" : source.test;
  if (!test.empty()) return {{train.data, same_classes(read_part(source, test, source.test_answers, input), train)}, train.classes};
  return {train.data.has_labels() ? stratified_split(train.data, source.test_share, seed) : random_split(train.data, source.test_share, seed), train.classes};
}

}  // namespace

Samples load_samples(const DataSource& source, const Shape& input, std::uint64_t seed) {
  Samples all = read_samples(source, input, seed);
  DatasetSplit& split = all.split;
  if (source.samples > 0) split.train = random_subset(split.train, source.samples, seed);
  require(without_ones(split.train.shape()) == without_ones(input), Errc::shape,
          "the samples of {} are {}, the network wants {}{}", source.train, split.train.shape(), input,
          split.train.shape().elements() == input.elements() ? "; images [N,C,H,W] want --channels-first" : "");
  std::vector<float> mean = source.mean, std = source.std, target_mean{0.0f}, target_std{1.0f};
  if (source.standardize) {
    std::tie(mean, std) = moments(split.train.batch(0, split.train.size()).x);
    if (split.train.has_targets()) std::tie(target_mean, target_std) = moments(split.train.batch(0, split.train.size()).targets);
  }
  check_scale(mean, "mean", split.train.shape().back());
  check_scale(std, "std", split.train.shape().back());
  const bool as_it_is = mean == std::vector{0.0f} && std == std::vector{1.0f} && target_std == std::vector{1.0f};
  if (!as_it_is || split.train.shape() != input) {
    for (Dataset* part : {&split.train, &split.test}) *part = with_numbers(*part, input, mean, std, target_mean, target_std);
  }
  if (!as_it_is) all.scaled = formatted("inputs are (x - mean) / std with mean {} and std {}", text_of(mean), text_of(std));
  if (source.standardize && split.train.has_targets()) all.scaled += formatted(";\noutputs are (y - mean) / std with mean {} and std {}", text_of(target_mean), text_of(target_std));
  if (source.balance) split.train = balanced(split.train);
  return all;
}

}  // namespace example
