#pragma once
// load_onnx: float .onnx models as models of stet, to be trained on.

#include <stet/core/entry.hpp>
#include <stet/graph/model.hpp>
#include <stet/io/file.hpp>
#include <stet/io/import_options.hpp>
#include <stet/io/onnx/decode.hpp>
#include <stet/io/onnx/external_data.hpp>
#include <stet/io/onnx/model_of_codes.hpp>

#include <string>
#include <utility>

#if STET_DEFINE_ENTRIES
#include <stet/io/onnx/graph_reader.hpp>
#include <stet/io/onnx/operators_of_codes.hpp>
#include <stet/operators/onnx.hpp>
#endif

namespace stet {

/// Makes a model of what a .onnx file says; `name` is what errors call it. See load_onnx. A description that is moved in gives
/// its constants back while the model is made.
STET_ENTRY Model import_onnx(onnx::ModelInfo model, const std::string& name, const ImportOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY Model import_onnx(onnx::ModelInfo model, const std::string& name, const ImportOptions& options) {
  return onnx::GraphReader(model, name, options, onnx::reader_of, onnx::folder_of).run();
}
#endif

namespace onnx {

/// The same of a file of integers: its model of floats, and what values and constants are as codes. load_onnx_integer
/// (model/load_onnx_integer.hpp) makes an IntegerModel of it.
STET_ENTRY ModelOfCodes read_codes(ModelInfo model, const std::string& name, const ImportOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY ModelOfCodes read_codes(ModelInfo model, const std::string& name, const ImportOptions& options) {
  const auto read = [&](ModelInfo m) { return GraphReader(m, name, options, reader_of, folder_of, read_resized_codes).run_codes(); };
  return has_operators_of_codes(model) ? read(with_codes_told(model, "load_onnx: " + name)) : read(std::move(model));
}
#endif

}  // namespace onnx

/// Loads a float .onnx model, in order to train it on, quantize it or write it in another format. Tensors that lie in other
/// files are read from the folder of the model; float16, bfloat16 and double become float32, which a warning says.
/// Images [N,C,H,W] become [N,H,W,C]; weights follow, and so do the columns of a linear layer behind a flattened image.
/// Batch norm stays a node; a convolution with one group per channel becomes a depthwise one. Nodes have the name of
/// their weight (conv1 for conv1.weight), else that of the ONNX node; characters that a name may not have become _.
/// A softmax or argmax at the end is left out, with a warning, unless the options keep it or name the outputs.
/// Shapes:    the first dimension of every input is the batch; outputs of rank 4 are [N,H,W,C]
/// Errors:    Errc::io, Errc::format as decode and read_external_data; Errc::unsupported listing every input, node and output
///            that is not understood, one line per kind with operator and attribute (the first 100 kinds), or every constant
///            that several layers train (ImportOptions)
inline Model load_onnx(const std::string& path, const ImportOptions& options = {}) {
  onnx::ModelInfo model = onnx::decode(read_file(path), path);
  onnx::read_external_data(model, path);
  return import_onnx(std::move(model), path, options);
}

}  // namespace stet
