#pragma once
// Adaptive average pools as PyTorch's exporter writes them where the windows are not alike: the pixels of all windows gathered, those behind
// a window's end set to 0, summed one by one and divided. Read as the means that they are.
// Source:    torch/_decomp/decompositions.py of PyTorch, adaptive_avg_pool2d

#include <stet/io/onnx/importer.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

namespace detail {

/// The windows of one dimension: output i is the mean of [floor(i n/out), ceil((i+1) n/out)).
struct AdaptiveWindows {
  std::int64_t n = 0, out = 0;
  [[nodiscard]] std::int64_t start(std::int64_t i) const { return i * n / out; }
  [[nodiscard]] std::int64_t size(std::int64_t i) const { return ((i + 1) * n + out - 1) / out - start(i); }
  /// Of the largest window: the sizes repeat with the remainders of n/out, and two pixels beyond n/out are the most.
  [[nodiscard]] std::int64_t largest() const {
    const std::int64_t whole = n / out, rest = n % out;
    return rest == 0 ? whole : out % rest == 0 ? whole + 1 : whole + 2;
  }
};

inline bool turns(const NodeInfo& n, const Ints& perm) {
  const AttributeInfo* a = attribute_of(n, "perm");
  return is_standard(n) && n.op_type == "Transpose" && n.inputs.size() == 1 && n.outputs.size() == 1 && a != nullptr && a->integers == perm;
}
inline const Constant* constant_of(const Importer& g, const std::string& name) {
  const auto found = g.constants.find(name);
  return found == g.constants.end() || !found->second.known ? nullptr : &found->second;
}

// Follows the windows [N,C,out,taps,out,taps] to the node that makes their means.
class MeanOfWindows {
 public:
  MeanOfWindows(const Importer& g, const AdaptiveWindows& rows, const AdaptiveWindows& columns) : g_(g), rows_(rows), columns_(columns) {}

  /// The last node, if all that is made of `windows` is their means; `nodes` are those on the way.
  const NodeInfo* find(const std::string& windows, std::set<const NodeInfo*>& nodes) {
    known_[windows] = {};
    std::vector<std::string> open{windows};
    while (!open.empty()) {
      const std::string value = std::move(open.back());
      open.pop_back();
      if (g_.is_output(value)) return nullptr;
      for (const NodeInfo* n : g_.readers(value)) {
        if (nodes.contains(n) || n == last_) continue;
        if (!is_standard(*n) || n->outputs.size() != 1 || nodes.size() > 4096) return nullptr;
        if (waits(*n)) continue;  // until its other summand is known
        if (!reads(*n, value)) return nullptr;
        if (n == last_) continue;
        nodes.insert(n);
        open.push_back(n->outputs[0]);
      }
    }
    for (const auto& [value, what] : known_) {  // nobody else reads any of it
      for (const NodeInfo* n : g_.readers(value)) {
        if (n != last_ && !nodes.contains(n)) return nullptr;
      }
    }
    return last_;
  }

 private:
  // What a value is: windows, those with one row of each window, or a sum of taps.
  struct Part {
    bool rows_cut = false, columns_cut = false;  // zeros behind the ends of windows
    std::optional<std::int64_t> row{};
    std::set<std::pair<std::int64_t, std::int64_t>> taps{};
  };

  [[nodiscard]] bool waits(const NodeInfo& n) const {
    return n.op_type == "Add" && n.inputs.size() == 2 && !(known_.contains(n.inputs[0]) && known_.contains(n.inputs[1]));
  }
  // Whether a mask [out,taps,...] holds exactly behind the ends of windows.
  static bool masks(const Constant& c, const AdaptiveWindows& w, std::size_t behind) {
    Ints dims{w.out, w.largest()};
    dims.insert(dims.end(), behind, 1);
    if (c.real || c.trimmed() != Constant{.dims = dims}.trimmed() || c.integers.size() != at(w.out * w.largest())) return false;
    for (std::int64_t i = 0; i < w.out; ++i) {
      for (std::int64_t k = 0; k < w.largest(); ++k) {
        if ((c.integers[at(i * w.largest() + k)] != 0) != (k >= w.size(i))) return false;
      }
    }
    return true;
  }
  bool reads(const NodeInfo& n, const std::string& value) {
    Part p = known_[value];
    const bool whole = !p.row && p.taps.empty();
    if (n.op_type == "Where" && n.inputs.size() == 3 && n.inputs[2] == value && whole) {
      const Constant *mask = constant_of(g_, n.inputs[0]), *zero = constant_of(g_, n.inputs[1]);
      if (mask == nullptr || zero == nullptr || !zero->real || zero->reals != std::vector<float>{0.0f}) return false;
      if (masks(*mask, rows_, 2)) {
        p.rows_cut = true;
      } else if (masks(*mask, columns_, 0)) {
        p.columns_cut = true;
      } else {
        return false;
      }
    } else if (n.op_type == "Gather" && n.inputs.size() == 2 && n.inputs[0] == value) {
      const AttributeInfo* axis = attribute_of(n, "axis");
      const Constant* which = constant_of(g_, n.inputs[1]);
      if (axis == nullptr || which == nullptr || which->real || which->integers.size() != 1 || !which->dims.empty() || !p.taps.empty()) return false;
      const std::int64_t k = which->integers[0];
      if (k < 0 || axis->integer != (p.row ? 4 : 3)) return false;
      if (p.row) {
        p.taps = {{*p.row, k}};
        p.row.reset();
      } else {
        p.row = k;
      }
    } else if (n.op_type == "Add" && n.inputs.size() == 2) {
      const Part &a = known_[n.inputs[0]], &b = known_[n.inputs[1]];
      if (a.taps.empty() || b.taps.empty() || a.rows_cut != b.rows_cut || a.columns_cut != b.columns_cut) return false;
      p = a;
      p.taps.insert(b.taps.begin(), b.taps.end());
      if (p.taps.size() != a.taps.size() + b.taps.size()) return false;
    } else if (last_ == nullptr && (n.op_type == "Div" || n.op_type == "ReduceMean") && n.inputs.size() == 2 && n.inputs[0] == value) {
      if (!(n.op_type == "Div" ? divides(p, n) : averages(p, n))) return false;
      last_ = &n;
      return true;
    } else {
      return false;
    }
    known_[n.outputs[0]] = std::move(p);
    return true;
  }
  // Windows of different sizes count only where they end; a sum must have every tap once.
  [[nodiscard]] bool cut_right(const Part& p) const {
    const auto alike = [](const AdaptiveWindows& w) {
      for (std::int64_t i = 0; i < w.out; ++i) {
        if (w.size(i) != w.largest()) return false;
      }
      return true;
    };
    return (p.rows_cut || alike(rows_)) && (p.columns_cut || alike(columns_));
  }
  [[nodiscard]] bool divides(const Part& p, const NodeInfo& n) const {
    const Constant* c = constant_of(g_, n.inputs[1]);
    if (c == nullptr || !c->real || !cut_right(p)) return false;
    std::set<std::pair<std::int64_t, std::int64_t>> all;
    for (std::int64_t i = 0; i < rows_.largest(); ++i) {
      for (std::int64_t j = 0; j < columns_.largest(); ++j) all.insert({i, j});
    }
    if (p.taps != all) return false;
    Ints dims = c->trimmed();
    if (dims.size() > 2) return false;
    dims.insert(dims.begin(), 2 - dims.size(), 1);
    if ((dims[0] != 1 && dims[0] != rows_.out) || (dims[1] != 1 && dims[1] != columns_.out) || c->reals.size() != at(dims[0] * dims[1])) return false;
    for (std::int64_t i = 0; i < rows_.out; ++i) {
      for (std::int64_t j = 0; j < columns_.out; ++j) {
        const float count = c->reals[at((dims[0] == 1 ? 0 : i) * dims[1] + (dims[1] == 1 ? 0 : j))];
        if (count != static_cast<float>(rows_.size(i) * columns_.size(j))) return false;
      }
    }
    return true;
  }
  [[nodiscard]] bool averages(const Part& p, const NodeInfo& n) const {
    const Constant* axes = constant_of(g_, n.inputs[1]);
    const AttributeInfo* keep = attribute_of(n, "keepdims");
    return axes != nullptr && axes->integers == Ints{-3, -1} && keep != nullptr && keep->integer == 0 && !p.row && p.taps.empty() && !p.rows_cut && !p.columns_cut &&
           cut_right(p);
  }

  const Importer& g_;
  AdaptiveWindows rows_, columns_;
  std::map<std::string, Part> known_;
  const NodeInfo* last_ = nullptr;
};

// Outputs that lie side by side with windows of one size, a constant distance apart.
struct WindowRun {
  std::int64_t start = 0, size = 0, stride = 1, count = 1;
  [[nodiscard]] std::int64_t end() const { return start + (count - 1) * stride + size; }
  friend auto operator<=>(const WindowRun&, const WindowRun&) = default;
};
inline std::vector<WindowRun> runs_of(const AdaptiveWindows& w) {
  std::vector<WindowRun> runs;
  for (std::int64_t i = 0; i < w.out; ++i) {
    const std::int64_t start = w.start(i), size = w.size(i);
    if (!runs.empty() && runs.back().size == size) {
      WindowRun& r = runs.back();
      const std::int64_t step = start - (r.start + (r.count - 1) * r.stride);
      if (step > 0 && (r.count == 1 || step == r.stride)) {
        r.stride = step;
        ++r.count;
        continue;
      }
    }
    runs.push_back({.start = start, .size = size, .stride = 1, .count = 1});
  }
  return runs;
}

/// Means of adaptive windows of an image [H,W,C]: a pool for each rectangle of outputs whose windows are alike, and what they make joined.
inline int add_adaptive_mean(Importer& g, int image, const AdaptiveWindows& rows, const AdaptiveWindows& columns) {
  const std::vector<WindowRun> down = runs_of(rows), across = runs_of(columns);
  require(down.size() * across.size() <= 1024, Errc::unsupported, "adaptive windows of {} different kinds", down.size() * across.size());
  const auto part = [&](int from, int axis, const WindowRun& r, std::int64_t n) {
    return r.start == 0 && r.end() == n ? from : g.graph.add(graph::op::Slice{axis, r.start, r.end(), 1}, {from}, {}).id();
  };
  const auto pair = [](std::int64_t h, std::int64_t w) { return Pair(static_cast<int>(h), static_cast<int>(w)); };
  std::map<WindowRun, int> line_of;
  std::vector<int> lines;
  for (const WindowRun& r : down) {
    if (!line_of.contains(r)) {
      const int band = part(image, 0, r, rows.n);
      std::map<WindowRun, int> cell_of;
      std::vector<int> cells;
      for (const WindowRun& c : across) {
        if (!cell_of.contains(c)) {
          cell_of[c] = g.graph.add(graph::op::AveragePool{pair(r.size, c.size), pair(r.stride, c.stride), Padding::valid()}, {part(band, 1, c, columns.n)}, {}).id();
        }
        cells.push_back(cell_of[c]);
      }
      line_of[r] = cells.size() == 1 ? cells[0] : g.graph.add(graph::op::Concat{1}, cells, {}).id();
    }
    lines.push_back(line_of[r]);
  }
  return lines.size() == 1 ? lines[0] : g.graph.add(graph::op::Concat{0}, lines, {}).id();
}

}  // namespace detail

/// Reads an adaptive average pool that begins with this node, if it is one; the other nodes are done then.
inline bool read_adaptive_pool(Importer& g, const NodeInfo& first) {
  if (g.codes || !detail::turns(first, {2, 3, 0, 1}) || !g.read_once(first.outputs[0])) return false;
  const auto value = g.values.find(first.inputs[0]);
  if (value == g.values.end() || value->second.node < 0 || value->second.dims.size() != 3) return false;
  const NodeInfo& gather = *g.readers(first.outputs[0])[0];
  const AttributeInfo* batch = attribute_of(gather, "batch_dims");
  if (!is_standard(gather) || gather.op_type != "GatherND" || gather.inputs.size() != 2 || gather.outputs.size() != 1 || (batch != nullptr && batch->integer != 0) ||
      !g.read_once(gather.outputs[0])) {
    return false;
  }
  const NodeInfo& back = *g.readers(gather.outputs[0])[0];
  const Constant* index = detail::constant_of(g, gather.inputs[1]);
  if (!detail::turns(back, {4, 5, 0, 1, 2, 3}) || index == nullptr || index->real || index->dims.size() != 5 || index->dims[4] != 2) return false;
  const detail::AdaptiveWindows rows{value->second.dims[1], index->dims[0]}, columns{value->second.dims[2], index->dims[2]};
  if (index->dims[0] < 1 || index->dims[2] < 1 || index->dims[1] != rows.largest() || index->dims[3] != columns.largest() ||
      index->integers.size() != at(product(index->dims))) {
    return false;
  }
  std::size_t place = 0;
  for (std::int64_t i = 0; i < rows.out; ++i) {
    for (std::int64_t a = 0; a < rows.largest(); ++a) {
      for (std::int64_t j = 0; j < columns.out; ++j) {
        for (std::int64_t b = 0; b < columns.largest(); ++b, place += 2) {
          const bool inside = a < rows.size(i) && b < columns.size(j);
          if (inside && (index->integers[place] != rows.start(i) + a || index->integers[place + 1] != columns.start(j) + b)) return false;
        }
      }
    }
  }
  std::set<const NodeInfo*> nodes;
  const NodeInfo* last = detail::MeanOfWindows(g, rows, columns).find(back.outputs[0], nodes);
  if (last == nullptr || g.values.contains(last->outputs[0])) return false;
  g.done.insert({&gather, &back, last});
  g.done.insert(nodes.begin(), nodes.end());
  g.node = last;
  g.give_image(detail::add_adaptive_mean(g, g.image(value->second), rows, columns));
  return true;
}

}  // namespace stet::onnx
