#pragma once
// One operator of a file with checked access to its tensors and attributes.

#include <stet/core/tensor.hpp>
#include <stet/core/window.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/io/tflite/import_check.hpp>

#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::tflite {

/// A number of a shape operand that is the batch, whatever it is.
inline constexpr std::int64_t batch_dimension = std::numeric_limits<std::int64_t>::min();

/// Operands that are no constants of the file but known all the same: what SHAPE, STRIDED_SLICE and PACK make of them.
using KnownIntegers = std::map<std::int32_t, std::vector<std::int64_t>>;

/// Thrown where an operator cannot be looked at because one before it has failed; that one is the problem.
struct Skipped {};

/// Access to the tensors of one operator. Its errors begin with the operator's place.
class Site {
 public:
  Site(const ModelInfo& model, const OperatorInfo& op, const KnownIntegers& known, std::int64_t batch)
      : model_(model), op_(op), known_(known), batch_(batch) {}

  /// Text such as `conv_1 (CONV_2D)`: the tensor that is made, and the operator.
  [[nodiscard]] std::string where() const { return formatted("{} ({})", made(), operator_name(op_)); }
  /// Name of the tensor that is made.
  [[nodiscard]] std::string made() const {
    const std::string name = tensor_name(model_, op_.outputs.empty() ? -1 : op_.outputs[0]);
    return name.substr(0, name.find(';'));
  }
  template <class... Args>
  [[noreturn]] void fail(Errc code, FormatFor<Args...> format, const Args&... args) const {
    throw Error(code, where() + ": " + formatted(format, args...));
  }
  template <class... Args>
  void require(bool condition, Errc code, FormatFor<Args...> format, const Args&... args) const {
    if (!condition) fail(code, format, args...);
  }

  [[nodiscard]] const OperatorInfo& info() const { return op_; }
  [[nodiscard]] const Options& options() const { return op_.options; }

  /// Checks how many operands there are, and that there is one result.
  /// Errors:    Errc::format if not, or if an operand that must be there is absent (-1)
  void expect_inputs(std::size_t least, std::size_t most) const {
    require(op_.inputs.size() >= least && op_.inputs.size() <= most, Errc::format, "wants {} to {} inputs, has {}",
            least, most, op_.inputs.size());
    require(op_.outputs.size() == 1, Errc::format, "wants one output, has {}", op_.outputs.size());
    for (std::size_t i = 0; i < least; ++i) require(has(i), Errc::format, "input {} is absent", i);
  }
  [[nodiscard]] bool has(std::size_t i) const { return i < op_.inputs.size() && op_.inputs[i] >= 0; }
  [[nodiscard]] std::int32_t index(std::size_t i) const {
    require(has(i), Errc::format, "input {} is absent", i);
    return op_.inputs[i];
  }
  [[nodiscard]] const TensorInfo& input(std::size_t i) const { return tensor(index(i)); }
  [[nodiscard]] bool is_constant(std::size_t i) const { return !input(i).data.empty(); }
  [[nodiscard]] std::int32_t output_index() const {
    require(op_.outputs.size() == 1, Errc::format, "wants one output, has {}", op_.outputs.size());
    return op_.outputs[0];
  }
  [[nodiscard]] const TensorInfo& output() const { return tensor(output_index()); }

  /// Shape of a value without its batch.
  /// Errors:    Errc::unsupported if its first dimension is not the batch
  [[nodiscard]] Shape sample(const TensorInfo& t) const {
    const Shape shape = shape_of(t);
    require(shape.rank() >= 1 && shape[0] == batch_, Errc::unsupported,
            "{} has shape {}, whose first dimension is not the batch of {}; values of stet keep the batch in front",
            t.name, shape, batch_);
    return shape.unbatched();
  }
  [[nodiscard]] Shape output_sample() const { return sample(output()); }
  /// Checks the shape that the file gives the result.
  /// Errors:    Errc::shape if it is another
  void require_output(const Shape& made) const {
    require(made == output_sample(), Errc::shape, "makes {}, but its output has shape {} (both without the batch)",
            made, output_sample());
  }

  /// A small operand of integers: a constant of the file, or known from operators on shapes.
  /// Errors:    Errc::unsupported if it is computed; Errc::format if it is no short list of int32 or int64
  [[nodiscard]] std::vector<std::int64_t> integers(std::size_t i, const char* what) const {
    const std::int32_t at = index(i);
    if (const auto found = known_.find(at); found != known_.end()) return found->second;
    const TensorInfo& t = tensor(at);
    require(!t.data.empty(), Errc::unsupported, "{} is computed by the model; only a constant is understood", what);
    const bool wide = t.type == TensorType::int64;
    require(wide || t.type == TensorType::int32, Errc::format, "{} has type {}, must be int32 or int64", what,
            type_name(t.type));
    const std::size_t bytes = wide ? 8 : 4;
    require(t.data.size() <= 64 * bytes, Errc::format, "{} has {} bytes, too many", what, t.data.size());
    std::vector<std::int64_t> list(t.data.size() / bytes);
    for (std::size_t k = 0; k < list.size(); ++k) {
      std::int32_t narrow = 0;
      std::memcpy(wide ? static_cast<void*>(&list[k]) : static_cast<void*>(&narrow), t.data.data() + k * bytes, bytes);
      if (!wide) list[k] = narrow;
      require(list[k] != batch_dimension, Errc::format, "{} has the element {}", what, list[k]);
    }
    return list;
  }

  /// Elements of a constant as they lie in the file.
  /// Errors:    Errc::unsupported if it is none, or of another type than T
  template <class T>
  [[nodiscard]] Tensor<T> constant(const TensorInfo& t, TensorType type) const {
    require(!t.data.empty(), Errc::unsupported, "{} is computed by the model; only a constant is understood", t.name);
    require(t.type == type, Errc::unsupported, "{} has type {}, must be {}", t.name, type_name(t.type),
            type_name(type));
    Tensor<T> out(shape_of(t));
    std::memcpy(out.edit().data(), t.data.data(), out.span().size_bytes());  // sizes were compared by check_structure
    return out;
  }

  /// Checks which options table the operator carries. One that is left out stands for the defaults.
  /// Errors:    Errc::format if it is another operator's
  void expect_options(OptionsType type) const {
    const OptionsType got = options().type;
    require(got == type || got == OptionsType::none, Errc::format, "builtin_options has type {}, must be {}",
            static_cast<int>(got), static_cast<int>(type));
  }
  /// SAME or VALID.
  /// Errors:    Errc::format if it is neither
  [[nodiscard]] stet::Padding padding() const {
    const Padding p = options().padding;
    require(p == Padding::same || p == Padding::valid, Errc::format, "padding is {}, must be SAME (0) or VALID (1)",
            static_cast<int>(p));
    return p == Padding::same ? stet::Padding::same() : stet::Padding::valid();
  }
  [[nodiscard]] Pair stride() const {
    const Options& o = options();
    require(o.stride_h >= 1 && o.stride_w >= 1, Errc::format, "stride_h {} and stride_w {} must be at least 1",
            o.stride_h, o.stride_w);
    return {o.stride_h, o.stride_w};
  }
  /// Shape of a layer's weights.
  [[nodiscard]] Shape filter(int rank) const {
    const Shape w = shape_of(input(1));
    require(w.rank() == rank && w.elements() > 0, Errc::shape, "weights {} have shape {}, must have rank {}",
            input(1).name, w, rank);
    return w;
  }
  /// A dimension that the file names, in a value of so many; those below 0 count from behind.
  /// Errors:    Errc::range if there is none such; `what` begins the message
  [[nodiscard]] int dimension(std::int64_t given, std::size_t rank, FormatFor<std::int64_t, std::size_t> missing) const {
    const auto count = static_cast<std::int64_t>(rank);
    const std::int64_t axis = given < 0 && given >= -count ? given + count : given;
    require(axis >= 0 && axis < count, Errc::range, missing, given, rank);
    return static_cast<int>(axis);
  }

  /// The fused activation.
  /// Errors:    Errc::unsupported if it is neither none nor RELU nor RELU6
  [[nodiscard]] integer::Activation activation() const {
    switch (op_.options.fused_activation) {
      case FusedActivation::none:
        return integer::Activation::none;
      case FusedActivation::relu:
        return integer::Activation::relu;
      case FusedActivation::relu6:
        return integer::Activation::relu6;
      case FusedActivation::relu_n1_to_1:
      case FusedActivation::tanh:
      case FusedActivation::sign_bit:
        break;
    }
    fail(Errc::unsupported, "fused_activation_function is {}; only NONE, RELU and RELU6 are understood",
         static_cast<int>(op_.options.fused_activation));
  }

 private:
  [[nodiscard]] const TensorInfo& tensor(std::int32_t i) const { return model_.tensors[static_cast<std::size_t>(i)]; }

  const ModelInfo& model_;
  const OperatorInfo& op_;
  const KnownIntegers& known_;
  std::int64_t batch_;
};

}  // namespace stet::tflite
