#pragma once
// encode: the bytes of a .tflite file from its description.

#include <stet/core/entry.hpp>
#include <stet/graph/input_fingerprint.hpp>
#include <stet/io/flatbuffer/writer.hpp>
#include <stet/io/tflite/options.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

namespace stet::tflite {

namespace detail {

using flatbuffer::Fields;
using flatbuffer::Placed;

class Encoder {
 public:
  explicit Encoder(const ModelInfo& info) : info_(info) {
    // Buffer 0 is empty and belongs to all activations; every constant has its own, unless it shares an earlier one.
    std::uint32_t buffers = 1;
    for (std::size_t i = 0; i < info.tensors.size(); ++i) {
      const TensorInfo& t = info.tensors[i];
      const auto other = static_cast<std::size_t>(t.same_buffer);  // -1 is beyond all
      const bool shared = other < i && info.tensors[other].data == t.data;
      buffer_of_.push_back(t.data.empty() ? 0 : shared ? buffer_of_[other] : buffers++);
    }
    first_metadata_ = buffers;
    if (!info.min_runtime_version.empty()) {
      std::vector<std::uint8_t> text = bytes_of(info.min_runtime_version);
      text.resize(std::max<std::size_t>(text.size() + 1, 16), 0);
      metadata_.push_back({"min_runtime_version", std::move(text)});
    }
    if (!info.input_fingerprint.empty()) metadata_.push_back({std::string(input_fingerprint_key), bytes_of(info.input_fingerprint)});
    for (const OperatorInfo& o : info.operators) {
      const Code code{o.code, o.version, o.custom_code};
      const auto known = std::find(codes_.begin(), codes_.end(), code);
      code_of_.push_back(static_cast<std::uint32_t>(known - codes_.begin()));
      if (known == codes_.end()) codes_.push_back(code);
    }
  }

  std::vector<std::uint8_t> run() {
    Fields f;
    f.number(0, std::uint32_t{3}, 0u);
    for (const int slot : {1, 2, 4}) f.child(slot);
    if (!info_.description.empty()) f.child(3);
    if (!metadata_.empty()) f.child(6);
    if (!info_.signature_key.empty()) f.child(7);
    const Placed root = writer_.root(f);
    operator_codes(root.at(1));
    subgraph(writer_.children(root.at(2), 1)[0]);
    if (!info_.description.empty()) writer_.string(root.at(3), info_.description);
    if (!metadata_.empty()) metadata(root.at(6));
    if (!info_.signature_key.empty()) signature(writer_.children(root.at(7), 1)[0]);
    buffers(root.at(4));
    return std::move(writer_).finish();
  }

 private:
  using Code = std::tuple<Builtin, std::int32_t, std::string>;
  // A text beside the model: its name and the bytes of its buffer.
  struct Metadata {
    std::string name{};
    std::vector<std::uint8_t> bytes{};
  };
  static std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

  // A vector or string is left out where it is empty: readers cannot tell the two apart.
  template <class T>
  static void child_if(Fields& f, int slot, const T& list) {
    if (!list.empty()) f.child(slot);
  }
  template <class T>
  void vector_if(const Placed& at, int slot, const std::vector<T>& values) {
    if (!values.empty()) writer_.vector(at.at(slot), values);
  }

  void operator_codes(std::size_t from) {
    const auto places = writer_.children(from, codes_.size());
    for (std::size_t i = 0; i < codes_.size(); ++i) {
      const auto& [builtin, version, custom] = codes_[i];
      const auto code = static_cast<std::int32_t>(builtin);
      Fields f;
      f.number(0, static_cast<std::int8_t>(std::min(code, 127)), std::int8_t{0});
      child_if(f, 1, custom);
      f.number(2, version, 1);
      f.number(3, code, 0);
      const Placed at = writer_.table(places[i], f);
      if (!custom.empty()) writer_.string(at.at(1), custom);
    }
  }

  void subgraph(std::size_t from) {
    Fields f;
    for (const int slot : {0, 1, 2, 3}) f.child(slot);
    child_if(f, 4, info_.subgraph_name);
    const Placed at = writer_.table(from, f);
    writer_.vector(at.at(1), info_.inputs);
    writer_.vector(at.at(2), info_.outputs);
    if (!info_.subgraph_name.empty()) writer_.string(at.at(4), info_.subgraph_name);
    const auto tensors = writer_.children(at.at(0), info_.tensors.size());
    for (std::size_t i = 0; i < tensors.size(); ++i) tensor(tensors[i], info_.tensors[i], buffer_of_[i]);
    const auto operators = writer_.children(at.at(3), info_.operators.size());
    for (std::size_t i = 0; i < operators.size(); ++i) operation(operators[i], info_.operators[i], code_of_[i]);
  }

  void tensor(std::size_t from, const TensorInfo& t, std::uint32_t buffer) {
    const Quantization& q = t.quantization;
    const bool quantized = q != Quantization{};
    Fields f;
    f.child(0);  // also for a scalar, whose shape is empty
    f.number(1, static_cast<std::int8_t>(t.type), std::int8_t{0});
    f.number(2, buffer, 0u);
    child_if(f, 3, t.name);
    if (quantized) f.child(4);
    f.number(5, t.is_variable, false);
    child_if(f, 7, t.shape_signature);
    const Placed at = writer_.table(from, f);
    writer_.vector(at.at(0), t.shape);
    if (!t.name.empty()) writer_.string(at.at(3), t.name);
    vector_if(at, 7, t.shape_signature);
    if (!quantized) return;
    Fields fields;
    child_if(fields, 2, q.scale);
    child_if(fields, 3, q.zero_point);
    fields.number(6, q.dimension, 0);
    const Placed params = writer_.table(at.at(4), fields);
    vector_if(params, 2, q.scale);
    vector_if(params, 3, q.zero_point);
  }

  void operation(std::size_t from, const OperatorInfo& o, std::uint32_t code) {
    const bool options = o.options.type != OptionsType::none;
    Fields f;
    f.number(0, code, 0u);
    f.child(1);
    f.child(2);
    f.number(3, static_cast<std::uint8_t>(o.options.type), std::uint8_t{0});
    if (options) f.child(4);
    const Placed at = writer_.table(from, f);
    writer_.vector(at.at(1), o.inputs);
    writer_.vector(at.at(2), o.outputs);
    if (options) options_table(at.at(4), o.options);
  }

  void options_table(std::size_t from, const Options& o) {
    const Options standard{};
    Fields f;
    visit_options(o.type, [&](int slot, auto member) {
      const auto& value = o.*member;
      using T = std::remove_cvref_t<decltype(value)>;
      if constexpr (std::is_enum_v<T>) {
        using U = std::underlying_type_t<T>;
        f.number(slot, static_cast<U>(value), static_cast<U>(standard.*member));
      } else if constexpr (std::is_arithmetic_v<T>) {
        f.number(slot, value, standard.*member);
      } else {
        child_if(f, slot, value);
      }
    });
    const Placed at = writer_.table(from, f);
    visit_options(o.type, [&](int slot, auto member) {
      if constexpr (std::is_same_v<decltype(member), std::vector<std::int32_t> Options::*>) {
        vector_if(at, slot, o.*member);
      }
    });
  }

  void metadata(std::size_t from) {
    const auto places = writer_.children(from, metadata_.size());
    for (std::size_t i = 0; i < places.size(); ++i) {
      Fields f;
      f.child(0);
      f.number(1, first_metadata_ + static_cast<std::uint32_t>(i), 0u);
      const Placed at = writer_.table(places[i], f);
      writer_.string(at.at(0), metadata_[i].name);
    }
  }

  void signature(std::size_t from) {
    Fields f;
    for (const int slot : {0, 1, 2}) f.child(slot);
    const Placed at = writer_.table(from, f);
    const auto entries = [&](int slot, const std::vector<SignatureEntry>& list) {
      const auto places = writer_.children(at.at(slot), list.size());
      for (std::size_t i = 0; i < list.size(); ++i) {
        Fields fields;
        child_if(fields, 0, list[i].name);
        fields.number(1, static_cast<std::uint32_t>(list[i].tensor), 0u);
        const Placed entry = writer_.table(places[i], fields);
        if (!list[i].name.empty()) writer_.string(entry.at(0), list[i].name);
      }
    };
    entries(0, info_.signature_inputs);
    entries(1, info_.signature_outputs);
    writer_.string(at.at(2), info_.signature_key);
  }

  void buffers(std::size_t from) {
    const auto places = writer_.children(from, first_metadata_ + metadata_.size());
    const auto buffer = [&](std::size_t place, const std::vector<std::uint8_t>& data) {
      Fields f;
      child_if(f, 0, data);
      const Placed at = writer_.table(place, f);
      if (!data.empty()) writer_.vector(at.at(0), data, 16);
    };
    buffer(places[0], {});
    std::uint32_t next = 1;  // buffers are numbered as they come
    for (std::size_t i = 0; i < info_.tensors.size(); ++i) {
      if (buffer_of_[i] == next) buffer(places[next++], info_.tensors[i].data);
    }
    for (std::size_t i = 0; i < metadata_.size(); ++i) buffer(places[first_metadata_ + i], metadata_[i].bytes);
  }

  const ModelInfo& info_;
  std::vector<std::uint32_t> buffer_of_, code_of_;
  std::vector<Metadata> metadata_;
  std::uint32_t first_metadata_ = 1;  // number of its buffer
  std::vector<Code> codes_;
  flatbuffer::Writer writer_{"TFL3"};
};

}  // namespace detail

/// Writes a description as a .tflite file of schema version 3: one subgraph, constants aligned to 16 bytes. The same
/// description gives the same bytes.
/// Errors:    Errc::range if the file would have 2 GiB or more
STET_ENTRY std::vector<std::uint8_t> encode(const ModelInfo& info);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<std::uint8_t> encode(const ModelInfo& info) { return detail::Encoder(info).run(); }
#endif

}  // namespace stet::tflite
