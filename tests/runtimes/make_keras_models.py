"""Writes the small Keras models of tests/io/keras and what LiteRT makes of them.

Models from another producer are the test of load_tflite. This script is run by hand when they should change; its files
are kept. Versions: tensorflow 2.21.0, keras 3.15.1, ai-edge-litert 2.3.0.

    python3 -m venv build/keras && build/keras/bin/pip install tensorflow==2.21.0 ai-edge-litert==2.3.0
    build/keras/bin/python tests/runtimes/make_keras_models.py tests/io/keras

Per model NAME: NAME_float.tflite with NAME.x.npy and NAME.y.npy (float32), NAME_int8.tflite with NAME_int8.x.npy,
NAME_int8.reference.npy (BUILTIN_REF) and NAME_int8.default.npy (with XNNPACK), codes where the file's ends are int8.
The model `operators` has no int8 file; operators_half.tflite has float16 weights, its results are operators_half.y.npy.
"""
import pathlib
import sys

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

layers = tf.keras.layers
SEED = 20
SAMPLES = 16


def block(x, filters, kernel=3, stride=1, activation="relu", padding="same"):
    x = layers.Conv2D(filters, kernel, strides=stride, padding=padding, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return x if activation is None else layers.ReLU(6.0 if activation == "relu6" else None)(x)


def plain():
    """conv - batch norm - ReLU - pool - dense, as in the first lesson of every course."""
    entry = x = tf.keras.Input((12, 12, 1))
    x = block(x, 8)
    x = layers.MaxPooling2D()(x)
    x = block(x, 12, stride=2, padding="valid")
    x = layers.AveragePooling2D(2, strides=1)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(16, activation="relu")(x)
    return tf.keras.Model(entry, layers.Dense(10)(x))


def separable():
    """As MobileNet: ReLU6, depthwise, padding of one side before a strided convolution."""
    entry = x = tf.keras.Input((16, 14, 3))
    x = block(layers.ZeroPadding2D(((0, 1), (0, 1)))(x), 8, stride=2, activation="relu6", padding="valid")
    for filters, stride in ((12, 1), (16, 2)):
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        x = block(x, filters, kernel=1, activation="relu6")
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Conv2D(10, 1)(x)
    return tf.keras.Model(entry, layers.Flatten()(x))


def residual():
    """Additions with ReLU, a concatenation, a product, a mean over the image."""
    entry = x = tf.keras.Input((10, 10, 2))
    x = block(x, 8)
    y = block(block(x, 8), 8, activation=None)
    x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Concatenate()([x, block(x, 4, kernel=1)])
    y = block(x, 12, kernel=3, activation=None)
    x = layers.Multiply()([x, layers.Subtract()([y, x])])
    x = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(entry, layers.Dense(10)(x))


def operators():
    """What float models have besides: batch norms that follow nothing, gates, matrices, softmax."""
    entry = x = tf.keras.Input((8, 8, 4))
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.LeakyReLU(negative_slope=0.2)(layers.Conv2D(8, 3, padding="same")(x))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply()([x, layers.Conv2D(8, 1, activation="sigmoid")(gate)])
    x = layers.Permute((2, 1, 3))(layers.Activation("hard_swish")(x))
    x = layers.Conv2D(6, 3, groups=2, activation="tanh")(x)
    x = layers.Reshape((36, 6))(x)
    x = layers.Dot(axes=(2, 2))([x, layers.ReLU()(x)])
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.BatchNormalization()(x)
    x = layers.Lambda(lambda v: 0.5 - 2.0 * v)(x)
    return tf.keras.Model(entry, layers.Softmax()(layers.Dense(10)(x)))


def run(content, x, reference):
    kind = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kind, num_threads=1)
    interpreter.allocate_tensors()
    (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()
    if entry["dtype"] == np.int8 and x.dtype != np.int8:
        scale, zero = entry["quantization"]
        x = np.clip(np.round(x / np.float32(scale)) + zero, -128, 127).astype(np.int8)
    results = []
    for sample in x:
        interpreter.set_tensor(entry["index"], sample[None])
        interpreter.invoke()
        results.append(interpreter.get_tensor(exit_["index"]).copy())
    return x, np.concatenate(results)


def write(folder, name, build, ends):
    tf.keras.utils.set_random_seed(SEED)
    rng = np.random.default_rng(SEED)
    model = build()
    shape = model.input_shape[1:]
    labels = rng.integers(0, 10, 512)
    x = (rng.normal(size=(512, *shape)) + labels[:, None, None, None] / 5.0).astype(np.float32)
    model.compile(optimizer="adam", loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=ends is not None))
    model.fit(x, labels, epochs=3, batch_size=32, verbose=0)

    if ends is None:  # float only, with float16 weights too
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        content = converter.convert()
        (folder / f"{name}_half.tflite").write_bytes(content)
        np.save(folder / f"{name}_half.y.npy", run(content, x[:SAMPLES], reference=False)[1])

    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    (folder / f"{name}_float.tflite").write_bytes(content)
    test = x[:SAMPLES]
    np.save(folder / f"{name}.x.npy", test)
    np.save(folder / f"{name}.y.npy", run(content, test, reference=False)[1])

    if ends is None:
        return
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = lambda: ([sample[None]] for sample in x[:256])
    converter.inference_input_type = converter.inference_output_type = ends
    content = converter.convert()
    (folder / f"{name}_int8.tflite").write_bytes(content)
    codes, y = run(content, test, reference=True)
    np.save(folder / f"{name}_int8.x.npy", codes)
    np.save(folder / f"{name}_int8.reference.npy", y)
    np.save(folder / f"{name}_int8.default.npy", run(content, test, reference=False)[1])


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, "plain", plain, tf.int8)
    write(folder, "separable", separable, tf.float32)
    write(folder, "residual", residual, tf.int8)
    write(folder, "operators", operators, None)


if __name__ == "__main__":
    main()
