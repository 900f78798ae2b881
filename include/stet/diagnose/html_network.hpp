#pragma once
// The network drawn from its input down, coloured by the loss that each node brings alone.

#include <stet/diagnose/html_parts.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace stet::detail {

/// Rows by the longest way from the input; a node's inputs are above it. The label of a node says its loss in numbers, so
/// colour is never the only sign.
inline std::string network_chart(const std::vector<DiagnosedNode>& nodes) {
  if (nodes.empty()) return {};
  std::vector<std::size_t> depth(nodes.size(), 0), place(nodes.size(), 0), in_row;
  double most = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const int from : nodes[i].inputs) {
      if (from >= 0 && static_cast<std::size_t>(from) < i) depth[i] = std::max(depth[i], depth[static_cast<std::size_t>(from)] + 1);
    }
    if (depth[i] >= in_row.size()) in_row.resize(depth[i] + 1, 0);
    place[i] = in_row[depth[i]]++;
    most = std::max(most, nodes[i].loss_alone);
  }
  const double box = 176, gap = 14, tall = 38, row = 58;
  const double widest = static_cast<double>(*std::max_element(in_row.begin(), in_row.end()));
  const double width = widest * (box + gap) + 60, height = row * static_cast<double>(in_row.size());
  const auto x_of = [&](std::size_t i) {
    const double all = static_cast<double>(in_row[depth[i]]) * (box + gap) - gap;
    return (width - all) / 2 + static_cast<double>(place[i]) * (box + gap);
  };
  const auto y_of = [&](std::size_t i) { return row * static_cast<double>(depth[i]) + 4; };
  std::string words = formatted("The network with {} nodes.", nodes.size()), edges, boxes;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const DiagnosedNode& n = nodes[i];
    for (const int from : n.inputs) {
      if (from < 0 || static_cast<std::size_t>(from) >= i) continue;
      const auto f = static_cast<std::size_t>(from);
      const double x0 = x_of(f) + box / 2, y0 = y_of(f) + tall, x1 = x_of(i) + box / 2, y1 = y_of(i);
      // What passes rows by goes beside them.
      const double aside = depth[i] > depth[f] + 1 ? width - 16 : (x0 + x1) / 2;
      edges += formatted("<path d=\"M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}\" class=\"edge\"/>", x0, y0, aside, y0 + 26, aside, y1 - 26, x1, y1);
    }
    const double part = most > 0.002 ? std::max(0.0, n.loss_alone) / most : 0.0;
    boxes += svg_rect(x_of(i), y_of(i), box, tall, "node", formatted("rx=\"6\" style=\"--part:{:.0f}%\"", 70 * part));
    const std::string shown = n.node.size() > 22 ? n.node.substr(0, 21) + "…" : n.node;
    boxes += svg_text(x_of(i) + 10, y_of(i) + 16, shown, "class=\"name\"");
    std::string what = n.kind;
    if (n.weight_bits > 0) what += formatted(", {}-bit weights", n.weight_bits);
    boxes += svg_text(x_of(i) + 10, y_of(i) + 31, what, "class=\"quiet small\"");
    if (n.loss_alone > 0.00005) boxes += svg_text(x_of(i) + box - 8, y_of(i) + 16, formatted("{:.4f}", n.loss_alone), "class=\"num small\" text-anchor=\"end\"");
    if (part > 0.5) words += formatted(" {} alone adds {:.4f} to the loss.", n.node, n.loss_alone);
  }
  return svg_begin(width, height, words) + edges + boxes + "</svg>";
}

}  // namespace stet::detail
