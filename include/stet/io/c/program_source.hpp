#pragma once
// The two files of a C program: the interface, and constants, kernels and calls.

#include <stet/core/hash.hpp>
#include <stet/io/c/program_writer.hpp>
#include <stet/io/fingerprint_text.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stet::c {

/// NAME for macros.
inline std::string upper_case(std::string_view name) {
  std::string text;
  for (const char ch : name) text += ch >= 'a' && ch <= 'z' ? static_cast<char>(ch - 'a' + 'A') : ch;
  return text;
}

/// Puts the pieces of a finished ProgramWriter together.
class ProgramSource {
 public:
  explicit ProgramSource(ProgramWriter& writer) : w_(writer), model_(writer.model()), name_(writer.symbol()), upper_(upper_case(name_)) {
    w_.use(model_.target.input == integer::InputRule::division_half_away ? "quantize_half_away" : "quantize_half_even");
    w_.use("dequantize");
    for (const int v : model_.inputs()) {
      if (value(v).codes.grid != Grid::int8()) w_.use("within");
    }
    body_ = kernels() + "\n" + w_.constants() + "\n" + entries();
    key_ = formatted("0x{:08x}", static_cast<std::uint32_t>(Hash64().text(body_).value()));
  }

  [[nodiscard]] std::string header() const {
    const auto count = [&](const std::vector<int>& values) {
      std::int64_t n = 0;
      for (const int v : values) n += value(v).shape.elements();
      return n;
    };
    std::string text = formatted(
        "/* {0}: a quantized network as a C99 program, by stet. No heap, no files, no other library.\n"
        "   Arithmetic: {1}.\n{2}"
        "   RAM: {3} bytes of values. Flash: {4} bytes of constants, and the code.\n\n{5}*/\n",
        name_, comment_text(model_.target.runtime), ends(), w_.memory().arena, w_.memory().flash(), table());
    text += fingerprint_comment(stet::detail::fingerprint_text_of("save_c_program", model_));
    text += formatted(
        "#ifndef {0}_H\n#define {0}_H\n\n#include <stdint.h>\n\n"
        "#define {0}_PROGRAM {1} /* which files belong together */\n"
        "#define {0}_INPUTS {2} /* numbers that are read */\n#define {0}_OUTPUTS {3} /* numbers that are written */\n"
        "#define {0}_ARENA_BYTES {4}\n\n"
        "#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n"
        "/* Computes the outputs of one sample, in real units. Several inputs, or outputs, stand one behind the other.\n"
        "   0; 1 if an input is no finite number; 2 if CMSIS-NN refuses a layer. Not for two callers at a time: all values lie in\n"
        "   one static array. */\n"
        "int {5}(const float *in, float *out);\n\n"
        "/* The same on codes. 1 if a code lies outside its grid. */\n"
        "int {5}_codes(const int8_t *in, int8_t *out);\n\n"
        "#ifdef __cplusplus\n}}\n#endif\n#endif\n",
        upper_, key_, count(model_.inputs()), count(model_.outputs), w_.memory().arena, name_);
    return text;
  }
  [[nodiscard]] std::string source() const {
    return formatted(
               "/* {0}: see {0}.h. Define STET_WITH_CMSIS_NN to let CMSIS-NN compute what it has kernels for, with the same codes;\n"
               "   STET_ARENA_ATTRIBUTES to say where the values lie, as in __attribute__((section(\".dtcm\"))). */\n"
               "#include \"{0}.h\"\n\n#include <float.h>\n#include <string.h>\n\n"
               "#if {1}_PROGRAM != {2}\n#error \"{0}.h and {0}.c are of two programs: write both again\"\n#endif\n"
               "#if defined(__FAST_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__ASSOCIATIVE_MATH__) || \\\n"
               "    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ == 1)\n#error \"compile without -ffast-math and its parts: they change codes\"\n#endif\n"
               "#ifndef STET_ARENA_ATTRIBUTES\n#define STET_ARENA_ATTRIBUTES\n#endif\n",
               name_, upper_, key_) +
           body_;
  }

 private:
  [[nodiscard]] const IntegerValue& value(int v) const { return model_.values[static_cast<std::size_t>(v)]; }
  // Inputs and outputs: their names, shapes and what their codes mean.
  [[nodiscard]] std::string ends() const {
    std::string text;
    const auto add = [&](const char* kind, const std::vector<int>& values) {
      std::int64_t first = 0;
      for (const int v : values) {
        const Affine& q = value(v).codes;
        text += formatted("   {} {}: {} at {}, a code q means {:.9g} * (q - {})", kind, comment_text(value(v).name), value(v).shape, first,
                          static_cast<double>(q.scale), q.zero_point);
        text += q.grid == Grid::int8() ? ".\n" : formatted(", from {} to {}.\n", q.grid.lo, q.grid.hi);
        first += value(v).shape.elements();
      }
    };
    add("Input", model_.inputs());
    add("Output", model_.outputs);
    return text;
  }
  [[nodiscard]] std::string table() const {
    std::string text, line;
    for (const char ch : w_.memory().str()) {
      line += ch;
      if (ch != '\n') continue;
      text += "   " + comment_text(line.substr(0, line.size() - 1)) + "\n";
      line.clear();
    }
    return text;
  }
  [[nodiscard]] std::string kernels() const {
    std::string text;
    if (w_.kernels().cmsis()) {
      text += formatted(
          "\n#ifdef STET_WITH_CMSIS_NN\n#include <arm_nnfunctions.h>\n#ifdef CMSIS_NN_USE_SINGLE_ROUNDING\n"
          "#error \"CMSIS-NN was built with single rounding, which gives other codes\"\n#endif\n"
          "#define STET_SCRATCH_WORDS {}\n#endif\n",
          (w_.memory().scratch + 3) / 4 + 1);
    }
    return text + w_.kernels().source(model_.target);
  }
  // What goes over all inputs or outputs: a statement for each, with its place in the caller's memory.
  template <class Statement>
  std::string over(const std::vector<int>& values, Statement statement) const {
    std::string text;
    std::int64_t first = 0;
    for (const int v : values) {
      text += statement(value(v), w_.place(v), first, value(v).shape.elements());
      first += value(v).shape.elements();
    }
    return text;
  }
  [[nodiscard]] std::string entries() {
    std::string text = formatted("static STET_ARENA_ATTRIBUTES int8_t {0}_arena[{1}_ARENA_BYTES];\n\nstatic int {0}_run(void) {{\n", name_, upper_) +
                       w_.calls() + "  return 0;\n}\n\n";
    const bool reciprocal = model_.target.input == integer::InputRule::reciprocal_half_even;
    text += formatted("int {}(const float *in, float *out) {{\n  int status;\n", name_);
    text += over(model_.inputs(), [&](const IntegerValue& v, const std::string& place, std::int64_t first, std::int64_t n) {
      const float scale = reciprocal ? 1.0f / v.codes.scale : v.codes.scale;
      return formatted("  if (stet_quantize({}, in + {}, {}, {}, {}, {}, {}) != 0) return 1;\n", n, first, real(scale), v.codes.zero_point,
                       v.codes.grid.lo, v.codes.grid.hi, place);
    });
    text += formatted("  status = {}_run();\n  if (status != 0) return status;\n", name_);
    text += over(model_.outputs, [&](const IntegerValue& v, const std::string& place, std::int64_t first, std::int64_t n) {
      return formatted("  stet_dequantize({}, {}, {}, {}, out + {});\n", n, place, real(v.codes.scale), v.codes.zero_point, first);
    });
    text += formatted("  return 0;\n}}\n\nint {}_codes(const int8_t *in, int8_t *out) {{\n  int status;\n", name_);
    text += over(model_.inputs(), [&](const IntegerValue& v, const std::string& place, std::int64_t first, std::int64_t n) {
      std::string check;
      if (v.codes.grid != Grid::int8()) {
        check = formatted("  if (!stet_within({}, in + {}, {}, {})) return 1;\n", n, first, v.codes.grid.lo, v.codes.grid.hi);
      }
      return check + formatted("  memcpy({}, in + {}, {});\n", place, first, n);
    });
    text += formatted("  status = {}_run();\n  if (status != 0) return status;\n", name_);
    text += over(model_.outputs, [&](const IntegerValue&, const std::string& place, std::int64_t first, std::int64_t n) {
      return formatted("  memcpy(out + {}, {}, {});\n", first, place, n);
    });
    return text + "  return 0;\n}\n";
  }

  ProgramWriter& w_;
  const IntegerModel& model_;
  std::string name_, upper_, body_{}, key_{};
};

}  // namespace stet::c
