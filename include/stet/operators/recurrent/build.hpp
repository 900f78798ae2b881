#pragma once
// Recurrent layers, added to a graph.

#include <stet/graph/graph.hpp>

namespace stet::graph {

/// An LSTM over the steps of [steps,features]. The last state alone is slice(y, 0, steps - 1, steps), of a reversed one the
/// first; both directions are concat({lstm(x, {.units = n}), lstm(x, {.units = n, .reverse = true})}).
inline Value lstm(const Value& x, const op::Lstm& options) { return append(options, {x}); }
/// A GRU over the steps of [steps,features]; as lstm.
inline Value gru(const Value& x, const op::Gru& options) { return append(options, {x}); }

}  // namespace stet::graph
