// What a file may cost (docs/design.md, Files of other runtimes): hostile files, and the corpus, read and planned.

#include <stet/data/idx.hpp>
#include <stet/engine/engine.hpp>
#include <stet/io/json_reader.hpp>
#include <stet/model/check.hpp>
#include <stet/model/prepare.hpp>

#include "cost.hpp"
#include "hostile_onnx.hpp"
#include "hostile_tflite.hpp"
#include "readers.hpp"
#include "support/catch.hpp"
#include "support/warnings.hpp"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <new>

#include <malloc.h>

#if STET_HAS_ZLIB
#include <zlib.h>
#endif

namespace {

std::atomic<std::size_t> held = 0, most_held = 0;

void* counted(std::size_t size, std::size_t alignment) {
  void* block = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (block == nullptr) throw std::bad_alloc();
  const std::size_t now = held += malloc_usable_size(block);
  std::size_t most = most_held;
  while (now > most && !most_held.compare_exchange_weak(most, now)) {
  }
  return block;
}
void uncounted(void* block) {
  if (block == nullptr) return;
  held -= malloc_usable_size(block);
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) { return counted(size == 0 ? 1 : size, 16); }
void* operator new(std::size_t size, std::align_val_t a) { return counted(size == 0 ? 1 : size, static_cast<std::size_t>(a)); }
void operator delete(void* block) noexcept { uncounted(block); }
void operator delete(void* block, std::size_t) noexcept { uncounted(block); }
void operator delete(void* block, std::align_val_t) noexcept { uncounted(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { uncounted(block); }

namespace stet_test {
Allocated allocated() { return {held, most_held}; }
void forget_most() { most_held = held.load(); }
}  // namespace stet_test

namespace cost_test {

using namespace stet_test;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double slower = 20;
#else
constexpr double slower = 1;
#endif

template <class F>
void within_the_rule(const std::string& what, std::size_t size, F&& read) {
  const Cost cost = cost_of(read);
  INFO(what << ": " << size << " bytes took " << cost.bytes << " bytes and " << cost.seconds << " s");
  CHECK(cost.bytes <= (std::size_t{64} << 20) + 20 * size);
  CHECK(cost.seconds <= slower * (1.0 + static_cast<double>(size) / 1e6));
}

// Everything that a program does with a float model before it trains.
void prepare_all(const stet::Model& model) {
  const stet::Recipe recipe = stet::recipes::int8();
  refused_or([&] { (void)stet::check(model, recipe); });
  refused_or([&] { (void)stet::prepare(model, recipe); });
}
void plan_onnx(Bytes bytes) {
  refused_or([&] {
    const stet::onnx::ModelInfo info = stet::onnx::decode(bytes, "file");
    refused_or([&] { prepare_all(stet::import_onnx(info, "file", options_for(bytes))); });
  });
}
void run_onnx(Bytes bytes) {
  refused_or([&] {
    const stet::IntegerModel model = stet::import_onnx_integer(stet::onnx::decode(bytes, "file"), stet::targets::onnxruntime, "file", options_for(bytes));
    const stet::Engine engine(model);
    if (engine.bytes_per_sample() > 1 << 22 || engine.values().size() > 100 || model.inputs().size() > 1) return;
    (void)engine.run(stet::Tensor<float>::zeros(engine.input_shape().batched(1)));
  });
}
void plan_tflite(Bytes bytes) {
  refused_or([&] { prepare_all(stet::tflite::import_model(stet::tflite::decode(bytes, "file"), "file", options_for(bytes))); });
}
// The engine too, and what it needs beside the values themselves.
void run_tflite(Bytes bytes) {
  refused_or([&] {
    const stet::Engine engine(stet::tflite::import_integer_model(stet::tflite::decode(bytes, "file"), stet::targets::tflite_reference, "file", options_for(bytes)));
    if (engine.bytes_per_sample() > 1 << 22 || engine.values().size() > 100) return;
    (void)engine.run(stet::Tensor<float>::zeros(engine.input_shape().batched(1)));
  });
}

template <class F>
void each_corpus_file(const std::string& reader, F&& f) {
  for (const auto& entry : std::filesystem::directory_iterator(std::string(STET_TEST_DIR) + "/fuzz/corpus/" + reader)) {
    f(entry.path().string(), stet::read_file(entry.path().string()));
  }
}

}  // namespace

TEST_CASE("reading and planning a small .onnx file takes little") {
  const CaughtWarnings warnings;
  const auto both = [](const std::string& what, const std::vector<std::uint8_t>& bytes) {
    within_the_rule(what + ", as float", bytes.size(), [&] { plan_onnx(bytes); });
    within_the_rule(what + ", as integers", bytes.size(), [&] { run_onnx(bytes); });
  };
  for (const HostileFile& file : hostile_onnx()) both(file.what, file.bytes);
  each_corpus_file("onnx", both);
}

TEST_CASE("reading, planning and running a small .tflite file takes little") {
  const CaughtWarnings warnings;
  const auto both = [](const std::string& what, const std::vector<std::uint8_t>& bytes) {
    within_the_rule(what + ", as float", bytes.size(), [&] { plan_tflite(bytes); });
    within_the_rule(what + ", as int8", bytes.size(), [&] { run_tflite(bytes); });
  };
  for (const HostileFile& file : hostile_tflite()) both(file.what, file.bytes);
  each_corpus_file("tflite", both);
}

TEST_CASE("reading a small safetensors, JSON, npy or IDX file takes little") {
  const auto repeated = [](const std::string& begin, const std::string& piece, std::size_t count, const std::string& end) {
    std::string text = begin;
    for (std::size_t i = 0; i < count; ++i) text += piece;
    return text + end;
  };
  std::vector<std::string> texts{
      repeated("[", "0,", 2000000, "0]"), repeated("[", "[],", 1000000, "0]"), repeated("", "[", 1000000, ""),
      repeated("{\"a\":[", "0,", 2000000, "0]}"), repeated("\"", "\\u00e9", 300000, "\"")};
  std::string members = "{", tensors = "{", empty = "{";
  for (int i = 0; i < 100000; ++i) {
    members += fmt::format("\"{}\":0,", i);
    tensors += fmt::format("\"{}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}},", i);
    empty += fmt::format("\"{}\":{{}},", i);
  }
  for (std::string* text : {&members, &tensors, &empty}) {
    text->back() = '}';
    texts.push_back(*text);
  }
  for (const std::string& text : texts) {
    const std::string what = text.substr(0, 20);
    within_the_rule("JSON " + what, text.size(), [&] { refused_or([&] { (void)stet::parse_json(text); }); });
    std::vector<std::uint8_t> file(8);
    const std::uint64_t length = text.size();
    std::memcpy(file.data(), &length, 8);
    file.insert(file.end(), text.begin(), text.end());
    within_the_rule("safetensors " + what, file.size(), [&] { read_safetensors(file); });
  }
  for (const char* shape : {"(1000000000000,)", "(0, 1000000000000)", "(1000000, 1000000, 1000000)"}) {
    std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': {}, }}\n", shape);
    std::string file("\x93NUMPY\x01\x00", 8);
    file += static_cast<char>(header.size());
    file += '\0';
    file += header;
    within_the_rule(std::string("npy ") + shape, file.size(), [&] { read_npy({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()}); });
  }
  for (const char* reader : {"safetensors", "npy", "idx"}) {
    each_corpus_file(reader, [&](const std::string& name, const auto& bytes) {
      within_the_rule(name, bytes.size(), [&] {
        for (const Reader& r : readers) {
          if (r.name == reader) r.read(bytes);
        }
      });
    });
  }
}

#if STET_HAS_ZLIB
TEST_CASE("unpacking a small gzipped IDX file takes little") {
  for (const bool labels : {false, true}) {
    const std::uint32_t count = 160u << 20;
    std::vector<std::uint8_t> head{0, 0, 8, static_cast<std::uint8_t>(labels ? 1 : 3)};
    for (const std::uint32_t d : {count, 1u, 1u}) {
      for (int shift = 24; shift >= 0; shift -= 8) head.push_back(static_cast<std::uint8_t>(d >> shift));
      if (labels) break;
    }
    std::vector<std::uint8_t> packed(4 << 20);
    z_stream stream{};
    REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_out = packed.data();
    stream.avail_out = static_cast<unsigned>(packed.size());
    const auto put = [&](std::vector<std::uint8_t>& bytes, int flush) {
      stream.next_in = bytes.data();
      stream.avail_in = static_cast<unsigned>(bytes.size());
      return deflate(&stream, flush);
    };
    put(head, Z_NO_FLUSH);
    std::vector<std::uint8_t> zeros(1 << 20, 0);
    for (std::uint32_t i = 0; i < count >> 20; ++i) put(zeros, Z_NO_FLUSH);
    zeros.clear();
    REQUIRE(put(zeros, Z_FINISH) == Z_STREAM_END);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    within_the_rule("gzip", packed.size(), [&] { read_idx(packed); });
  }
}
#endif

}  // namespace cost_test
