#pragma once
// save_c_program: a quantized network as a C99 program of its own.

#include <stet/core/entry.hpp>
#include <stet/io/c/program_memory.hpp>
#include <stet/io/file.hpp>
#include <stet/io/integer_formats.hpp>

#include <string>

#if STET_DEFINE_ENTRIES
#include <stet/io/c/program_source.hpp>
#include <stet/operators/c.hpp>

#include <cerrno>
#include <cstring>
#include <string_view>

#include <sys/stat.h>
#endif

namespace stet {

/// Writes the integers of a model as a folder of two files, <name>.h and <name>.c, where name is the folder's: constants, an array that
/// holds all values at the places of plan_memory, and
///
///     int name(const float *in, float *out);              one sample, real numbers; several inputs or outputs in turn
///     int name_codes(const int8_t *in, int8_t *out);      the same on codes
///
/// which compute what the Engine computes, bit for bit, by the rules of the model's target. C99 without heap, files or libm;
/// compiled with STET_WITH_CMSIS_NN it calls CMSIS-NN where that has the rule. The header holds the table of the result and the
/// model's input_fingerprints. The folder is made if need be; each file is written as by write_file_atomically, and two that are not of
/// one program do not compile together.
/// Errors:    Errc::unsupported listing all nodes that cannot be written, and what of them; Errc::range if the folder's name is none for
///            a function in C or the fingerprint cannot be; Errc::io; before anything is written but for Errc::io
/// Source:    ARM-software/CMSIS-NN, Include/arm_nnfunctions.h
STET_ENTRY ProgramMemory save_c_program(const std::string& path, const IntegerModel& model);

/// What the program would need, without writing it.
/// Errors:    Errc::unsupported as save_c_program
STET_ENTRY ProgramMemory c_program_memory(const IntegerModel& model);

#if STET_DEFINE_ENTRIES

namespace detail {

inline c::ProgramWriter written_program(const char* op, const std::string& symbol, const IntegerModel& model) {
  const std::string problems = check_structure(model).text() + fault_lines(format_faults(IntegerFormat::c_program, model));
  require(problems.empty(), Errc::unsupported, "{}: this model cannot be written:{}", op, problems);
  c::ProgramWriter writer(model, symbol);
  for (std::size_t i = 0; i < model.nodes.size(); ++i) {
    writer.node(i, [&](const IntegerNode& node) {
      graph::match_integer(node.op, [&](const auto& o) { program(o, writer); });
    });
  }
  return writer;
}

}  // namespace detail

STET_ENTRY ProgramMemory c_program_memory(const IntegerModel& model) {
  return detail::written_program("c_program_memory", "network", model).memory();
}

STET_ENTRY ProgramMemory save_c_program(const std::string& path, const IntegerModel& model) {
  const std::string folder = path.substr(0, path.find_last_not_of('/') + 1);
  const std::string name = folder.substr(folder.rfind('/') + 1);  // all of it if there is no slash
  require(c::is_identifier(name) && !c::is_keyword(name) && !name.starts_with("stet_") && !name.starts_with("_"), Errc::range,
          "save_c_program: the folder's name is the function's, and '{}' is none in C; use letters, digits and _, not stet_ in front", name);
  c::ProgramWriter writer = detail::written_program("save_c_program", name, model);
  const c::ProgramSource program(writer);
  const std::string header = program.header(), source = program.source();
  const int error = ::mkdir(folder.c_str(), 0777) == 0 ? 0 : errno;  // before it is an argument beside others
  require(error == 0 || error == EEXIST, Errc::io, "save_c_program: cannot make the folder {}: {}", folder, std::strerror(error));
  write_file_atomically(folder + "/" + name + ".c", std::string_view(source));
  write_file_atomically(folder + "/" + name + ".h", std::string_view(header));
  return writer.memory();
}

#endif

}  // namespace stet
