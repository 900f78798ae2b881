#pragma once
// Importer: what an operator's reading function (operators/*/tflite.hpp) sees of the model that a .tflite file becomes, and
// the one walk over the file's operators.

#include <stet/graph/integer_model.hpp>
#include <stet/io/tflite/node_names.hpp>
#include <stet/io/tflite/row.hpp>
#include <stet/io/tflite/selection.hpp>
#include <stet/io/tflite/site.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::tflite {

namespace op = graph::op;

/// Where a window reads: a value, and the padding around it.
struct WindowSource {
  int from = -1;
  stet::Padding padding{};
};

/// A model in the making: values by tensor, names, problems. FloatImporter makes nodes of a Graph, IntegerImporter nodes and
/// values of an IntegerModel; either counts its values from 0.
class Importer {
 public:
  using Activation = integer::Activation;

  Importer(const Importer&) = delete;
  Importer& operator=(const Importer&) = delete;

  /// Whether values are codes.
  [[nodiscard]] virtual bool on_codes() const = 0;
  /// Shape of a value, without the batch.
  [[nodiscard]] virtual const Shape& shape(int value) const = 0;
  /// Value of an operand.
  /// Errors:    Errc::unsupported if it is a constant
  [[nodiscard]] virtual int value(const Site& site, std::size_t i) const = 0;
  /// Adds an operator whose value is no tensor of the file. It is named after the site's output, with the kind behind it.
  virtual int add(const Site& site, graph::Operator op, std::vector<int> inputs, std::string_view kind) = 0;
  /// Adds an operator without constants, with its fused activation, as the value of the site's output.
  /// Errors:    Errc::shape if the output has another shape than the operator makes
  virtual void finish(const Site& site, graph::Operator op, std::vector<int> inputs,
                      Activation activation = Activation::none) = 0;
  /// Adds a layer with its weights, its bias if it has one, and its fused activation. It is named as the weights, if those
  /// are called `<node>.weight`.
  virtual void finish_layer(const Site& site, graph::Operator op, int input) = 0;
  /// Checks that the output has the scale and zero point of a value.
  virtual void require_same_params(const Site&, int) const {}
  /// Whether a constant operand wins no maximum with a value.
  [[nodiscard]] virtual bool is_lowest(const Site& site, std::size_t i, int value) const = 0;

  /// Where the window of an operator reads: the value before a PAD that has no node of its own, or its input.
  [[nodiscard]] WindowSource source(const Site& site) const {
    const stet::Padding padding = site.padding();
    const auto margin = margins_.find(site.index(0));
    return margin != margins_.end() ? margin->second : WindowSource{value(site, 0), padding};
  }
  [[nodiscard]] bool has_margins(std::int32_t tensor) const { return margins_.count(tensor) > 0; }
  /// Makes a PAD the padding of the window behind it.
  void put_margins(const Site& site, int from, const op::Pad& p) {
    site.require_output(graph::infer(p, std::vector<Shape>{shape(from)}));
    margins_[site.output_index()] = {from, stet::Padding::of(p.top, p.bottom, p.left, p.right)};
  }
  /// Gives a tensor the numbers of a shape that converters compute in the file.
  void set_known(std::int32_t tensor, std::vector<std::int64_t> numbers) { known_[tensor] = std::move(numbers); }

  [[nodiscard]] Site site_of(const OperatorInfo& o) const { return {model_, o, known_, batch_}; }
  [[nodiscard]] const ModelInfo& file() const { return model_; }
  /// Whether only one operator reads a tensor, and it is no output; or it is an output that nothing reads.
  [[nodiscard]] bool read_once(std::int32_t tensor) const {
    return readers_.of_tensor[static_cast<std::size_t>(tensor)] == 1;
  }
  /// The operator that alone reads a tensor; null if there is none such.
  [[nodiscard]] const OperatorInfo* sole_reader(std::int32_t tensor) const {
    const int at = readers_.last[static_cast<std::size_t>(tensor)];
    return at < 0 || !read_once(tensor) ? nullptr : &model_.operators[static_cast<std::size_t>(at)];
  }
  [[nodiscard]] int value_of(std::int32_t tensor) const { return value_of_[static_cast<std::size_t>(tensor)]; }
  void set_value(std::int32_t tensor, int value) { value_of_[static_cast<std::size_t>(tensor)] = value; }

 protected:
  Importer(const ModelInfo& model, const ImportOptions& options, const std::string& where)
      : model_(model),
        where_(where),
        chosen_(select(model, options, where)),
        readers_(check_structure(model, chosen_, where)),
        ends_as_file_(options.outputs.empty()),
        value_of_(model.tensors.size(), -1) {}
  ~Importer() = default;

  /// Adds the inputs of the file. Its errors are problems.
  virtual void begin() = 0;
  /// Calls the row's function; null: no family has the operator.
  virtual void read(const Site& site, const Row* row) = 0;
  /// A value of the file's shape in place of one that could not be made, so that what is behind it is looked at too.
  virtual void stand_in(const Site& site, std::int32_t tensor) = 0;
  virtual void add_output(int value) = 0;
  /// Whether the file asked for more memory than its content justifies.
  [[nodiscard]] virtual bool budget_spent() const = 0;

  /// Reads all of the file.
  /// Errors:    all problems in one
  void walk(const Row* (*row_of)(Builtin)) {
    attempt(nullptr, [&] { begin(); });
    for (std::size_t i = 0; i < model_.operators.size(); ++i) {
      if (!chosen_.needed[i]) continue;
      const OperatorInfo& o = model_.operators[i];
      const Site site = site_of(o);
      if (attempt(&site, [&] { read(site, row_of(o.code)); })) continue;
      for (const std::int32_t t : o.outputs) {
        try {
          stand_in(site, t);
        } catch (const Error&) {  // then what is behind it is skipped
        }
      }
    }
    const bool whole = problems_.none();
    for (const std::int32_t t : chosen_.outputs) {
      if (!whole) break;
      attempt(nullptr, [&] {
        require(value_of(t) >= 0, Errc::unsupported, "output {} is no value of the model", tensor_name(model_, t));
        add_output(value_of(t));
      });
    }
    problems_.require_none(where_);
  }
  /// Whether the model has this input of the file: all, but where it ends at values that are named, those that lead to them.
  [[nodiscard]] bool takes(std::int32_t input) const { return ends_as_file_ || readers_.of_tensor[static_cast<std::size_t>(input)] > 0; }
  /// Calls f; its error becomes a problem, of the site if there is one. Returns whether there was none.
  template <class F>
  bool attempt(const Site* site, F&& f) {
    try {
      f();
    } catch (const Error& e) {
      if (budget_spent()) throw;
      const std::string text = e.what();
      if (site == nullptr) {
        problems_.add(e.code(), text);
      } else {
        const std::string where = site->where() + ": ";
        problems_.add(e.code(), operator_name(site->info()), site->made(), text.starts_with(where) ? text.substr(where.size()) : text);
      }
      return false;
    } catch (const Skipped&) {
    }
    return true;
  }

  [[nodiscard]] const TensorInfo& tensor(std::int32_t t) const { return model_.tensors[static_cast<std::size_t>(t)]; }
  [[nodiscard]] std::string inner_name(const Site& site, std::string_view kind) {
    const std::string& output = site.output().name;
    return names_.take(output.empty() ? std::string(kind) : Names::clean(output) + "/" + std::string(kind), kind);
  }

  const ModelInfo& model_;
  std::string where_;
  std::int64_t batch_ = -1;
  Problems problems_{};
  Names names_{};

 private:
  Selection chosen_;
  Readers readers_;
  bool ends_as_file_;
  std::vector<int> value_of_;
  KnownIntegers known_{};
  std::map<std::int32_t, WindowSource> margins_{};  // PADs without a node of their own, by the tensor that they make
};

}  // namespace stet::tflite
