#pragma once
// Reads nodes that move the samples of a value out of its first dimension, and nodes that compute with such a value.

#include <stet/io/onnx/constant_math.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/parts.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::onnx {

namespace detail {

/// Reads one node among values whose samples do not lie apart.
class BatchViewReader {
 public:
  explicit BatchViewReader(Importer& g) : g_(g), node_(*g.node) {}

  /// Reads the node if it makes such a value, or of one. `read` reads a node whose values have their samples in front.
  bool run(const std::function<void()>& read, bool alone) {
    const bool one =
        !node_.inputs.empty() && (g_.views.contains(node_.inputs[0]) || g_.values.contains(node_.inputs[0]));
    if (one && node_.op_type == "Transpose" && transpose()) return true;
    if (one && node_.op_type == "Reshape" && reshape()) return true;
    const bool any = std::any_of(node_.inputs.begin(), node_.inputs.end(),
                                 [&](const std::string& in) { return g_.views.contains(in); });
    if (alone && node_.op_type == "Gather") {
      gather();
      return true;
    }
    if (!any) return false;
    if (node_.op_type == "Unsqueeze" || node_.op_type == "Squeeze") {
      ones(node_.op_type == "Unsqueeze");
    } else if (node_.op_type == "Gather") {
      gather();
    } else if (node_.op_type == "Slice") {
      slice();
    } else if (node_.op_type == "Split") {
      split();
    } else {
      parked(read);
    }
    return true;
  }

 private:
  [[nodiscard]] std::int64_t batch() const { return g_.samples(); }
  [[nodiscard]] BatchView view(std::size_t i = 0) const { return g_.view(i); }
  void give(BatchView v) { g_.give_view(g_.node->outputs[0], std::move(v)); }

  bool transpose() {
    Attributes a(node_);
    const Ints perm = a.integers("perm");
    const bool known = g_.views.contains(node_.inputs[0]);
    if (!known && (perm.empty() || perm[0] == 0)) return false;
    const BatchView from = view();
    BatchView v = from;
    std::vector<bool> seen(from.dims.size(), false);
    for (std::size_t i = 0; i < from.dims.size(); ++i) {
      const std::int64_t p = perm.empty()                      ? static_cast<std::int64_t>(from.dims.size() - 1 - i)
                             : perm.size() == from.dims.size() ? perm[i]
                                                               : -1;
      require(p >= 0 && p < static_cast<std::int64_t>(from.dims.size()) && !seen[at(p)], Errc::unsupported,
              "attribute perm does not name each of {} dimensions once", from.dims.size());
      seen[at(p)] = true;
      v.dims[i] = from.dims[at(p)];
    }
    a.finish();
    give(std::move(v));
    return true;
  }

  bool reshape() {
    Attributes a(node_);
    Ints dims = g_.few_integers(1, "shape");
    const bool keeps_zero = a.integer("allowzero", 0) != 0, views = g_.views.contains(node_.inputs[0]);
    a.finish();
    const BatchView from = view();
    // What depends on the number of samples otherwise than being it is what is left over.
    if (std::count(dims.begin(), dims.end(), -1) == 0 && std::count(dims.begin(), dims.end(), unknown_symbol) == 1) {
      std::replace(dims.begin(), dims.end(), unknown_symbol, std::int64_t{-1});
    }
    std::int64_t known = 1, total = batch();
    for (const std::int64_t f : from.factors) total *= f;
    bool fits = !dims.empty();
    for (std::size_t i = 0; fits && i < dims.size(); ++i) {
      if (dims[i] == batch_symbol) dims[i] = batch();
      if (dims[i] == 0 && !keeps_zero && i < from.dims.size()) dims[i] = from.size_of(i);
      fits = dims[i] == -1 || (dims[i] >= 1 && dims[i] <= total / known);
      if (dims[i] > 0) known *= dims[i];
    }
    const auto open = std::find(dims.begin(), dims.end(), -1);
    if (fits && open != dims.end() && total % known == 0) known *= * open = total / known;
    fits = fits && known == total;
    // Of a value of the usual kind it is for its own reader, unless its samples do not stay in front.
    if (!views && (!fits || dims[0] == batch())) return false;
    require(fits, Errc::unsupported, "shape does not keep the {} elements of {} samples together", total, batch());
    give(regrouped(from, dims));
    return true;
  }

  void ones(bool made) {
    Attributes a(node_);
    const Ints axes = g_.axes(a);
    a.finish();
    BatchView v = view();
    const std::size_t rank = v.dims.size() + (made ? axes.size() : 0);
    std::vector<bool> named(rank, false);
    for (const std::int64_t n : axes) named[axis_of(n, rank)] = true;
    std::vector<std::vector<int>> dims;
    std::size_t from = 0;
    for (std::size_t i = 0; i < rank; ++i) {
      if (made && named[i]) {
        dims.emplace_back();
        continue;
      }
      require(from < v.dims.size(), Errc::unsupported, "an axis is named twice");
      const std::vector<int>& dim = v.dims[from++];
      const bool gone = !made && (named[i] || (axes.empty() && dim.empty()));
      require(!gone || dim.empty(), Errc::unsupported, "axis {} has not the size 1", i);
      if (!gone) dims.push_back(dim);
    }
    v.dims = std::move(dims);
    give(std::move(v));
  }

  // One position of a dimension; or all elements in their order, as a change of shape is written by some exporters.
  void gather() {
    Attributes a(node_);
    const std::int64_t named = a.integer("axis", 0);
    a.finish();
    BatchView v = view();
    const std::size_t axis = axis_of(named, v.dims.size());
    const Constant& index = g_.integers(1, "indices");
    const std::int64_t size = v.size_of(axis);
    bool all = v.dims.size() == 1 && static_cast<std::int64_t>(index.size()) == size;
    for (std::size_t i = 0; all && i < index.size(); ++i) all = index.integers[i] == static_cast<std::int64_t>(i);
    if (all) return give(regrouped(v, index.dims));
    require(index.size() == 1, Errc::unsupported, "only one position is taken, of a dimension without samples");
    const std::int64_t place = index.integers[0] < 0 ? index.integers[0] + size : index.integers[0];
    require(place >= 0 && place < size, Errc::unsupported, "index {} of a dimension of {}", index.integers[0], size);
    v = part(std::move(v), axis, place, place + 1);
    if (index.dims.empty()) v.dims.erase(v.dims.begin() + static_cast<std::ptrdiff_t>(axis));
    give(std::move(v));
  }

  // A part of one dimension.
  BatchView part(BatchView v, std::size_t axis, std::int64_t first, std::int64_t last) {
    const std::int64_t size = v.size_of(axis);
    if (first == 0 && last == size) return v;
    require(first >= 0 && first < last && last <= size, Errc::unsupported, "takes {}..{} of a dimension of {}", first, last, size);
    require(v.dims[axis].size() == 1 && v.dims[axis][0] != BatchView::samples, Errc::unsupported,
            "a part is taken of a dimension that has samples in it, or that was joined of several");
    const int factor = v.dims[axis][0];
    Ints around{1, size, 1};
    for (int f = 0; f < static_cast<int>(v.factors.size()); ++f) {
      if (f != factor) around[f < factor ? 0 : 2] *= v.factors[at(f)];
    }
    v.node = g_.add(graph::op::Slice{1, first, last}, {g_.arranger.reshaped(v.node, Shape(around))});
    v.factors[at(factor)] = last - first;
    if (last - first > 1) return v;
    v.factors.erase(v.factors.begin() + factor);
    v.dims[axis].clear();
    for (std::vector<int>& dim : v.dims) {
      for (int& f : dim) f -= f > factor ? 1 : 0;
    }
    return v;
  }
  void slice() {
    Attributes a(node_);
    const SliceNumbers n = slice_numbers(g_, a);
    a.finish();
    BatchView v = view();
    for (std::size_t i = 0; i < n.starts.size(); ++i) {
      require(n.steps[i] == 1, Errc::unsupported, "a step of {} where samples do not stand in front", n.steps[i]);
      const std::size_t axis = axis_of(n.axes[i], v.dims.size());
      const std::int64_t size = v.size_of(axis);
      const auto place = [=](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 && at >= -size ? at + size : at, 0, size); };
      v = part(std::move(v), axis, place(n.starts[i]), place(n.ends[i]));
    }
    give(std::move(v));
  }
  void split() {
    Attributes a(node_);
    const BatchView v = view();
    const std::size_t axis = axis_of(a.integer("axis", 0), v.dims.size());
    const Ints sizes = split_sizes(g_, a, v.size_of(axis));
    a.finish();
    std::int64_t first = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (!node_.outputs[i].empty()) g_.give_view(node_.outputs[i], part(v, axis, first, first + sizes[i]));
      first += sizes[i];
    }
  }

  // Where the samples stand: in which dimension, and how many elements of a sample that has before and behind them.
  struct Place {
    std::size_t dim = 0;
    std::int64_t before = 1, behind = 1;
    std::size_t rank = 0;
    [[nodiscard]] bool alone() const { return before * behind == 1; }
    friend bool operator==(const Place&, const Place&) = default;
  };
  static Place place_of(const BatchView& v) {
    Place p;
    p.rank = v.dims.size();
    for (std::size_t d = 0; d < v.dims.size(); ++d) {
      const auto found = std::find(v.dims[d].begin(), v.dims[d].end(), BatchView::samples);
      if (found == v.dims[d].end()) continue;
      p.dim = d;
      for (auto f = v.dims[d].begin(); f != v.dims[d].end(); ++f) {
        if (f != found) (f < found ? p.before : p.behind) *= v.size(*f);
      }
    }
    return p;
  }

  // Operators that compute along the last dimensions, or element by element, do not ask where the samples are: they are read
  // as if they were in front, and put back.
  void parked(const std::function<void()>& read) {
    constexpr std::array along_last = {std::string_view("MatMul"), std::string_view("Gemm"),
                                       std::string_view("Softmax"), std::string_view("LogSoftmax"),
                                       std::string_view("LayerNormalization")};
    constexpr std::array each = {std::string_view("Add"),     std::string_view("Sub"),     std::string_view("Mul"),
                                 std::string_view("Div"),     std::string_view("Relu"),    std::string_view("Gelu"),
                                 std::string_view("Tanh"),    std::string_view("Sigmoid"), std::string_view("Neg"),
                                 std::string_view("Dropout"), std::string_view("Identity")};
    const bool last = std::find(along_last.begin(), along_last.end(), node_.op_type) != along_last.end();
    require(last || std::find(each.begin(), each.end(), node_.op_type) != each.end(), Errc::unsupported,
            "the samples of its input do not lie apart in the first dimension, where a {} wants them", node_.op_type);
    std::optional<Place> place;
    struct Lent {  // inputs that are values of the usual kind for the time of `read`
      std::map<std::string, Arrangement>& values;
      std::vector<std::string> names{};
      ~Lent() {
        for (const std::string& in : names) values.erase(in);
      }
    };
    std::vector<std::string> made;
    for (const std::string& in : node_.inputs) {
      const auto found = g_.views.find(in);
      if (found == g_.views.end()) continue;
      const Place p = place_of(found->second);
      require(!place || *place == p, Errc::unsupported, "the samples of its inputs lie in different dimensions");
      place = p;
      const std::size_t behind = p.rank - p.dim;  // dimensions from there on
      const bool values = node_.op_type == "MatMul" && !g_.is_constant(1);
      require(!last || behind > (values ? 2u : 1u), Errc::unsupported, "computes along the dimension of the samples");
    }
    const bool alone = place->alone();
    {
      Lent lent{g_.values};
      for (const std::string& in : node_.inputs) {
        const bool constant = g_.constants.contains(in) || in.empty();
        require(constant || g_.views.contains(in), Errc::unsupported,
                "the samples of its inputs lie in different dimensions");
        // A constant of an operator on elements is repeated over the samples: it ends behind them.
        require(last || !alone || !g_.constants.contains(in) ||
                    g_.constants.at(in).trimmed().size() < place->rank - place->dim,
                Errc::unsupported, "the constant '{}' reaches over the dimension of the samples", in);
        if (constant || g_.values.contains(in)) continue;
        const BatchView& v = g_.views.at(in);
        const Ints dims = v.sample_dims();
        require(!dims.empty(), Errc::unsupported, "input '{}' has no dimensions but that of the samples", in);
        g_.values[in] = Arranger::make(sample_of(g_.arranger, v, dims), dims, natural_order(dims.size()));
        lent.names.push_back(in);
      }
      // An axis that counts from the front would count the samples where they are not.
      for (const AttributeInfo& a : node_.attributes) {
        require(a.name != "axis" || a.integer < 0 || (alone && a.integer == static_cast<std::int64_t>(place->rank) - 1),
                Errc::unsupported, "attribute axis is {}; only the last dimension is understood here", a.integer);
      }
      g_.given.clear();
      read();
      made = std::move(g_.given);
    }
    for (const std::string& out : made) {
      const Arrangement y = g_.values.at(out);
      g_.values.erase(out);
      put_back(out, y, *place);
    }
  }
  void put_back(const std::string& output, const Arrangement& y, const Place& place) {
    const std::size_t rank = y.dims.size();
    require(rank + (place.alone() ? 1 : 0) == place.rank, Errc::unsupported, "changes the number of dimensions");
    BatchView v{g_.arranger.arrange(y, natural_order(rank)), {}, {}, batch()};
    const auto add = [&](std::int64_t size) {
      if (size == 1) return;
      v.dims.back().push_back(static_cast<int>(v.factors.size()));
      v.factors.push_back(size);
    };
    std::size_t next = 0;
    for (std::size_t d = 0; d < place.rank; ++d) {
      v.dims.emplace_back();
      if (d != place.dim) {
        add(y.dims[next++]);
        continue;
      }
      add(place.before);
      v.dims.back().push_back(BatchView::samples);
      add(place.behind);
      if (place.alone()) continue;
      require(y.dims[next++] == place.before * place.behind, Errc::unsupported, "changes the dimension of the samples");
    }
    g_.give_view(output, std::move(v));
  }

  Importer& g_;
  const NodeInfo& node_;
};

}  // namespace detail

/// Whether a node that has no reader is understood: one position of a value.
inline bool reads_views_alone(const Importer& g, const NodeInfo& node) {
  if (node.op_type != "Gather" || node.inputs.empty()) return false;
  return g.views.contains(node.inputs[0]) || g.values.contains(node.inputs[0]);
}
/// Reads the importer's node if its samples move, or have been moved, or if there is no other reader; else it is for `read`.
/// Errors:    Errc::unsupported if the node needs samples that lie apart
inline bool read_batch_views(Importer& g, const std::function<void()>& read, bool alone) {
  return detail::BatchViewReader(g).run(read, alone);
}

}  // namespace stet::onnx
