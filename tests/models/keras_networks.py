"""The families of Keras as .tflite, with random weights: how far each comes.

usage: python keras_networks.py PROGRAM DIRECTORY [--only NAME,NAME] [--int8] [--keep] [--table FILE.md] [--results FILE]
PROGRAM is tests/models/load_model.cpp, compiled. Needs tensorflow and ai-edge-litert (2.21.0 and 2.3.0 were used). Running
statistics are random, images small. Without --int8 the float files are compared with LiteRT to 1e-5 and taken through
training to the engine, with softmax at their ends as people have it; with it the int8 files of TensorFlow's converter (calibrated on random images) run in the engine,
code for code as in LiteRT's default kernels; their outputs are the logits.
"""

import os
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
warnings.filterwarnings("ignore")

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from stages import arguments, judge, save_arrays

A = tf.keras.applications
SIDE = {"InceptionV3": 96, "Xception": 96}
NETWORKS = ["MobileNet", "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "EfficientNetV2B0", "ResNet50", "ResNet50V2", "DenseNet121", "InceptionV3", "Xception",
            "VGG16", "NASNetMobile", "MobileNetV3Large", "ConvNeXtTiny"]


def made(name, int8):
    side = SIDE.get(name, 64)
    tf.keras.utils.set_random_seed(7)
    if name == "NASNetMobile":
        side = 224  # its weights fit one size
    model = getattr(A, name)(weights=None, input_shape=(side, side, 3), classes=10, classifier_activation=None if int8 else "softmax")
    rng = np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            values = layer.get_weights()
            values[-2] = rng.normal(0, 0.1, values[-2].shape)
            values[-1] = rng.uniform(0.5, 1.5, values[-1].shape)
            layer.set_weights(values)
    images = np.random.default_rng(5).uniform(0, 255, (4, side, side, 3)).astype(np.float32)
    if name not in ("MobileNetV3Small", "MobileNetV3Large", "EfficientNetB0", "EfficientNetV2B0", "ConvNeXtTiny"):
        images = images / 127.5 - 1  # the others normalize inside
    return model, images.astype(np.float32)


def convert(model, images, int8):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([x[None]] for x in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def outputs(path, x):
    runtime = Interpreter(model_path=path, num_threads=1, experimental_op_resolver_type=OpResolverType.AUTO)
    entry = runtime.get_input_details()[0]
    runtime.allocate_tensors()
    if entry["dtype"] == np.int8:
        scale, zero = entry["quantization"]
        x = np.clip(np.round(x / scale) + zero, -128, 127).astype(np.int8)
        real = ((x.astype(np.float32) - zero) * np.float32(scale)).astype(np.float32)
    else:
        real = x
    y = []
    for row in x:
        runtime.set_tensor(entry["index"], row[None])
        runtime.invoke()
        y.append(runtime.get_tensor(runtime.get_output_details()[0]["index"]))
    return real, np.concatenate(y)


def main():
    parser = arguments(__doc__)
    parser.add_argument("--int8", action="store_true")
    options = parser.parse_args()

    def export(name, path):
        model, images = made(name, options.int8)
        with open(path, "wb") as f:
            f.write(convert(model, images, options.int8))
        x, y = outputs(path, images)
        save_arrays(os.path.splitext(path)[0], [x], [y])

    judge(options, "keras_int8" if options.int8 else "keras", NETWORKS, lambda name: name + ("_int8.tflite" if options.int8 else ".tflite"), export, *(["--integers"] if options.int8 else []))


if __name__ == "__main__":
    main()
