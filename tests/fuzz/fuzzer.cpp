// The libFuzzer program; run.sh builds it. The environment variable STET_READER names the reader.

#include "readers.hpp"

namespace {
const stet_test::Reader* reader = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("STET_READER");
  for (const auto& r : stet_test::readers) {
    if (name != nullptr && r.name == name) reader = &r;
  }
  stet_test::must(reader != nullptr, "STET_READER must be one of tflite, onnx, safetensors, npy, idx");
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  reader->read({data, size});
  return 0;
}
