#pragma once
// Padding of channels in .onnx: written, and Pad of every kind read.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>
#include <stet/operators/slice/onnx.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace stet::onnx {

void write(const graph::op::PadChannels& o, auto& w) {
  const Layout layout = w.layout(w.input());
  const int rank = w.shape_in().rank();
  const std::int64_t channels = position(layout, rank, rank - 1);
  Ints pads(at(2 * rank + 2), 0);
  pads[at(channels)] = o.before;
  pads[at(rank + 1 + channels)] = o.after;
  Names inputs{w.get(w.input(), layout), w.list(w.name() + ".pads", pads)};
  if constexpr (std::is_same_v<decltype(w), IntegerWriter&>) {
    inputs.push_back(w.code(w.name() + ".value", w.codes_in().zero_point));
  }
  w.emit_moved("Pad", std::move(inputs), layout);
}

/// Zeros around a value of three dimensions where they lie in its node, without moving any. False if they cannot be added so.
inline bool pad_in_place(Importer& g, const Ints& pads) {
  Arrangement x = g.value();
  bool fits = !x.reordered() && g.graph.node(x.node).shape.rank() == 3 && pads[0] == 0 && pads[4] == 0;
  for (const int axis : x.axis) fits = fits && axis >= 0;
  for (const std::int64_t p : pads) fits = fits && p >= 0 && p <= 65535;
  if (!fits) return false;
  int before[3] = {}, behind[3] = {};
  for (std::size_t d = 0; d < 3; ++d) {
    before[x.axis[d]] = static_cast<int>(pads[d + 1]);
    behind[x.axis[d]] = static_cast<int>(pads[d + 5]);
    x.dims[d] += pads[d + 1] + pads[d + 5];
  }
  const bool channels = before[2] + behind[2] > 0;
  if (!channels || before[0] + behind[0] + before[1] + behind[1] > 0) {
    x.node = g.add(graph::op::Pad{before[0], behind[0], before[1], behind[1]}, {x.node});
  }
  if (channels) x.node = g.add(graph::op::PadChannels{before[2], behind[2]}, {x.node});
  x.name.clear();
  g.give(std::move(x));
  return true;
}

/// Zeros along one dimension of a value that is no image: the middle one of three, with all before and all behind it joined.
inline void pad_one_dimension(Importer& g, const Ints& pads) {
  Ints dims = g.value().dims;
  const std::size_t rank = dims.size();
  std::size_t axis = rank, padded = 0;
  bool fits = pads.size() == 2 * (rank + 1) && pads[0] == 0 && pads[rank + 1] == 0;
  for (std::size_t d = 0; fits && d < rank; ++d) {
    const std::int64_t before = pads[d + 1], behind = pads[d + rank + 2];
    fits = before >= 0 && behind >= 0 && before <= 65535 && behind <= 65535;
    if (before == 0 && behind == 0) continue;
    axis = d;
    ++padded;
  }
  require(fits && padded == 1, Errc::unsupported, "input has {} dimensions besides the batch; only images [N,C,H,W], lines [N,C,L] and one dimension of others are padded", rank);
  const auto part = [&](std::size_t from, std::size_t to) { return product(Ints(dims.begin() + static_cast<std::ptrdiff_t>(from), dims.begin() + static_cast<std::ptrdiff_t>(to))); };
  const std::int64_t before = pads[axis + 1], behind = pads[axis + rank + 2];
  int id = g.arranger.arrange(g.value(), natural_order(rank));
  id = g.graph.add(graph::op::Reshape{Shape{part(0, axis), dims[axis], part(axis + 1, rank)}}, {id}, {}).id();
  id = g.add(graph::op::Pad{0, 0, static_cast<int>(before), static_cast<int>(behind)}, {id});
  dims[axis] += before + behind;
  id = g.graph.add(graph::op::Reshape{Shape(dims)}, {id}, {}).id();
  g.give(id, dims, natural_order(rank));
}

inline void read_pad(Importer& g, Attributes& a) {
  const std::string mode = a.text("mode", "constant");
  Ints pads = a.integers("pads");
  const float otherwise = a.real("value", 0.0f);
  if (g.has_input(1)) pads = g.few_integers(1, "pads");
  if (mode == "reflect" || mode == "edge" || mode == "wrap") return pad_with_values(g, mode, pads);
  require(mode == "constant", Errc::unsupported, "attribute mode is {}, which is not understood", mode);
  const float value = g.one_real(2, "constant_value", otherwise);
  require(value == 0.0f && !g.has_input(3), Errc::unsupported, "only zeros around an image are understood");
  const bool line = g.value().dims.size() == 2;
  if (g.value().dims.size() == 1) {  // flat
    const Arrangement x = g.arranger.ordered(g.value());
    const bool good = pads.size() == 4 && pads[0] == 0 && pads[2] == 0 && std::min(pads[1], pads[3]) >= 0 && std::max(pads[1], pads[3]) <= 65535;
    require(good, Errc::unsupported, "pads must be those of the numbers of a sample, and not negative");
    const graph::op::PadChannels op{static_cast<int>(pads[1]), static_cast<int>(pads[3])};
    return g.give(g.add(op, {g.arranger.arrange(x, {0})}), {x.dims[0] + pads[1] + pads[3]}, {0});
  }
  if (g.value().dims.size() == 3 && pads.size() == 8 && pad_in_place(g, pads)) return;
  if (g.value().dims.size() > 3) return pad_one_dimension(g, pads);
  const int from = g.image(g.value());
  if (line && pads.size() == 6) pads = {pads[0], pads[1], 0, pads[2], pads[3], pads[4], 0, pads[5]};
  bool fits = pads.size() == 8;
  for (std::size_t i = 0; i < pads.size(); ++i) {
    fits = fits && pads[i] >= 0 && pads[i] <= 65535 && (i % 4 != 0 || pads[i] == 0);
  }
  require(fits, Errc::unsupported, "pads must be those of channels, height and width, and not negative");
  const auto n = [&](std::size_t i) { return static_cast<int>(pads[i]); };
  int id = from;
  const bool channels = pads[1] != 0 || pads[5] != 0;
  if (!channels || pads[2] + pads[3] + pads[6] + pads[7] != 0) id = g.add(graph::op::Pad{n(2), n(6), n(3), n(7)}, {id});
  if (channels) id = g.add(graph::op::PadChannels{n(1), n(5)}, {id});
  g.give_image(id, line);
}

inline constexpr OperatorReader pad_readers[] = {{"Pad", read_pad}};

}  // namespace stet::onnx
