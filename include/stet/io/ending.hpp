#pragma once
// What stands behind the logits of a classifier and is left out when it is loaded (Ending::logits), for all formats.

#include <stet/core/warning.hpp>

#include <string>

namespace stet {

/// What an operator means for a model that ends with it.
enum class Tail {
  none,        ///< it computes: a model may end there
  rearranges,  ///< only another form of the same numbers
  classifies   ///< softmax, argmax and the like: what it reads are logits
};

/// What the first classifying operator reads on the way back from an output, past operators that only rearrange; the output
/// itself if there is none. `step(value, input)` says what makes a value and sets what that reads; `cut(value)` is
/// called with what is left out.
template <class Value, class Step, class Cut>
Value before_softmax(const Value& output, Step&& step, Cut&& cut) {
  Value value = output, logits = output;
  for (int depth = 0; depth < 16; ++depth) {
    Value input = value;
    const Tail tail = step(value, input);
    if (tail == Tail::none) break;
    if (tail == Tail::classifies) {
      cut(value);
      logits = input;
    }
    value = input;
  }
  return logits;
}

/// Says what was left out: `ends`, the new outputs, `cut`, what stood behind them.
inline void warn_of_ending(const std::string& where, const std::string& ends, const std::string& cut) {
  warn(
      "{}: the model ends at {}; {} behind it was left out, because losses and evaluate bring that along and integers "
      "have no "
      "form of it. {{.ending = Ending::whole}} keeps it",
      where, ends, cut);
}

}  // namespace stet
