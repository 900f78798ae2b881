#pragma once
// Options of load_onnx and load_tflite.

#include <stet/core/error.hpp>
#include <stet/core/shape.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace stet {

/// What loading does with a constant that several layers of a file train (tied weights). A model of stet has parameters of
/// its own for every layer: they start equal and part with the first update.
enum class SharedConstants {
  refuse,  ///< Errc::unsupported, naming the constant and its layers
  untie    ///< a copy for each layer, with a warning that names them
};

/// Where a loaded model ends.
enum class Ending {
  logits,  ///< a softmax, log softmax, argmax or map of labels at the end is left out, with a warning: losses have their own
  whole  ///< where the file does
};

struct ImportOptions {
  SharedConstants shared = SharedConstants::refuse;
  /// Values to end at, by their names in the file or those of the nodes that make them; none: the outputs of the file.
  std::vector<std::string> outputs{};
  Ending ending = Ending::logits;  ///< of the outputs of the file; those that are named stay
  /// Shape of one sample, [H,W,C] of an image: fixes what the file leaves open. Nothing (rank 0): all is fixed in the file.
  Shape input{};
  /// The same of a file with several inputs: one for each, in the order of the file; of rank 0 where it is fixed there.
  std::vector<Shape> inputs{};

  /// What is asked of one of so many inputs.
  /// Errors:    Errc::range if there are more or fewer shapes than inputs
  [[nodiscard]] Shape asked(std::size_t which, std::size_t count) const {
    require(inputs.empty() || inputs.size() == count, Errc::range, "{{.inputs = ...}} has {} shapes, the file has {} inputs; give one for each",
            inputs.size(), count);
    return inputs.empty() ? input : inputs[which];
  }
};

}  // namespace stet
