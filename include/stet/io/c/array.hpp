#pragma once
// A .tflite file as a C array, with the operators that TensorFlow Lite for Microcontrollers must register for it.

#include <stet/io/c/text.hpp>
#include <stet/io/fingerprint_text.hpp>
#include <stet/io/tflite/decode.hpp>
#include <stet/operators/tflite.hpp>

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace stet::c {

/// Source text with g_<name>_model_data, 16-byte aligned, g_<name>_model_data_size and, for C++, the macro
/// <NAME>_ADD_OPERATORS(resolver).
/// Errors:    Errc::range if the name is no C identifier; Errc::format if the bytes are no .tflite file;
///            Errc::unsupported listing all operators that TFLM cannot register
inline std::string array_source(const std::string& name, std::span<const std::uint8_t> bytes) {
  require(is_identifier(name), Errc::range, "save_c_array: '{}' is no C identifier; use letters, digits and _", name);
  tflite::ModelInfo info = tflite::decode(bytes, name);
  // The bytes may be of others: what goes into a comment is only what a fingerprint is.
  if (!info.input_fingerprint.empty()) info.input_fingerprint = fingerprint_text(parse_fingerprints(info.input_fingerprint, name));
  std::set<std::string_view> functions;
  std::string unknown;
  for (std::size_t i = 0; i < info.operators.size(); ++i) {
    const tflite::OperatorInfo& op = info.operators[i];
    const tflite::Row* row = op.custom_code.empty() ? tflite::row_of(op.code) : nullptr;
    if (row == nullptr || row->resolver.empty()) {
      unknown += formatted("\n  operator {}: code {} {}", i, static_cast<int>(op.code), op.custom_code);
    } else {
      functions.insert(row->resolver);
    }
  }
  require(unknown.empty(), Errc::unsupported, "save_c_array: these operators have no resolver function:{}", unknown);

  std::string upper;
  for (const char ch : name) upper += ch >= 'a' && ch <= 'z' ? static_cast<char>(ch - 'a' + 'A') : ch;
  std::string text = formatted(
      "/* A model for TensorFlow Lite for Microcontrollers, {} bytes. In another file:\n"
      "     extern const unsigned char g_{}_model_data[];\n"
      "     extern const unsigned int g_{}_model_data_size;\n"
      "   Operators to register, {}:\n"
      "     tflite::MicroMutableOpResolver<{}> resolver;\n",
      bytes.size(), name, name, functions.size(), functions.size());
  for (const std::string_view f : functions) text += formatted("     resolver.{}();\n", f);
  text += "*/\n" + fingerprint_comment(info.input_fingerprint) + "\n";
  text += formatted("#define {}_OPERATOR_COUNT {}\n#define {}_ADD_OPERATORS(resolver) \\\n  do {{ \\\n", upper,
                      functions.size(), upper);
  for (const std::string_view f : functions) text += formatted("    (resolver).{}(); \\\n", f);
  text += "  } while (0)\n\n";
  text += formatted(
      "#ifdef __cplusplus\n#define {0}_ALIGNED alignas(16)\nextern \"C\" {{\n"
      "#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L\n#define {0}_ALIGNED _Alignas(16)\n"
      "#else\n#define {0}_ALIGNED __attribute__((aligned(16)))\n#endif\n\n"
      "extern const unsigned char g_{1}_model_data[];\nextern const unsigned int g_{1}_model_data_size;\n\n"
      "{0}_ALIGNED const unsigned char g_{1}_model_data[] = {{\n",
      upper, name);
  append_numbers(text, bytes);
  text += formatted("}};\nconst unsigned int g_{}_model_data_size = {};\n\n#ifdef __cplusplus\n}}\n#endif\n", name,
                      bytes.size());
  return text;
}

}  // namespace stet::c
