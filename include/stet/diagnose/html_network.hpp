#pragma once
// The network drawn from its input down, coloured by the loss that each node brings alone.

#include <stet/diagnose/html_parts.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace stet::detail {

/// Rows by the longest way from the input; a node's inputs are above it. The label of a node says its loss in numbers, so
/// colour is never the only sign. The drawing keeps its size: one that is wider than the page scrolls in its box.
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
    most = std::isfinite(nodes[i].loss_alone) ? std::max(most, nodes[i].loss_alone) : most;
  }
  const double box = 190, gap = 14, tall = 38, row = 58;
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
      const double middle = (x0 + x1) / 2, aside = depth[i] > depth[f] + 1 ? middle + (width - 10 - middle) / 0.75 : middle;
      edges += formatted("<path d=\"M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}\" class=\"edge\"/>", x0, y0, aside, y0 + 26, aside, y1 - 26, x1, y1);
    }
    const double part = most > 0.002 && std::isfinite(n.loss_alone) ? std::max(0.0, n.loss_alone) / most : 0.0;
    const bool numbered = n.loss_alone > 0.00005;
    boxes += svg_rect(x_of(i), y_of(i), box, tall, "node", formatted("rx=\"6\" style=\"--part:{:.0f}%\"", most_node_part * part));
    boxes += svg_text(x_of(i) + 10, y_of(i) + 16, fitting(n.node, numbered ? 128 : 172), "class=\"name\"");
    std::string what = n.kind;
    if (n.weight_bits > 0) what += formatted(", {}-bit weights", n.weight_bits);
    boxes += svg_text(x_of(i) + 10, y_of(i) + 31, fitting(what, 200), "class=\"small\"");
    if (numbered) boxes += svg_text(x_of(i) + box - 8, y_of(i) + 16, formatted("{:.4f}", n.loss_alone), "class=\"num small\" text-anchor=\"end\"");
    if (part > 0.5) words += formatted(" {} alone adds {:.4f} to the loss.", printable(n.node), n.loss_alone);
  }
  const std::string own_size = formatted("width:{:.0f}px;max-width:none", width);
  return svg_begin(width, height, words, own_size) + edges + boxes + "</svg>";
}

/// The same in words.
inline std::string network_table(const std::vector<DiagnosedNode>& nodes) {
  std::vector<std::vector<std::string>> rows;
  for (const DiagnosedNode& n : nodes) {
    std::string from;
    for (const int i : n.inputs) {
      if (i >= 0 && static_cast<std::size_t>(i) < nodes.size()) from += (from.empty() ? "" : ", ") + escaped(nodes[static_cast<std::size_t>(i)].node);
    }
    const auto bits = [](int b) { return b > 0 ? formatted("{}", b) : std::string("–"); };
    rows.push_back({escaped(n.node), "<td class=\"words\">" + escaped(n.kind) + "</td>", "<td class=\"words\">" + from + "</td>", bits(n.weight_bits), bits(n.activation_bits), loss_text(n.loss_alone), loss_text(n.loss_without)});
  }
  return folded_table("The network, node by node", {"", "kind", "reads", "bits of weights", "bits of values", "loss alone", "loss without it"}, rows);
}

}  // namespace stet::detail
