#pragma once
// decode: from the bytes of a .onnx file to its plain description. The bytes may be anything.

#include <stet/core/entry.hpp>
#include <stet/io/budget.hpp>
#include <stet/io/onnx/schema.hpp>
#include <stet/io/protobuf/reader.hpp>

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace stet::onnx {

namespace detail {

using protobuf::Field;
using protobuf::Reader;

class Decoder {
 public:
  Decoder(const std::string& name, std::size_t size) : name_(name), budget_(name, size, 6) {}

  ModelInfo model(std::span<const std::uint8_t> bytes) {
    ModelInfo m;
    bool has_graph = false;
    each(Reader(bytes, name_), [&](const Reader& r, const Field& f) {
      switch (f.number) {
        case 1:
          m.ir_version = r.integer(f);
          break;
        case 2:
          m.producer_name = r.text(f);
          break;
        case 3:
          m.producer_version = r.text(f);
          break;
        case 7:
          has_graph = true;
          graph(r.message(f), m);
          break;
        case 8:
          m.opsets.push_back(opset(count<OpsetInfo>(r.message(f))));
          break;
        case 14:
          m.metadata.push_back(entry(count<std::pair<std::string, std::string>>(r.message(f))));
          break;
        default:
          break;
      }
    });
    require(has_graph, Errc::format, "{}: not an ONNX model: it has no graph", name_);
    return m;
  }

 private:
  template <class F>
  void each(Reader r, F&& f) {
    Field field;
    while (r.next(field)) f(r, field);
  }
  // A message costs two bytes in the file and a hundred or more in memory: twice as many while its list grows.
  template <class Info>
  const Reader& count(const Reader& r) {
    budget_.take(2 * sizeof(Info));
    return r;
  }

  void graph(const Reader& reader, ModelInfo& m) {
    each(reader, [&](const Reader& r, const Field& f) {
      switch (f.number) {
        case 1:
          m.nodes.push_back(node(count<NodeInfo>(r.message(f))));
          break;
        case 2:
          m.graph_name = r.text(f);
          break;
        case 5:
          m.initializers.push_back(tensor(count<TensorInfo>(r.message(f))));
          break;
        case 11:
          m.inputs.push_back(value(count<ValueInfo>(r.message(f))));
          break;
        case 12:
          m.outputs.push_back(value(count<ValueInfo>(r.message(f))));
          break;
        case 13:
          m.values.push_back(value(count<ValueInfo>(r.message(f))));
          break;
        case 15:
          fail(Errc::unsupported, "{}: sparse initializers are not read; store them as dense tensors", name_);
        default:
          break;
      }
    });
  }
  NodeInfo node(const Reader& reader) {
    NodeInfo n;
    each(reader, [&](const Reader& r, const Field& f) {
      switch (f.number) {
        case 1:
          n.inputs.push_back(name(r, f));
          break;
        case 2:
          n.outputs.push_back(name(r, f));
          break;
        case 3:
          n.name = r.text(f);
          break;
        case 4:
          n.op_type = r.text(f);
          break;
        case 5:
          n.attributes.push_back(attribute(count<AttributeInfo>(r.message(f))));
          break;
        case 7:
          n.domain = r.text(f);
          break;
        default:
          break;
      }
    });
    return n;
  }
  std::string name(const Reader& r, const Field& f) {
    budget_.take(3 * sizeof(std::string));  // it is kept in tables of names too
    return r.text(f);
  }
  AttributeInfo attribute(const Reader& reader) {
    AttributeInfo a;
    each(reader, [&](const Reader& r, const Field& f) {
      switch (f.number) {
        case 1:
          a.name = r.text(f);
          break;
        case 2:
          a.real = r.real(f);
          break;
        case 3:
          a.integer = r.integer(f);
          break;
        case 4:
          a.text = r.text(f);
          break;
        case 5:
          a.tensor = tensor(r.message(f));
          break;
        case 7:
          r.reals(f, a.reals);
          break;
        case 8:
          r.integers(f, a.integers);
          break;
        case 9:
          a.texts.push_back(name(r, f));
          break;
        case 20:
          a.type = static_cast<AttributeType>(small(r, f));
          break;
        default:
          break;
      }
    });
    return a;
  }
  ValueInfo value(const Reader& reader) {
    ValueInfo v;
    each(reader, [&](const Reader& r, const Field& f) {
      if (f.number == 1) v.name = r.text(f);
      if (f.number != 2) return;
      each(r.message(f), [&](const Reader& type, const Field& g) {
        if (g.number != 1) return;
        each(type.message(g), [&](const Reader& t, const Field& h) {
          if (h.number == 1) v.type = static_cast<DataType>(small(t, h));
          if (h.number != 2) return;
          v.has_shape = true;
          each(t.message(h), [&](const Reader& shape, const Field& d) {
            if (d.number == 1) v.dims.push_back(dimension(count<DimensionInfo>(shape.message(d))));
          });
        });
      });
    });
    return v;
  }
  DimensionInfo dimension(const Reader& reader) {
    DimensionInfo d;
    each(reader, [&](const Reader& r, const Field& f) {
      if (f.number == 1) {
        d = {r.integer(f), {}};
        require(d.value >= -1, Errc::format, "{}: a dimension is {}", name_, d.value);
      }
      if (f.number == 2) d = {-1, r.text(f)};
    });
    return d;
  }
  OpsetInfo opset(const Reader& reader) {
    OpsetInfo o;
    each(reader, [&](const Reader& r, const Field& f) {
      if (f.number == 1) o.domain = r.text(f);
      if (f.number == 2) o.version = r.integer(f);
    });
    return o;
  }
  std::pair<std::string, std::string> entry(const Reader& reader) {
    std::pair<std::string, std::string> e;
    each(reader, [&](const Reader& r, const Field& f) {
      if (f.number == 1) e.first = r.text(f);
      if (f.number == 2) e.second = r.text(f);
    });
    return e;
  }
  std::int32_t small(const Reader& r, const Field& f) const {
    const std::int64_t v = r.integer(f);
    require(v >= 0 && v <= std::numeric_limits<std::int32_t>::max(), Errc::format, "{}: an enumeration is {}", name_,
            v);
    return static_cast<std::int32_t>(v);
  }

  // Elements lie in raw_data or, by type, in one of the repeated fields; both become bytes.
  TensorInfo tensor(const Reader& reader) {
    TensorInfo t;
    bool raw = false;
    bool external = false;
    std::vector<float> floats;
    std::vector<double> doubles;
    std::vector<std::int64_t> integers;
    each(reader, [&](const Reader& r, const Field& f) {
      switch (f.number) {
        case 1:
          r.integers(f, t.dims);
          break;
        case 2:
          t.type = static_cast<DataType>(small(r, f));
          break;
        case 4:
          r.reals(f, floats);
          break;
        case 5:
        case 7:
        case 11:
          r.integers(f, integers);
          break;
        case 8:
          t.name = r.text(f);
          break;
        case 9: {
          raw = true;
          const auto bytes = r.bytes(f);
          t.data.assign(bytes.begin(), bytes.end());
          break;
        }
        case 10:
          r.reals(f, doubles);
          break;
        case 13:
          external = true;
          break;
        case 14:
          external = external || r.integer(f) == 1;
          break;
        default:
          break;
      }
    });
    require(!external, Errc::unsupported,
            "{}: tensor '{}' lies in another file; save the model in one file (torch.onnx.export(..., "
            "external_data=False), or onnx.load and onnx.save)",
            name_, t.name);
    const int width = bits(t.type);
    require(width > 0, Errc::format, "{}: tensor '{}' has data type {}, which is not read", name_, t.name,
            static_cast<int>(t.type));
    if (!raw) pack(t, floats, doubles, integers);
    check_size(t, width);
    return t;
  }
  static void pack(TensorInfo& t, const std::vector<float>& floats, const std::vector<double>& doubles,
                   const std::vector<std::int64_t>& integers) {
    const auto append = [&](const auto* first, std::size_t n, std::size_t width) {
      for (std::size_t i = 0; i < n; ++i) {
        const auto* byte = reinterpret_cast<const std::uint8_t*>(first + i);
        t.data.insert(t.data.end(), byte, byte + width);
      }
    };
    if (t.type == DataType::float32) {
      append(floats.data(), floats.size(), 4);
    } else if (t.type == DataType::float64) {
      append(doubles.data(), doubles.size(), 8);
    } else {
      // Four-bit numbers come two to an element of int32_data, as they lie in raw_data.
      const auto width = static_cast<std::size_t>(bits(t.type) == 4 ? 8 : bits(t.type)) / 8;
      append(integers.data(), integers.size(), width);
    }
  }
  void check_size(const TensorInfo& t, int width) const {
    constexpr std::int64_t most = std::int64_t{1} << 40;
    std::int64_t elements = 1;
    bool empty = false;
    for (const std::int64_t d : t.dims) {
      require(d >= 0 && t.dims.size() <= 64, Errc::format, "{}: tensor '{}' has {} dimensions, one of them {}", name_,
              t.name, t.dims.size(), d);
      empty = empty || d == 0;
    }
    for (const std::int64_t d : t.dims) {
      if (empty) break;
      require(elements <= most / d, Errc::format, "{}: tensor '{}' has too many elements", name_, t.name);
      elements *= d;
    }
    if (empty) elements = 0;
    const std::int64_t wanted = (elements * width + 7) / 8;
    require(static_cast<std::int64_t>(t.data.size()) == wanted, Errc::format,
            "{}: tensor '{}' has {} bytes of data, its shape and type need {}", name_, t.name, t.data.size(), wanted);
  }

  const std::string& name_;
  Budget budget_;
};

}  // namespace detail

/// Reads the bytes of a .onnx file; `name` is what errors call it. Unknown fields are passed over; elements are read
/// from raw_data and from the typed fields, packed or not. Subgraphs are not read: an attribute keeps its type only.
/// Errors:    Errc::format if the bytes are no ONNX model; Errc::unsupported if tensors lie in other files
/// Source:    onnx.proto3 of ONNX, field numbers
STET_ENTRY ModelInfo decode(std::span<const std::uint8_t> bytes, const std::string& name);
#if STET_DEFINE_ENTRIES
STET_ENTRY ModelInfo decode(std::span<const std::uint8_t> bytes, const std::string& name) {
  return detail::Decoder(name, bytes.size()).model(bytes);
}
#endif

}  // namespace stet::onnx
