// What the fuzzers feed: every reader of a file format, on bytes that nobody vouches for. A reader may throw stet::Error
// and nothing else; what it accepts must survive being written and read again.
#pragma once

#include <stet/data/idx.hpp>
#include <stet/engine/engine.hpp>
#include <stet/io/csv.hpp>
#include <stet/io/image.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/npy_as.hpp>
#include <stet/io/onnx/encode.hpp>
#include <stet/io/onnx/external_data.hpp>
#include <stet/io/safetensors.hpp>
#include <stet/io/tflite/encode.hpp>
#include <stet/io/wav.hpp>
#include <stet/model/load_onnx_integer.hpp>
#include <stet/model/plan_units.hpp>

#include "mutate.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

namespace stet_test {

using Bytes = std::span<const std::uint8_t>;

inline void must(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

/// Calls a function; stet::Error is an answer, every other exception is a fault.
template <class F>
void refused_or(F&& f) {
  try {
    f();
  } catch (const stet::Error& e) {
    must(e.what()[0] != '\0', "an error without a text");
  }
}

/// A file in memory, for readers that take a path.
class MemoryFile {
 public:
  explicit MemoryFile(Bytes bytes) : fd_(memfd_create("fuzz", MFD_CLOEXEC)) {
    must(fd_ >= 0, "memfd_create");
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t put = ::write(fd_, bytes.data() + done, bytes.size() - done);
      must(put > 0, "write to memory");
      done += static_cast<std::size_t>(put);
    }
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(fd_); }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

/// Tied weights are loaded too: what is behind the refusal shall be reached. Of every second length a softmax at the end stays.
inline stet::ImportOptions options_for(Bytes bytes) {
  return {.shared = stet::SharedConstants::untie, .ending = bytes.size() % 2 == 0 ? stet::Ending::whole : stet::Ending::logits};
}
/// Cuts what was read into units, as prepare and check do first.
inline void plan(const stet::Model& model) { (void)stet::find_units(model.graph(), stet::recipes::int8()); }

/// Makes an engine of what was read, and runs it if it is small.
inline void run(const stet::IntegerModel& model) {
  std::int64_t elements = 0;
  for (const auto& v : model.values) elements = std::max(elements, v.shape.elements());
  const stet::Engine engine(model);
  if (elements > 4096 || model.values.size() > 64 || model.inputs().size() > 1) return;
  (void)engine.run(stet::Tensor<float>(engine.input_shape().batched(1)));
}

inline void read_tflite(Bytes bytes) {
  refused_or([&] {
    const stet::tflite::ModelInfo info = stet::tflite::decode(bytes, "fuzz");
    refused_or([&] {
      const auto again = stet::tflite::encode(info);  // may refuse what only a reader accepts
      // Bytes, not values: a NaN is not equal to itself.
      must(stet::tflite::encode(stet::tflite::decode(again, "fuzz")) == again,
           "a .tflite file that does not read back");
    });
    refused_or([&] { plan(stet::tflite::import_model(info, "fuzz", options_for(bytes))); });
    refused_or([&] {
      run(stet::tflite::import_integer_model(info, stet::targets::tflite_reference, "fuzz", options_for(bytes)));
    });
  });
}

inline void read_onnx(Bytes bytes) {
  refused_or([&] {
    const stet::onnx::ModelInfo info = stet::onnx::decode(bytes, "fuzz");
    refused_or([&] {
      const auto again = stet::onnx::encode(info);
      must(stet::onnx::encode(stet::onnx::decode(again, "fuzz")) == again, "an .onnx file that does not read back");
    });
    refused_or([&] {
      stet::onnx::ModelInfo whole = info;
      stet::onnx::read_external_data(whole, "/no such folder/fuzz.onnx");
    });
    refused_or([&] { plan(stet::import_onnx(info, "fuzz", options_for(bytes))); });
    refused_or([&] { run(stet::import_onnx_integer(info, stet::targets::onnxruntime, "fuzz", options_for(bytes))); });
  });
}

inline void read_safetensors(Bytes bytes) {
  refused_or([&] {
    const auto again = stet::SafetensorsFile::decode(bytes, "fuzz").encode();
    must(stet::SafetensorsFile::decode(again, "fuzz").encode() == again, "a safetensors file that does not read back");
  });
}

inline void read_npy(Bytes bytes) {
  const MemoryFile file(bytes);
  refused_or([&] { (void)stet::load_npy<float>(file.path()); });
  refused_or([&] { (void)stet::load_npy<std::int8_t>(file.path()); });
  refused_or([&] { (void)stet::load_npy_as<float>(file.path()); });
  refused_or([&] { (void)stet::load_npy_as<std::int32_t>(file.path()); });
}

inline void read_csv(Bytes bytes) {
  refused_or([&] {
    const stet::CsvTable table(std::string(bytes.begin(), bytes.end()), "fuzz", {.separator = bytes.size() % 2 == 0 ? ',' : ';', .header = bytes.size() % 3 != 0});
    for (std::size_t c = 0; c < std::min<std::size_t>(table.columns(), 4); ++c) {
      refused_or([&] { (void)table.numbers(std::span<const std::size_t>(&c, 1)); });
      refused_or([&] {
        const stet::CsvClasses classes = table.classes(c);
        for (std::int64_t r = 0; r < table.rows(); ++r) {
          must(classes.names[static_cast<std::size_t>(classes.labels[r])] == table.cell(r, c), "a class that is not its cell");
        }
      });
    }
  });
}

inline void read_wav(Bytes bytes) {
  refused_or([&] { (void)stet::decode_wav(bytes, "fuzz").mono(); });
}

inline void read_image(Bytes bytes) {
  refused_or([&] { (void)stet::decode_image(bytes, "fuzz", bytes.size() % 2 == 0 ? 1 : 3); });
}

inline void read_idx(Bytes bytes) {
  const MemoryFile file(bytes);
  refused_or([&] { (void)stet::load_idx_images(file.path()); });
  refused_or([&] { (void)stet::load_idx_labels(file.path()); });
}

struct Reader {
  std::string_view name;
  void (*read)(Bytes);
  std::vector<std::uint8_t> (*change)(Bytes, std::uint64_t seed);  ///< null: bytes are changed only
};
/// By the names of the corpus directories.
inline constexpr Reader readers[] = {{"tflite", read_tflite, changed_tflite},
                                     {"onnx", read_onnx, changed_onnx},
                                     {"safetensors", read_safetensors, nullptr},
                                     {"npy", read_npy, nullptr},
                                     {"idx", read_idx, nullptr},
                                     {"csv", read_csv, nullptr},
                                     {"wav", read_wav, nullptr},
                                     {"image", read_image, nullptr}};

}  // namespace stet_test
