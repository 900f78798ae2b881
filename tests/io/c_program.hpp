#pragma once
// Programs of save_c_program, compiled and run, beside what the engine makes.

#include <stet/engine/engine.hpp>
#include <stet/io/file.hpp>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "temporary_directory.hpp"

#ifndef STET_TEST_DIR
#define STET_TEST_DIR "tests"
#endif

namespace stet_test {

using namespace stet;

/// The flags under which every program must compile without a word.
inline const std::string strict_c99 = "gcc -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wcast-qual -Wshadow -Werror ";

/// Inputs as codes, and outputs of all samples, one sample behind the other.
struct ProgramEnds {
  std::vector<std::int8_t> input_codes, codes;
  std::vector<float> reals;
};

/// What the engine makes.
inline ProgramEnds engine_ends(const IntegerModel& model, const std::vector<Tensor<float>>& x) {
  const Engine engine(model);
  std::vector<Tensor<std::int8_t>> in(model.inputs().size());
  const std::vector<QTensor> out = engine.run(x, [&](int v, std::span<const std::int8_t> codes) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      const Shape shape = model.values[static_cast<std::size_t>(v)].shape.batched(x[0].shape()[0]);
      if (model.inputs()[i] == v) in[i] = Tensor<std::int8_t>(shape, codes);
    }
  });
  const std::vector<Tensor<float>> reals = infer(engine, x);
  ProgramEnds ends;
  for (std::int64_t n = 0; n < x[0].shape()[0]; ++n) {
    const auto add = [&](auto& to, const auto& tensor) {
      const std::int64_t one = tensor.shape().unbatched().elements();
      to.insert(to.end(), tensor.data() + n * one, tensor.data() + (n + 1) * one);
    };
    for (const auto& t : in) add(ends.input_codes, t);
    for (const QTensor& t : out) add(ends.codes, t.codes);
    for (const auto& t : reals) add(ends.reals, t);
  }
  return ends;
}

/// All liberties that a compiler may take: instructions that multiply and add with one rounding among them.
inline const std::string fast_c = "-O3 -march=native -ffp-contract=fast";

/// A folder of save_c_program, compiled with c_program_main.c.
class CProgram {
 public:
  CProgram(const std::string& folder, const IntegerModel& model, std::string program, const std::string& flags = "-O1")
      : program_(std::move(program)) {
    const std::string name = folder.substr(folder.rfind('/') + 1);
    const auto count = [&](const std::vector<int>& values) {
      std::int64_t n = 0;
      for (const int v : values) n += model.values[static_cast<std::size_t>(v)].shape.elements();
      return std::to_string(n);
    };
    const std::string command = strict_c99 + flags + " '-DPROGRAM_HEADER=\"" + folder + "/" + name + ".h\"' -DPROGRAM=" + name + " -DPROGRAM_CODES=" + name +
                                "_codes -DPROGRAM_INPUTS=" + count(model.inputs()) + " -DPROGRAM_OUTPUTS=" + count(model.outputs) + " " + folder + "/" + name +
                                ".c " STET_TEST_DIR "/io/c_program_main.c -o " + program_;
    compiles_ = std::system(command.c_str()) == 0;
  }
  [[nodiscard]] bool compiles() const { return compiles_; }

  /// The outputs of samples, of the entry for real numbers or of that for codes.
  template <class T>
  [[nodiscard]] std::vector<T> run(const std::vector<T>& in) const {
    const std::string kind = sizeof(T) == 1 ? "codes" : "float", from = program_ + ".in", to = program_ + ".out";
    write_file_atomically(from, std::span(reinterpret_cast<const std::uint8_t*>(in.data()), in.size() * sizeof(T)));
    status_ = std::system((program_ + " " + kind + " < " + from + " > " + to).c_str());
    const std::string bytes = read_text(to);
    std::vector<T> out(bytes.size() / sizeof(T));
    if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
    return out;
  }
  /// What the last run returned.
  [[nodiscard]] int status() const { return status_; }

 private:
  std::string program_;
  bool compiles_ = false;
  mutable int status_ = 0;
};

/// Samples of several inputs as a program reads them: one sample behind the other.
inline std::vector<float> samples_of(const std::vector<Tensor<float>>& x) {
  std::vector<float> all;
  for (std::int64_t n = 0; n < x[0].shape()[0]; ++n) {
    for (const Tensor<float>& t : x) {
      const std::int64_t one = t.shape().unbatched().elements();
      all.insert(all.end(), t.data() + n * one, t.data() + (n + 1) * one);
    }
  }
  return all;
}

}  // namespace stet_test
