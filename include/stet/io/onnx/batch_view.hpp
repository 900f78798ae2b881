#pragma once
// BatchView: a value of an ONNX graph whose samples do not lie apart in its first dimension: attention moves the batch behind
// the tokens, or joins it with heads or windows in one dimension.

#include <stet/io/onnx/arrangement.hpp>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace stet::onnx {

/// Dimensions of a file as products of factors: those of a sample, which are the dimensions of a stet node as far as they are
/// cut by now, and the number of samples. Moving and regrouping factors moves no element of the node.
struct BatchView {
  static constexpr int samples = -1;

  int node = -1;
  Ints factors{};                        ///< of a sample, in the order of the node's elements; none is 1
  std::vector<std::vector<int>> dims{};  ///< per dimension of the file the factors that it is made of, or `samples`
  std::int64_t batch = 0;                ///< how many samples the file counts with

  [[nodiscard]] std::int64_t size(int factor) const { return factor == samples ? batch : factors[at(factor)]; }
  [[nodiscard]] std::int64_t size_of(std::size_t dim) const {
    std::int64_t n = 1;
    for (const int f : dims[dim]) n *= size(f);
    return n;
  }
  /// Whether the first dimension is the samples, and nothing else.
  [[nodiscard]] bool regular() const { return !dims.empty() && dims[0] == std::vector<int>{samples}; }
  /// Factors of a sample in the file's order.
  [[nodiscard]] std::vector<int> order() const {
    std::vector<int> list;
    for (const std::vector<int>& dim : dims)
      std::copy_if(dim.begin(), dim.end(), std::back_inserter(list), [](int f) { return f != samples; });
    return list;
  }
  /// Dimensions of a sample as the file has them; one that is nothing but samples is left out.
  [[nodiscard]] Ints sample_dims() const {
    Ints list;
    for (std::size_t d = 0; d < dims.size(); ++d) {
      const bool counts = std::find(dims[d].begin(), dims[d].end(), samples) != dims[d].end();
      if (counts && dims[d].size() == 1) continue;
      list.push_back(counts ? size_of(d) / batch : size_of(d));
    }
    return list;
  }
};

/// A value whose samples lie apart.
/// Errors:    Errc::unsupported if it is very large
inline BatchView batch_view(const Arrangement& x, const Shape& shape, std::int64_t batch) {
  require(shape.elements() < std::int64_t{1} << 40, Errc::unsupported, "a sample has {} elements", shape.elements());
  BatchView v{x.node, {}, {{BatchView::samples}}, batch};
  std::vector<int> factor(at(shape.rank()), BatchView::samples);
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1) continue;
    factor[at(i)] = static_cast<int>(v.factors.size());
    v.factors.push_back(shape[i]);
  }
  for (const int axis : x.axis) {
    v.dims.emplace_back();
    if (axis >= 0 && shape[axis] != 1) v.dims.back().push_back(factor[at(axis)]);
  }
  return v;
}

/// The same elements under other dimensions of the file.
/// Errors:    Errc::unsupported if one would end inside of the samples, or they have another number of elements
inline BatchView regrouped(BatchView v, const Ints& wanted) {
  std::vector<int> left;
  for (const std::vector<int>& dim : v.dims) left.insert(left.end(), dim.begin(), dim.end());
  std::vector<std::vector<int>> dims;
  std::size_t next = 0;
  for (const std::int64_t n : wanted) {
    dims.emplace_back();
    std::int64_t need = n;
    // One sample is a factor of 1: it stays in front of what it is in front of.
    while (next < left.size() &&
           (need > 1 || (v.batch == 1 && n == 1 && left[next] == BatchView::samples && dims.back().empty()))) {
      const int f = left[next];
      const std::int64_t size = v.size(f);
      if (size > need) {
        require(f != BatchView::samples && size % need == 0, Errc::unsupported, "shape cuts a dimension of {} into {}",
                size, need);
        v.factors[at(f)] = need;
        v.factors.insert(v.factors.begin() + f + 1, size / need);
        const auto later = [f](int& i) { i += i > f ? 1 : 0; };
        std::for_each(left.begin(), left.end(), later);
        for (std::vector<int>& dim : dims) std::for_each(dim.begin(), dim.end(), later);
        left.insert(left.begin() + static_cast<std::ptrdiff_t>(next) + 1, f + 1);
        continue;
      }
      require(need % size == 0, Errc::unsupported, "shape joins parts of a dimension of {}", size);
      need /= size;
      dims.back().push_back(f);
      ++next;
    }
    require(need == 1, Errc::unsupported, "shape wants more elements than there are");
    // Where there are fewer dimensions than before, what was in front of the one sample is joined with it, as steps are.
    const bool joins = v.batch == 1 && wanted.size() < v.dims.size() && !dims.back().empty();
    const std::int64_t then = dims.size() < wanted.size() ? wanted[dims.size()] : 0;
    if (joins && next < left.size() && left[next] == BatchView::samples && then != 1) dims.back().push_back(left[next++]);
  }
  require(next == left.size(), Errc::unsupported, "shape does not keep all elements together");
  v.dims = std::move(dims);
  return v;
}

/// The node whose value is a sample's factors in the file's order, as a shape.
inline int sample_of(Arranger& arranger, const BatchView& v, const Ints& dims) {
  const std::vector<int> order = v.order();
  // Factors that stay together are one dimension, for runtimes transpose few.
  std::vector<std::vector<int>> runs;
  for (const int f : order) {
    if (!runs.empty() && runs.back().back() + 1 == f) {
      runs.back().push_back(f);
    } else {
      runs.push_back({f});
    }
  }
  std::vector<std::size_t> place(runs.size());  // runs as they lie in the node
  std::iota(place.begin(), place.end(), std::size_t{0});
  std::sort(place.begin(), place.end(), [&](std::size_t a, std::size_t b) { return runs[a][0] < runs[b][0]; });
  Ints split;
  std::vector<int> axes(runs.size());
  for (std::size_t i = 0; i < place.size(); ++i) {
    std::int64_t n = 1;
    for (const int f : runs[place[i]]) n *= v.size(f);
    split.push_back(n);
    axes[place[i]] = static_cast<int>(i);
  }
  int node = v.node;
  if (!std::is_sorted(axes.begin(), axes.end())) {
    require(split.size() < at(Shape::max_rank), Errc::unsupported, "moves {} dimensions besides the batch",
            split.size());
    node = arranger.transposed(arranger.reshaped(node, Shape(split)), axes);
  }
  return arranger.reshaped(node, Shape(dims));
}

}  // namespace stet::onnx
