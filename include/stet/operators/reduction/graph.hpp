#pragma once
// Sums and means over dimensions of a sample.

#include <stet/operators/pooling/graph.hpp>

namespace stet::graph::op {

/// Sum over dimensions; axes count without the batch, from 0, ascending.
struct Sum {
  static constexpr std::string_view name = "sum";
  static constexpr auto form = IntegerForm::none;
  std::vector<int> axes;
  bool keep_dims = false;  ///< whether a reduced dimension stays, with size 1
};

/// Mean over dimensions; axes count without the batch, from 0, ascending.
struct Mean {
  static constexpr std::string_view name = "mean";
  static constexpr auto form = IntegerForm::none;
  std::vector<int> axes;
  bool keep_dims = false;
};

/// Text such as 0,1.
inline std::string str(const std::vector<int>& numbers) {
  std::string text;
  for (const int n : numbers) {
    if (!text.empty()) text += ',';  // one character at a time: g++ 12 warns wrongly of overlap in literal + string
    text += std::to_string(n);
  }
  return text;
}

namespace detail {
inline Shape reduce(std::string_view kind, const std::vector<int>& axes, bool keep_dims, Shapes in) {
  expect_inputs(kind, 1, in);
  const Shape& x = in[0];
  require(!axes.empty(), Errc::range, "{}: names no axis", kind);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] >= 0 && axes[i] < x.rank() && (i == 0 || axes[i - 1] < axes[i])) continue;
    fail(Errc::range, "{}: axes {} must be ascending dimensions of {} (without the batch)", kind, str(axes), x);
  }
  std::vector<std::int64_t> dims;
  std::size_t next = 0;
  for (int i = 0; i < x.rank(); ++i) {
    const bool reduced = next < axes.size() && axes[next] == i;
    if (reduced) ++next;
    if (!reduced) dims.push_back(x[i]);
    if (reduced && keep_dims) dims.push_back(1);
  }
  return Shape(dims);
}
inline std::string reduce_text(const std::vector<int>& axes, bool keep_dims) {
  return "axes " + str(axes) + (keep_dims ? " keep dims" : "");
}
}  // namespace detail

inline std::string attributes(const Sum& o) { return detail::reduce_text(o.axes, o.keep_dims); }
inline std::string attributes(const Mean& o) { return detail::reduce_text(o.axes, o.keep_dims); }
inline Shape infer(const Sum& o, Shapes in) { return detail::reduce("sum", o.axes, o.keep_dims, in); }
inline Shape infer(const Mean& o, Shapes in) { return detail::reduce("mean", o.axes, o.keep_dims, in); }
namespace detail {
inline Obstacle no_integer_reduction() {
  return {.what = "no integer kernel for this reduction", .remedy = "global_average_pool has one"};
}
}  // namespace detail
/// The operator that integers know in its place: over height and width it is a global average pool.
inline std::optional<GlobalAveragePool> as_integer(const Mean& o, Shapes in, const Shape&) {
  const bool pool = o.axes == std::vector<int>{0, 1} && in[0].rank() == 3;
  return pool ? std::optional(GlobalAveragePool{o.keep_dims}) : std::nullopt;
}
inline Obstacle no_integer_form(const Mean&) { return detail::no_integer_reduction(); }
inline Obstacle no_integer_form(const Sum&) { return detail::no_integer_reduction(); }

}  // namespace stet::graph::op
