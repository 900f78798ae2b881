#pragma once
// ProgramWriter: an IntegerModel as a C program, node by node: constants, the kernels that they need, and calls in order.

#include <stet/graph/memory_plan.hpp>
#include <stet/graph/resolve.hpp>
#include <stet/io/c/loops.hpp>
#include <stet/io/c/program_kernels.hpp>
#include <stet/io/c/program_memory.hpp>
#include <stet/io/c/text.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::c {

/// A float or double with all its digits.
inline std::string real(float v) { return formatted("{:.9e}f", static_cast<double>(v)); }
inline std::string real(double v) { return formatted("{:.17e}", v); }

/// The program of one model while it is written.
class ProgramWriter {
 public:
  ProgramWriter(const IntegerModel& model, std::string symbol) : model_(model), symbol_(std::move(symbol)), plan_(plan_memory(model)) {
    memory_.arena = plan_.bytes;
  }

  /// Writes one node by program(operator, *this).
  template <class Write>
  void node(std::size_t i, Write write) {
    node_ = &model_.nodes[i];
    id_ = formatted("{}_{}_{}", symbol_, i, identifier(node_->name));
    site_.emplace(model_, *node_);
    memory_.rows.push_back({node_->name, std::string(graph::kind(node_->op)), 0, live(static_cast<int>(i))});
    const std::string comment = formatted("  /* {}: {} -> {} */\n", comment_text(node_->name), comment_text(graph::kind(node_->op)), site_->out().shape);
    if (!graph::is<graph::op::Input>(node_->op)) calls_ += comment;
    write(*node_);
  }

  [[nodiscard]] const IntegerModel& model() const { return model_; }
  [[nodiscard]] const std::string& symbol() const { return symbol_; }
  /// The present node and what surrounds it.
  [[nodiscard]] const IntegerNode& node() const { return *node_; }
  [[nodiscard]] const NodeSite& site() const { return *site_; }
  /// Where a value lies.
  [[nodiscard]] std::string place(int value) const {
    return formatted("{}_arena + {}", symbol_, plan_.offset[static_cast<std::size_t>(value)]);
  }
  [[nodiscard]] std::string in(std::size_t i = 0) const { return place(node_->inputs[i]); }
  [[nodiscard]] std::string out() const { return place(node_->output); }
  [[nodiscard]] std::int64_t elements() const { return site_->out().shape.elements(); }

  /// Defines an array of constants and returns its name.
  template <class Range>
  std::string array(std::string_view type, std::string_view what, const Range& numbers, std::int64_t bytes_each) {
    const std::string name = formatted("{}_{}", id_, what);
    constants_ += formatted("static const {} {}[] = {{\n", type, name);
    append_numbers(constants_, numbers);
    constants_ += "};\n";
    memory_.rows.back().flash += static_cast<std::int64_t>(std::size(numbers)) * bytes_each;
    return name;
  }
  std::string codes(std::string_view what, std::span<const std::int8_t> numbers) { return array("int8_t", what, numbers, 1); }
  std::string integers(std::string_view what, std::span<const std::int32_t> numbers) { return array("int32_t", what, numbers, 4); }
  std::string reals(std::string_view what, std::span<const float> numbers) { return array("float", what, texts(numbers), 4); }
  std::string reals(std::string_view what, std::span<const double> numbers) { return array("double", what, texts(numbers), 8); }
  /// Defines one struct of constants and returns its address.
  std::string parameters(std::string_view type, std::string_view what, const std::string& fields, std::int64_t bytes) {
    constants_ += formatted("static const {} {}_{} = {{{}}};\n", type, id_, what, fields);
    memory_.rows.back().flash += bytes;
    return formatted("&{}_{}", id_, what);
  }
  /// Asks for a kernel and all that it needs.
  void use(std::string_view kernel) { kernels_.use(kernel); }
  void statement(const std::string& text) { calls_ += "  " + text + "\n"; }
  /// A call of a kernel that CMSIS-NN may refuse.
  void checked(const std::string& call) { calls_ += formatted("  if ({} != 0) return 2;\n", call); }
  /// A walk over dimensions whose innermost run is walked by what `call` makes of it.
  template <class Call>
  void walk(const std::vector<LoopDimension>& dimensions, Call call) {
    const Loops loops(dimensions);
    calls_ += loops.around(call(loops));
  }
  /// Memory that CMSIS-NN may want for this node.
  void scratch(std::int64_t bytes) { memory_.scratch = std::max(memory_.scratch, bytes); }

  [[nodiscard]] ProgramMemory memory() const { return memory_; }
  [[nodiscard]] const std::string& constants() const { return constants_; }
  [[nodiscard]] const std::string& calls() const { return calls_; }
  [[nodiscard]] ProgramKernels& kernels() { return kernels_; }

 private:
  template <class T>
  static std::vector<std::string> texts(std::span<const T> numbers) {
    std::vector<std::string> all;
    for (const T v : numbers) all.push_back(real(v));
    return all;
  }
  // Bytes of the values that are needed while a node runs.
  [[nodiscard]] std::int64_t live(int at) const {
    const int end = static_cast<int>(model_.nodes.size());
    std::int64_t bytes = 0;
    for (std::size_t v = 0; v < model_.values.size(); ++v) {
      int first = end, last = -1;
      for (int i = 0; i < end; ++i) {
        const IntegerNode& n = model_.nodes[static_cast<std::size_t>(i)];
        const bool reads = std::count(n.inputs.begin(), n.inputs.end(), static_cast<int>(v)) != 0;
        if (n.output == static_cast<int>(v)) first = graph::is<graph::op::Input>(n.op) ? 0 : i;
        if (reads || n.output == static_cast<int>(v)) last = i;
      }
      if (std::count(model_.outputs.begin(), model_.outputs.end(), static_cast<int>(v)) != 0) last = end;
      if (first <= at && at <= last) bytes += model_.values[v].shape.elements();
    }
    return bytes;
  }

  const IntegerModel& model_;
  std::string symbol_;
  MemoryPlan plan_;
  ProgramMemory memory_{};
  ProgramKernels kernels_{};
  std::string constants_{}, calls_{}, id_{};
  const IntegerNode* node_ = nullptr;
  std::optional<NodeSite> site_{};  // of node_
};

// A function of one number is a table of codes, whichever it is.
template <graph::op::TableOp Op>
void program(const Op& o, ProgramWriter& w) {
  w.use("lookup");
  const std::string table = w.codes("table", w.site().resolve(o));
  w.statement(formatted("stet_lookup({}, {}, {}, {});", w.elements(), w.in(), table, w.out()));
}

}  // namespace stet::c
