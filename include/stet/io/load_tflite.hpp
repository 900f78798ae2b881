#pragma once
// load_tflite: .tflite files, from stet or from other producers, as models.

#include <stet/core/entry.hpp>
#include <stet/graph/integer_model.hpp>
#include <stet/graph/model.hpp>
#include <stet/io/file.hpp>
#include <stet/io/import_options.hpp>
#include <stet/io/tflite/decode.hpp>

#include <string>

#if STET_DEFINE_ENTRIES
#include <stet/io/fingerprint_text.hpp>
#include <stet/io/tflite/joined_rows.hpp>
#include <stet/operators/tflite.hpp>
#endif

namespace stet::tflite {

/// Makes a Model of a description.
/// Errors:    as load_tflite; `where` begins the message
STET_ENTRY Model import_model(const ModelInfo& model, const std::string& where, const ImportOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY Model import_model(const ModelInfo& model, const std::string& where, const ImportOptions& options) {
  if (computes_rows(model)) {
    const ModelInfo joined = with_joined_rows(model);
    return FloatImporter(joined, options, where).run(row_of);
  }
  return FloatImporter(model, options, where).run(row_of);
}
#endif

/// Makes an IntegerModel of a description.
/// Errors:    as load_tflite_integer; `where` begins the message
STET_ENTRY IntegerModel import_integer_model(const ModelInfo& model, const Target& target, const std::string& where,
                                             const ImportOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY IntegerModel import_integer_model(const ModelInfo& model, const Target& target, const std::string& where,
                                             const ImportOptions& options) {
  IntegerImporter importer(model, target, options, where);
  IntegerModel made = importer.run(row_of);
  made.input_fingerprints = stet::detail::fingerprints_for(made, importer.entries(), model.inputs.size(), model.input_fingerprint, where);
  return made;
}
#endif

}  // namespace stet::tflite

namespace stet {

/// Reads a float model: float32 values and float32 constants, or float16 and int8 constants behind DEQUANTIZE.
/// Fused activations become nodes; a PAD before an unpadded convolution becomes its padding; constant factors and
/// summands per channel are folded into the layer before them, else become a depthwise 1x1 convolution; a mean over the
/// image is a GlobalAveragePool. Node names are the tensors' names, made valid. A softmax at the end is left out, with a
/// warning, unless the options keep it or name the outputs.
/// Errors:    Errc::io if the file cannot be read; Errc::format if its parts do not fit together; Errc::shape,
///            Errc::range or Errc::unsupported listing every tensor, operator and attribute that is not understood (the
///            code is that of the first), or every constant that several layers train (ImportOptions)
/// Source:    LiteRT schema.fbs, kernels/
inline Model load_tflite(const std::string& path, const ImportOptions& options = {}) {
  const tflite::ModelInfo model = tflite::decode(read_file(path), path);  // without the file's bytes, of which it has copies
  return tflite::import_model(model, "load_tflite: " + path, options);
}

/// Reads an int8 model for a target: int8 values with one scale and zero point each; weights int8 (or int4) with zero
/// point 0, one scale or one per channel; bias int32 at input scale times weight scale. Its ends may be int8, uint8 or
/// float; a softmax at the end is left out as by load_tflite. The file does not say who runs it, therefore the target is asked for. A fingerprint of the calibration images that
/// stet wrote into the file is the model's.
/// Errors:    as load_tflite, and Errc::unsupported or Errc::range if the target cannot run scales of the file; Errc::format
///            if its fingerprint cannot be
/// Source:    LiteRT schema.fbs, kernels/
inline IntegerModel load_tflite_integer(const std::string& path, const Target& target,
                                        const ImportOptions& options = {}) {
  const tflite::ModelInfo model = tflite::decode(read_file(path), path);
  return tflite::import_integer_model(model, target, "load_tflite: " + path, options);
}

}  // namespace stet
