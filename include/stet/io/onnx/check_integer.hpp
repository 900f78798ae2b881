#pragma once
// check_integer: what an IntegerModel must be before a byte of it is written.

#include <stet/io/int4.hpp>
#include <stet/io/integer_formats.hpp>
#include <stet/io/onnx/options.hpp>

#include <algorithm>
#include <string>

namespace stet::onnx {

/// Checks that a model can be written as ONNX.
/// Errors:    Errc::unsupported listing every node that cannot
inline void check_integer(const IntegerModel& model, const OnnxIntegerOptions& options) {
  std::string problems = check_structure(model).text() + fault_lines(format_faults(IntegerFormat::onnx, model));
  const auto packed = [](const IntegerNode& node) {
    return graph::has_weights(node.op) && fits_int4(node.constants.weights.span());
  };
  if (options.int4_weights && std::none_of(model.nodes.begin(), model.nodes.end(), packed)) {
    problems +=
        "\n  int4_weights: no layer has weight codes within -7..7; train with weights of 4 bits and apply int4_weights() "
        "to the integer model";
  }
  require(problems.empty(), Errc::unsupported, "save_onnx: this model cannot be written:{}", problems);
}

}  // namespace stet::onnx
