#include "readers.hpp"

#include <stet/data/log_mel.hpp>
#include <stet/data/resize_image.hpp>
#include <stet/io/class_folders.hpp>
#include <stet/io/csv.hpp>
#include <stet/io/image.hpp>
#include <stet/io/npy_as.hpp>
#include <stet/io/wav.hpp>

#include <algorithm>
#include <cmath>

namespace example {

namespace {

using namespace stet;

Tensor<std::int32_t> labels_of(const ClassFiles& files) {
  return {Shape{static_cast<std::int64_t>(files.labels.size())}, files.labels};
}

// Pictures in the size of the input.
Dataset read_pictures(const ClassFiles& files, const std::string& folder, const Shape& input) {
  require(input.rank() == 3 && (input[2] == 1 || input[2] == 3), Errc::shape, "{}: pictures are [H,W,1] or [H,W,3], the network wants {}", folder, input);
  Tensor<std::uint8_t> all(input.batched(static_cast<std::int64_t>(files.paths.size())));
  std::uint8_t* to = all.edit().data();
  for (const std::string& path : files.paths) {
    const Tensor<std::uint8_t> one = resize_image(load_image(path, static_cast<int>(input[2])), input[0], input[1]);
    to = std::copy_n(one.data(), one.size(), to);
  }
  return {all, labels_of(files), static_cast<int>(files.classes.size()), folder};
}

// Sounds as log-mel features, of the input's moments and bands: [T,F,1], [1,T,F] or [T,F].
Dataset read_sounds(const DataSource& source, const ClassFiles& files, const std::string& folder, const Shape& input) {
  std::vector<std::int64_t> dims;
  for (int d = 0; d < input.rank(); ++d) {
    if (input[d] != 1) dims.push_back(input[d]);
  }
  require(dims.size() == 2, Errc::shape, "{}: features of sounds are [moments, bands], the network wants {}", folder, input);
  LogMelOptions options{.window = source.sound_window, .hop = source.sound_hop};
  options.bands = static_cast<int>(dims[1]);
  options.low = source.sound_low;
  options.high = source.sound_high;
  options.fft = 1;
  while (options.fft < options.window && options.fft < (1 << 20)) options.fft *= 2;
  require(options.window >= 2 && options.hop >= 1 && dims[0] < (std::int64_t{1} << 32) / options.hop, Errc::range, "--sound-window {} and --sound-hop {} with {} moments",
          options.window, options.hop, dims[0]);
  const std::int64_t length = options.window + (dims[0] - 1) * options.hop;
  Tensor<float> all(Shape{static_cast<std::int64_t>(files.paths.size()), dims[0], dims[1]});
  float* to = all.edit().data();
  int rate = 0;
  for (const std::string& path : files.paths) {
    const Sound sound = load_wav(path);
    require(rate == 0 || sound.rate == rate, Errc::format, "{}: has {} samples per second, those before {}; bring all to one rate", path, sound.rate, rate);
    rate = sound.rate;
    options.rate = rate;
    const Tensor<float> y = log_mel(of_length(sound.mono(), length), options);
    to = std::copy_n(y.data(), y.size(), to);
  }
  return {all, labels_of(files), static_cast<int>(files.classes.size()), folder};
}

}  // namespace

Part read_class_folders(const DataSource& source, const std::string& folder, const Shape& input) {
  const ClassFiles files = list_class_folders(folder, {".png", ".jpg", ".jpeg", ".wav"});
  const auto sounds = std::count_if(files.paths.begin(), files.paths.end(), [](const std::string& p) { return detail::has_ending(p, {".wav"}); });
  require(sounds == 0 || sounds == static_cast<std::ptrdiff_t>(files.paths.size()), Errc::format, "{}: has pictures and sounds; give one kind", folder);
  return {sounds > 0 ? read_sounds(source, files, folder, input) : read_pictures(files, folder, input), files.classes};
}

Part read_table(const DataSource& source, const std::string& path) {
  require(source.separator.size() == 1 || source.separator == "tab", Errc::range, "--separator {}: wants one character, or tab", source.separator);
  const CsvTable table = load_csv(path, {.separator = source.separator == "tab" ? '\t' : source.separator[0], .header = !source.no_header});
  const std::size_t answer = source.column.empty() ? table.columns() - 1 : table.column(source.column);
  std::vector<std::size_t> inputs;
  for (std::size_t c = 0; c < table.columns(); ++c) {
    if (c != answer) inputs.push_back(c);
  }
  require(!inputs.empty(), Errc::shape, "{}: has no column but that of the answers", path);
  const std::size_t which[] = {answer};
  bool reals = source.regression;
  if (!reals && table.is_numeric(answer)) {
    const Tensor<float> values = table.numbers(which);
    reals = std::any_of(values.span().begin(), values.span().end(), [](float v) { return v != std::floor(v); });
  }
  if (reals) return {{table.numbers(inputs), table.numbers(which), path}};
  CsvClasses classes = table.classes(answer);
  return {{table.numbers(inputs), classes.labels, static_cast<int>(classes.names.size()), path}, classes.names};
}

Part read_arrays(const DataSource& source, const std::string& path, const std::string& answers) {
  require(!answers.empty(), Errc::state, "{}: name its answers with --answers (of the test part with --test-answers), another .npy", path);
  Tensor<float> x = load_npy_as<float>(path);
  if (source.channels_first) {
    require(x.shape().rank() == 4, Errc::shape, "{}: --channels-first wants images [N,C,H,W], the array is {}", path, x.shape());
    const std::int64_t n = x.shape()[0], c = x.shape()[1], plane = x.shape()[2] * x.shape()[3];
    Tensor<float> last(Shape{n, x.shape()[2], x.shape()[3], c});
    auto to = last.edit();
    for (std::int64_t i = 0; i < x.size(); ++i) to[static_cast<std::size_t>((i / (c * plane) * plane + i % plane) * c + i / plane % c)] = x[i];
    x = last;
  }
  if (source.regression || !npy_holds_integers(answers)) return {{x, load_npy_as<float>(answers), path}};
  const Tensor<std::int32_t> labels = load_npy_as<std::int32_t>(answers);
  require(labels.size() > 0, Errc::shape, "{}: no labels", answers);
  const auto [least, most] = std::minmax_element(labels.span().begin(), labels.span().end());
  require(*least >= 0, Errc::range, "{}: class {}; classes count from 0", answers, *least);
  return {{x, labels, *most + 1, path}};
}

Dataset same_classes(Part test, const Part& train) {
  if (!train.data.has_labels() || !test.data.has_labels()) return test.data;
  std::vector<std::int32_t> number;
  for (const std::string& name : test.classes) {
    const auto at = std::find(train.classes.begin(), train.classes.end(), name);
    require(at != train.classes.end(), Errc::range, "{}: has a class '{}' that the training part has not", test.data.name(), name);
    number.push_back(static_cast<std::int32_t>(at - train.classes.begin()));
  }
  const Batch all = test.data.batch(0, test.data.size());
  Tensor<std::int32_t> labels = all.labels;
  for (std::int32_t& label : labels.edit()) label = number.empty() ? label : number[static_cast<std::size_t>(label)];
  return {all.x, labels, train.data.classes(), test.data.name()};
}

}  // namespace example
