// The entry points of the engine and of files, compiled once: the other half of what stet::compiled links.
#define STET_IMPLEMENTATION

#include <stet/engine/engine.hpp>
#include <stet/io/load_input_fingerprint.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_c_program.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
