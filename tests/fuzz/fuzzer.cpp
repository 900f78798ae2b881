// The libFuzzer program; run.sh builds it. The environment variable STET_READER names the reader. Half of the changes of
// .tflite and .onnx files are changes of fields (mutate.hpp), half are libFuzzer's own of bytes.

#include "mutate.hpp"
#include "readers.hpp"

#include <algorithm>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace {
const stet_test::Reader* reader = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("STET_READER");
  for (const auto& r : stet_test::readers) {
    if (name != nullptr && r.name == name) reader = &r;
  }
  stet::set_warning_handler([](const std::string&) {});
  stet_test::must(reader != nullptr, "STET_READER must be one of tflite, onnx, safetensors, npy, idx, csv, wav, image");
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  reader->read({data, size});
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  std::vector<std::uint8_t> changed;
  if (seed % 2 == 0 && reader->change != nullptr) changed = reader->change({data, size}, seed);
  if (changed.empty() || changed.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::copy(changed.begin(), changed.end(), data);
  return changed.size();
}
