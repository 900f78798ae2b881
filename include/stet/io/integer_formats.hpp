#pragma once
// Integer formats: the files that an IntegerModel becomes, and what keeps it out of each. Writers and check() ask the same.

#include <stet/core/entry.hpp>
#include <stet/graph/integer_structure.hpp>

#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/graph/resolve.hpp>
#include <stet/io/c/program_limits.hpp>
#include <stet/io/onnx/float_fault.hpp>
#include <stet/io/tflite/window_plan.hpp>
#include <stet/operators/tflite.hpp>

#include <string>
#endif

namespace stet {

/// Files that save_tflite, save_onnx, save_c_weights and save_c_program make of an IntegerModel.
enum class IntegerFormat { tflite, onnx, c, c_program };

inline constexpr IntegerFormat integer_formats[] = {IntegerFormat::tflite, IntegerFormat::onnx, IntegerFormat::c, IntegerFormat::c_program};

/// Name of a format, as in messages.
inline const char* name(IntegerFormat format) {
  switch (format) {
    case IntegerFormat::tflite: return ".tflite";
    case IntegerFormat::onnx: return ".onnx";
    case IntegerFormat::c: return "C";
    case IntegerFormat::c_program: return "a C program";
  }
  return "unknown";
}

/// What of a model is looked at.
enum class FormatQuestion {
  shapes,  ///< operators, attributes and shapes alone: what is known before training
  all      ///< scales and codes too
};

/// Everything that keeps the sound nodes of a model out of a format, by node. Nodes in which check_structure finds a fault
/// are passed over, and with them a model whose nodes cannot be read one by one.
STET_ENTRY std::vector<IntegerFault> format_faults(IntegerFormat format, const IntegerModel& model,
                                                   FormatQuestion question = FormatQuestion::all);

#if STET_DEFINE_ENTRIES

namespace detail {

class FormatCheck {
 public:
  FormatCheck(IntegerFormat format, const IntegerModel& model) : format_(format), model_(model) {}

  std::vector<IntegerFault> run(FormatQuestion question) {
    const IntegerStructure structure = check_structure(model_);
    if (!structure.readable) return {};
    for (std::size_t i = 0; i < model_.nodes.size(); ++i) {
      const int index = static_cast<int>(i);
      const IntegerNode& node = model_.nodes[i];
      if (structure.has_fault(index)) continue;
      try {
        check_kept_float(node, question);
        if (format_ == IntegerFormat::tflite) check_tflite(node);
        if (format_ == IntegerFormat::c) check_tables(node);
        if (format_ == IntegerFormat::c_program) c::require_program(model_, node);
        if (question == FormatQuestion::all) check_numbers(node);
      } catch (const Error& e) {
        faults_.push_back({e.code(), index, node.name, e.what()});
      }
    }
    if (format_ == IntegerFormat::c) check_c();
    if (format_ == IntegerFormat::c_program) check_arena();
    return std::move(faults_);
  }

 private:
  const IntegerValue& value(int i) const { return model_.values[static_cast<std::size_t>(i)]; }

  // Float operators between codes are written by what writes float models.
  void check_kept_float(const IntegerNode& node, FormatQuestion question) const {
    const auto* o = graph::as<graph::op::Real>(node.op);
    if (o == nullptr) return;
    const graph::RealFunction& f = function_of(*o);
    require(format_ != IntegerFormat::c, Errc::unsupported, "{} is kept in float, which tables of C do not hold", f.kind());
    require(format_ != IntegerFormat::c_program, Errc::unsupported, "{} is kept in float, which a C program does not hold", f.kind());
    const std::string_view fault = format_ == IntegerFormat::onnx ? onnx::float_fault(f.graph()) : tflite::float_fault(f.graph());
    require(fault.empty(), Errc::unsupported, "{} is kept in float: {}", f.kind(), fault);
    require(question == FormatQuestion::shapes || f.model() != nullptr, Errc::state, "{} is kept in float, but has no parameters yet",
            f.kind());
  }
  // What .tflite cannot say of an operator that integers know.
  template <class Op>
  void check_tflite(const Op& o, const IntegerNode& node) const {
    if constexpr (std::is_same_v<Op, graph::op::AveragePool>) {
      require(!tflite::plan_window(window(o, value(node.inputs[0]).shape), o.padding).explicit_pad, Errc::unsupported,
              "AVERAGE_POOL_2D leaves out the padding of SAME and knows no other; pad as SAME or VALID");
    }
  }
  void check_tflite(const IntegerNode& node) const {
    for (const std::int64_t d : value(node.output).shape.dims()) {
      require(d < std::int64_t{1} << 31, Errc::range, "makes {}, whose dimensions must be below 2^31", value(node.output).shape);
    }
    graph::match_integer(node.op, [&](const auto& o) { check_tflite(o, node); });
  }

  // Tables have the arithmetic of microcontrollers, whatever the model's target.
  void check_tables(const IntegerNode& node) const {
    std::vector<Shape> in;
    for (const int v : node.inputs) in.push_back(value(v).shape);
    if (const auto obstacle = graph::obstacle(node.op, in, targets::tflite_micro)) {
      fail(obstacle->code, "{}; {}", obstacle->what, obstacle->remedy);
    }
    require(!graph::is<graph::op::Constant>(node.op), Errc::unsupported, "is a constant operand, which tables of C do not hold");
    if (graph::is<graph::op::Linear>(node.op)) {
      require(in[0].rank() == 1, Errc::unsupported, "reads {}; tables of C multiply one row per sample", in[0]);
    }
  }

  // Every value has a row in the table, whether a node makes it or not.
  void check_c() {
    for (std::size_t v = 0; v < model_.values.size(); ++v) {
      const Shape& shape = model_.values[v].shape;
      if (shape.rank() >= 1 && shape.rank() <= 3 && shape.elements() < std::int64_t{1} << 31) continue;
      int maker = -1;
      for (std::size_t i = 0; i < model_.nodes.size(); ++i) {
        if (model_.nodes[i].output == static_cast<int>(v)) maker = static_cast<int>(i);
      }
      faults_.push_back({Errc::unsupported, maker, model_.values[v].name,
                         formatted("shape {} is not one to three dimensions of fewer than 2^31 elements", shape)});
    }
  }

  // Places are 32-bit numbers.
  void check_arena() {
    std::int64_t bytes = 0;
    for (const IntegerValue& v : model_.values) bytes += v.real ? 0 : v.shape.elements() + 63;
    if (bytes < std::int64_t{1} << 31) return;
    faults_.push_back({Errc::unsupported, -1, "", formatted("values of {} bytes; a C program has places for fewer than 2^31", bytes)});
  }

  // The same functions with which the engine prepares the operator: what they refuse, a runtime aborts on.
  void check_numbers(const IntegerNode& node) const {
    if (format_ == IntegerFormat::c) return require_resolvable(model_, node, targets::tflite_micro);
    require_resolvable(model_, node, model_.target);
    if (format_ == IntegerFormat::c_program) c::require_exact_sums(model_, node);
    // Integers for a runtime of another format must still run in LiteRT.
    if (format_ == IntegerFormat::tflite && model_.target != targets::tflite_reference &&
        model_.target != targets::litert_default) {
      require_resolvable(model_, node, targets::litert_default);
    }
  }

  IntegerFormat format_;
  const IntegerModel& model_;
  std::vector<IntegerFault> faults_{};
};

}  // namespace detail

STET_ENTRY std::vector<IntegerFault> format_faults(IntegerFormat format, const IntegerModel& model,
                                                   FormatQuestion question) {
  return detail::FormatCheck(format, model).run(question);
}

#endif

}  // namespace stet
