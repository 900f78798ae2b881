#pragma once
// save_c_array, save_c_weights: models as C source for microcontrollers.

#include <stet/core/entry.hpp>
#include <stet/io/file.hpp>
#include <stet/io/integer_formats.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#if STET_DEFINE_ENTRIES
#include <stet/io/c/array.hpp>
#include <stet/operators/c.hpp>
#endif

namespace stet {

/// Writes a .tflite file as a C array for TensorFlow Lite for Microcontrollers: g_<name>_model_data, aligned to 16
/// bytes, g_<name>_model_data_size, and the operators that a resolver must register. Compiles as C99 and as C++. The file's
/// input fingerprint stands in a comment too.
/// Errors:    Errc::range if the name is no C identifier; Errc::format if the bytes are no .tflite file or its fingerprint cannot be;
///            Errc::unsupported listing all operators that TFLM cannot register; Errc::io; the old file stays
/// Source:    tensorflow/tflite-micro, tools/generate_cc_arrays.py (names and alignment)
STET_ENTRY void save_c_array(const std::string& path, const std::string& name, std::span<const std::uint8_t> tflite);
#if STET_DEFINE_ENTRIES
STET_ENTRY void save_c_array(const std::string& path, const std::string& name, std::span<const std::uint8_t> tflite) {
  write_file_atomically(path, std::string_view(c::array_source(name, tflite)));
}
#endif

/// Writes the integers of a model as one C99 file that needs no header of others: per layer weight codes, bias codes,
/// multipliers, shifts, offsets, dims, paddings and activation bounds in CMSIS-NN's conventions, and a table of nodes
/// and values, `const stet_network <file's name>`. Define STET_WITH_CMSIS_NN to take the parameter types from
/// CMSIS-NN's own arm_nn_types.h. The arithmetic is that of targets::tflite_micro, whatever the model's target is. A comment
/// holds the model's input_fingerprints.
/// Units:     input_offset = -z_in, output_offset = +z_out; a positive shift is to the left; padding is top and left
/// Errors:    Errc::unsupported listing all nodes that cannot be written; Errc::range if the fingerprint cannot be; Errc::io;
///            the old file stays
/// Source:    ARM-software/CMSIS-NN, Include/arm_nn_types.h, arm_nnfunctions.h
STET_ENTRY void save_c_weights(const std::string& path, const IntegerModel& model);
#if STET_DEFINE_ENTRIES
STET_ENTRY void save_c_weights(const std::string& path, const IntegerModel& model) {
  const auto slash = path.rfind('/');
  const std::string file = slash == std::string::npos ? path : path.substr(slash + 1);
  const std::string symbol = c::identifier(file.substr(0, file.find('.')));
  c::WeightsWriter writer(model, symbol);
  const std::string problems =
      check_structure(writer.model()).text() + fault_lines(format_faults(IntegerFormat::c, writer.model()));
  require(problems.empty(), Errc::unsupported, "save_c_weights: this model cannot be written:{}", problems);
  for (std::size_t i = 0; i < model.nodes.size(); ++i) {
    writer.node(i, [&](const IntegerNode& node) {
      graph::match_integer(node.op, [&](const auto& o) { write(o, writer); });
    });
  }
  write_file_atomically(path, std::string_view(writer.source()));
}
#endif

}  // namespace stet
