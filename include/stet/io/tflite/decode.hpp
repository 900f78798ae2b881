#pragma once
// decode: the description in a .tflite file, wherever it comes from.

#include <stet/core/entry.hpp>
#include <stet/graph/input_fingerprint.hpp>
#include <stet/io/flatbuffer/reader.hpp>
#include <stet/io/tflite/names.hpp>
#include <stet/io/tflite/options.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace stet::tflite {

namespace detail {

using flatbuffer::Table;

class Decoder {
 public:
  Decoder(std::span<const std::uint8_t> bytes, const std::string& name) : reader_(bytes, "TFL3", name), name_(name) {}

  ModelInfo run() {
    const Table root = reader_.root();
    const auto version = root.number<std::uint32_t>(0, 0);
    require(version == 3, Errc::format, "{}: schema version {} is not 3", name_, version);
    const auto subgraphs = root.tables(2);
    require(!subgraphs.empty(), Errc::format, "{}: there is no subgraph", name_);
    require(subgraphs.size() == 1, Errc::unsupported, "{}: {} subgraphs: bodies of IF and WHILE, or what CALL_ONCE gives the network as its state; samples know nothing of each other here, so that only networks without them are read. Convert the model without state", name_,
            subgraphs.size());
    buffers_ = root.tables(4);
    require(!buffers_.empty(), Errc::format, "{}: there are no buffers", name_);
    info_.description = root.string(3);
    tensors(subgraphs[0].tables(0));
    operators(subgraphs[0].tables(3), root.tables(1));
    info_.inputs = ends(subgraphs[0].vector<std::int32_t>(1), "input");
    info_.outputs = ends(subgraphs[0].vector<std::int32_t>(2), "output");
    info_.subgraph_name = subgraphs[0].string(4);
    metadata(root.tables(6));
    const auto signatures = root.tables(7);
    if (!signatures.empty()) signature(signatures[0]);
    return std::move(info_);
  }

 private:
  void tensors(const std::vector<Table>& list) {
    info_.tensors.reserve(list.size());
    for (const Table& table : list) {
      TensorInfo t;
      t.name = table.string(3);
      t.shape = table.vector<std::int32_t>(0);
      t.type = static_cast<TensorType>(table.number<std::int8_t>(1, 0));
      t.is_variable = table.boolean(5, false);
      t.shape_signature = table.vector<std::int32_t>(7);
      const std::string who = describe(t);
      require(!table.has(6) && !table.has(9) && table.number<std::uint32_t>(10, 0) == 0, Errc::unsupported,
              "{}: {} is sparse, a variant or outside of the file", name_, who);
      require(t.shape_signature.empty() || t.shape_signature.size() == t.shape.size(), Errc::format,
              "{}: {} has {} dimensions and a signature of {}", name_, who, t.shape.size(), t.shape_signature.size());
      if (const auto q = table.table(4)) t.quantization = quantization(*q, t, who);
      const auto index = table.number<std::uint32_t>(2, 0);
      t.data = buffer(index, who);
      if (!t.data.empty()) {
        const auto [owner, own] = owner_of_buffer_.emplace(index, static_cast<std::int32_t>(info_.tensors.size()));
        if (!own) t.same_buffer = owner->second;
      }
      const std::int64_t elements = count(t.shape, who);
      const std::int64_t wanted = data_size(t.type, elements);
      require(t.data.empty() || wanted < 0 || static_cast<std::int64_t>(t.data.size()) == wanted, Errc::format,
              "{}: {} has {} bytes of data, its shape and type need {}", name_, who, t.data.size(), wanted);
      info_.tensors.push_back(std::move(t));
    }
  }

  std::string describe(const TensorInfo& t) const {
    return formatted("tensor {} ('{}')", info_.tensors.size(), t.name.substr(0, 80));
  }

  std::int64_t count(const std::vector<std::int32_t>& shape, const std::string& who) const {
    std::int64_t elements = 1;
    for (const std::int32_t d : shape) {
      require(d >= 0, Errc::format, "{}: {} has the dimension {}", name_, who, d);
      require(d == 0 || elements <= (std::int64_t{1} << 48) / d, Errc::format, "{}: {} has too many elements", name_,
              who);
      elements *= d;
    }
    return elements;
  }

  Quantization quantization(const Table& table, const TensorInfo& t, const std::string& who) const {
    require(table.number<std::uint8_t>(4, 0) == 0, Errc::unsupported,
            "{}: {} has quantization details beyond scale and zero point", name_, who);
    Quantization q;
    q.scale = table.vector<float>(2);
    q.zero_point = table.vector<std::int64_t>(3);
    q.dimension = table.number<std::int32_t>(6, 0);
    require(q.scale.size() == q.zero_point.size(), Errc::format, "{}: {} has {} scales and {} zero points", name_, who,
            q.scale.size(), q.zero_point.size());
    if (q.scale.empty()) return {};
    for (const float scale : q.scale) {
      require(std::isfinite(scale), Errc::format, "{}: {} has the scale {}", name_, who, scale);
    }
    const auto rank = static_cast<std::int32_t>(std::min<std::size_t>(t.shape.size(), 1u << 20));
    require(q.dimension >= 0 && (q.dimension < rank || q.dimension == 0), Errc::format,
            "{}: {} is quantized along dimension {} of {}", name_, who, q.dimension, rank);
    const auto channels = rank == 0 ? 1 : t.shape[static_cast<std::size_t>(q.dimension)];
    require(q.scale.size() == 1 || static_cast<std::int64_t>(q.scale.size()) == channels, Errc::format,
            "{}: {} has {} scales for {} channels", name_, who, q.scale.size(), channels);
    return q;
  }

  std::vector<std::uint8_t> buffer(std::uint32_t index, const std::string& who) {
    require(index < buffers_.size(), Errc::format, "{}: {} names buffer {} of {}", name_, who, index, buffers_.size());
    const Table& table = buffers_[index];
    require(!table.has(1) && !table.has(2), Errc::unsupported, "{}: buffer {} lies behind the FlatBuffer", name_,
            index);
    return table.vector<std::uint8_t>(0);
  }

  std::vector<std::int32_t> ends(std::vector<std::int32_t> list, const char* what) const {
    for (const std::int32_t i : list) {
      require(i >= 0 && static_cast<std::size_t>(i) < info_.tensors.size(), Errc::format,
              "{}: {} {} is no tensor; there are {}", name_, what, i, info_.tensors.size());
    }
    return list;
  }

  void operators(const std::vector<Table>& list, const std::vector<Table>& codes) {
    info_.operators.reserve(list.size());
    for (const Table& table : list) {
      const std::size_t position = info_.operators.size();
      const auto index = table.number<std::uint32_t>(0, 0);
      require(index < codes.size(), Errc::format, "{}: operator {} names code {} of {}", name_, position, index,
              codes.size());
      OperatorInfo o;
      const Table& code = codes[index];
      o.code =
          static_cast<Builtin>(std::max<std::int32_t>(code.number<std::int8_t>(0, 0), code.number<std::int32_t>(3, 0)));
      o.custom_code = code.string(1);
      o.version = code.number<std::int32_t>(2, 1);
      o.inputs = operands(table.vector<std::int32_t>(1), position, -1);
      o.outputs = operands(table.vector<std::int32_t>(2), position, 0);
      o.options.type = static_cast<OptionsType>(table.number<std::uint8_t>(3, 0));
      if (o.options.type != OptionsType::none) {
        if (const auto options = table.table(4)) read_options(*options, o.options);
      }
      info_.operators.push_back(std::move(o));
    }
  }

  std::vector<std::int32_t> operands(std::vector<std::int32_t> list, std::size_t position, std::int32_t least) const {
    for (const std::int32_t i : list) {
      require(i >= least && (i < 0 || static_cast<std::size_t>(i) < info_.tensors.size()), Errc::format,
              "{}: operator {} names tensor {}; there are {}", name_, position, i, info_.tensors.size());
    }
    return list;
  }

  void read_options(const Table& table, Options& o) const {
    const Options standard{};
    visit_options(o.type, [&](int slot, auto member) {
      auto& value = o.*member;
      using T = std::remove_cvref_t<decltype(value)>;
      if constexpr (std::is_enum_v<T>) {
        using U = std::underlying_type_t<T>;
        value = static_cast<T>(table.number<U>(slot, static_cast<U>(standard.*member)));
      } else if constexpr (std::is_same_v<T, bool>) {
        value = table.boolean(slot, standard.*member);
      } else if constexpr (std::is_arithmetic_v<T>) {
        value = table.number<T>(slot, standard.*member);
        if constexpr (std::is_same_v<T, float>) {
          require(std::isfinite(value), Errc::format, "{}: operator {} has the attribute {}", name_,
                  info_.operators.size(), value);
        }
      } else {
        value = table.vector<std::int32_t>(slot);
      }
    });
  }

  void metadata(const std::vector<Table>& list) {
    for (const Table& table : list) {
      const std::string key = table.string(0);
      if (key == "min_runtime_version") {
        const auto text = buffer(table.number<std::uint32_t>(1, 0), key);
        info_.min_runtime_version.assign(text.begin(), std::find(text.begin(), text.end(), 0));
      } else if (key == input_fingerprint_key) {
        require(info_.input_fingerprint.empty(), Errc::format, "{}: there are two metadata entries {}", name_, key);
        const auto text = buffer(table.number<std::uint32_t>(1, 0), key);
        require(!text.empty(), Errc::format, "{}: metadata {} are empty", name_, key);
        info_.input_fingerprint.assign(text.begin(), text.end());
      }
    }
  }

  void signature(const Table& table) {
    info_.signature_key = table.string(2);
    require(!info_.signature_key.empty(), Errc::format, "{}: a signature has no key", name_);
    const auto entries = [&](int slot) {
      std::vector<SignatureEntry> result;
      for (const Table& entry : table.tables(slot)) {
        const auto tensor = entry.number<std::uint32_t>(1, 0);
        require(tensor < info_.tensors.size(), Errc::format, "{}: a signature names tensor {}; there are {}", name_,
                tensor, info_.tensors.size());
        result.push_back({entry.string(0), static_cast<std::int32_t>(tensor)});
      }
      return result;
    };
    info_.signature_inputs = entries(0);
    info_.signature_outputs = entries(1);
  }

  flatbuffer::Reader reader_;
  std::string name_;
  std::vector<Table> buffers_;
  std::map<std::uint32_t, std::int32_t> owner_of_buffer_;
  ModelInfo info_;
};

}  // namespace detail

/// Reads the description of a .tflite file; encode() gives a file with the same one. Operators, tensor types and
/// options that this schema does not name keep their number; metadata but those of ModelInfo and signatures beyond
/// the first are left out.
/// `name` stands for the file in messages.
/// Errors:    Errc::format if the bytes are no such file or its parts do not fit together; Errc::unsupported for
///            several subgraphs, sparse tensors and data outside of the FlatBuffer
STET_ENTRY ModelInfo decode(std::span<const std::uint8_t> bytes, const std::string& name);
#if STET_DEFINE_ENTRIES
STET_ENTRY ModelInfo decode(std::span<const std::uint8_t> bytes, const std::string& name) {
  return detail::Decoder(bytes, name).run();
}
#endif

}  // namespace stet::tflite
