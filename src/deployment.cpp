// The entry points of the engine and of files, compiled once: the other half of what stet::compiled links.
#if !defined(STET_COMPILED)
#error "stet: src/deployment.cpp is part of the target stet::compiled, which defines STET_COMPILED"
#endif
#define STET_COMPILED_LIBRARY STET_LIBRARY_OF_DEPLOYMENT

#include <stet/engine/engine.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/safetensors.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
