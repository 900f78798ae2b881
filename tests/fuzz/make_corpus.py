"""Files of the fuzzers' corpus with the operators that the writers of stet do not make: as PyTorch, Keras and hand-written graphs have them.

usage: python make_corpus.py onnx DIRECTORY      needs onnx and torch
       python make_corpus.py tflite DIRECTORY    needs tensorflow and tf_keras
islands_int8.onnx is what stet writes of a network with an LSTM, a norm, attention, two inputs and two outputs.
"""
import os
import sys

import numpy as np


class Network:
    """An .onnx graph in the making; constants are drawn."""

    def __init__(self, opset=18, **inputs):
        from onnx import helper

        self.helper, self.opset, self.nodes, self.initializers, self.rng = helper, opset, [], [], np.random.default_rng(len(inputs))
        self.inputs = [helper.make_tensor_value_info(n, 1, ["N", *dims]) for n, dims in inputs.items()]

    def constant(self, value, dtype=np.float32):
        from onnx import numpy_helper

        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def weights(self, *dims):
        return self.constant(self.rng.normal(0, 0.5, dims).round(2))

    def ints(self, *values):
        return self.constant(values, np.int64)

    def node(self, kind, *inputs, outputs=1, domain="", **attributes):
        made = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(self.helper.make_node(kind, list(inputs), made, domain=domain, **attributes))
        return made[0] if outputs == 1 else made

    def save(self, path, *outputs):
        import onnx

        h = self.helper
        graph = h.make_graph(self.nodes, "g", self.inputs, [h.make_tensor_value_info(o, 1, None) for o in outputs], self.initializers)
        onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", self.opset)], ir_version=9), path)


def chain(n, x, *kinds):
    for kind in kinds:
        x = n.node(kind, x) if isinstance(kind, str) else n.node(kind[0], x, **kind[1])
    return x


def recurrent(path):
    n = Network(x=[5, 3])
    t = n.node("Transpose", "x", perm=[1, 0, 2])
    y, h, c = n.node("LSTM", t, n.weights(2, 16, 3), n.weights(2, 16, 4), n.weights(2, 32), direction="bidirectional", hidden_size=4, outputs=3)
    y = n.node("Reshape", n.node("Transpose", y, perm=[0, 2, 1, 3]), n.ints(0, 0, -1))
    z, last = n.node("GRU", y, n.weights(1, 9, 8), n.weights(1, 9, 3), n.weights(1, 18), hidden_size=3, linear_before_reset=1, outputs=2)
    last = n.node("Squeeze", last, n.ints(0))
    n.save(path, n.node("Gemm", last, n.weights(2, 3), n.weights(2), transB=1))


def functions(path):
    n = Network(20, x=[3, 4, 4])
    y = chain(n, "x", "Neg", "Exp", "Log", ("LeakyRelu", {"alpha": 0.1}), "Softplus", "Mish", "Selu", ("Celu", {"alpha": 1.0}), "HardSwish", "Sigmoid", "Tanh",
              "Reciprocal", "Gelu", ("Gelu", {"approximate": "tanh"}), "Identity")
    y = n.node("PRelu", y, n.weights(3, 1, 1))
    # GELU as exporters write it.
    e = n.node("Add", n.node("Erf", n.node("Div", y, n.constant(1.4142135))), n.constant(1.0))
    n.save(path, n.node("Mul", n.node("Mul", y, e), n.constant(0.5)))


def norms(path):
    n = Network(18, x=[4, 4, 4])
    y = n.node("BatchNormalization", "x", n.weights(4), n.weights(4), n.weights(4), n.constant(np.ones(4)))
    y = n.node("DepthToSpace", n.node("SpaceToDepth", y, blocksize=2), blocksize=2, mode="CRD")
    y = n.node("ConvTranspose", y, n.weights(4, 2, 3, 3), n.weights(2), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
    y = n.node("AveragePool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1, ceil_mode=1)
    y = n.node("Dropout", n.node("GlobalMaxPool", y))
    n.save(path, n.node("LogSoftmax", n.node("Flatten", y), axis=1))


def pools(path):
    """Adaptive windows, local response norm and softplus as PyTorch's exporter writes them; rows that no tap of a transposed convolution reaches."""
    rows, columns = ([0, 2], [3, 3]), ([0, 1, 3], [2, 3, 2])  # starts and sizes of windows on 5x5
    n = Network(18, x=[2, 5, 5])
    index = [[[[[r + a, min(c + b, 4)] for b in range(3)] for c in columns[0]] for a in range(3)] for r in rows[0]]
    windows = n.node("GatherND", n.node("Transpose", "x", perm=[2, 3, 0, 1]), n.constant(index, np.int64))
    windows = n.node("Transpose", windows, perm=[4, 5, 0, 1, 2, 3])
    windows = n.node("Where", n.constant([[b >= size for b in range(3)] for size in columns[1]], np.bool_), n.constant(0), windows)
    total = None
    for a in range(3):
        row = n.node("Gather", windows, n.constant(a, np.int64), axis=3)
        for b in range(3):
            tap = n.node("Gather", row, n.constant(b, np.int64), axis=4)
            total = tap if total is None else n.node("Add", total, tap)
    y = n.node("Div", total, n.constant([6, 9, 6]))
    squares = n.node("Reshape", n.node("Mul", y, y), n.ints(0, 1, 2, 2, -1))
    mean = n.node("AveragePool", n.node("Pad", squares, n.ints(0, 0, 1, 0, 0, 0, 0, 1, 0, 0)), kernel_shape=[3, 1, 1], count_include_pad=1)
    y = n.node("Div", y, n.node("Pow", n.node("Add", n.node("Squeeze", mean, n.ints(1)), n.constant(1)), n.constant(0.75)))
    softplus = n.node("Softplus", y)
    y = n.node("Where", n.node("Greater", y, n.constant(20)), y, softplus)
    y = n.node("ConvTranspose", y, n.weights(2, 2, 2, 2), strides=[2, 2], output_padding=[1, 1])
    n.save(path, n.node("MaxPool", n.node("Unsqueeze", y, n.ints(2)), kernel_shape=[1, 2, 2]))


def groups(path):
    n = Network(21, x=[4, 6])
    y = n.node("GroupNormalization", "x", n.weights(4), n.weights(4), num_groups=2)
    y = n.node("InstanceNormalization", y, n.weights(4), n.weights(4), epsilon=1e-4)
    y = n.node("LRN", y, size=3)
    n.save(path, n.node("ReduceMax", n.node("ReduceSum", y, n.ints(2), keepdims=1), n.ints(1)))


def ends(path):
    """Two inputs, three outputs, values that are split, joined and compared."""
    n = Network(18, x=[4, 4, 4], r=[5])
    a, b = n.node("Split", n.node("Conv", "x", n.weights(6, 4, 3, 3), kernel_shape=[3, 3], pads=[1, 1, 1, 1]), n.ints(2, 4), axis=1, outputs=2)
    a = n.node("ReduceMean", n.node("Sum", a, n.node("Sub", a, n.constant(0.5)), a), n.ints(2, 3), keepdims=0)
    c = n.node("Gemm", "r", n.weights(5, 4), n.weights(4))
    m = n.node("Reshape", n.node("Gemm", "r", n.weights(5, 16)), n.ints(-1, 4, 4))
    attended = n.node("MatMul", m, n.node("Transpose", m, perm=[0, 2, 1]))
    n.save(path, n.node("Concat", a, c, axis=1), n.node("MaxPool", b, kernel_shape=[2, 2], strides=[2, 2]), n.node("Softmax", attended, axis=-1))


def shapes(path):
    """Arithmetic on shapes, as exporters of a batch of any size leave it."""
    n = Network(18, x=[4, 6])
    s = n.node("Shape", "x")
    first = n.node("Gather", s, n.constant(0, np.int64))
    size = n.node("Div", n.node("Mul", n.node("Gather", s, n.constant(1, np.int64)), n.node("Gather", s, n.constant(2, np.int64))), n.constant(2, np.int64))
    size = n.node("Cast", n.node("Floor", n.node("Cast", size, to=1)), to=7)
    to = n.node("Concat", n.node("Unsqueeze", first, n.ints(0)), n.node("Unsqueeze", size, n.ints(0)), n.ints(2), axis=0)
    y = n.node("Reshape", "x", to)
    ramp = n.node("Cast", n.node("Range", n.constant(0, np.int64), size, n.constant(1, np.int64)), to=1)
    even = n.node("Equal", n.node("Mod", n.node("Cast", ramp, to=7), n.constant(2, np.int64)), n.constant(0, np.int64))
    less = n.node("And", n.node("Less", ramp, n.constant(9.0)), n.node("Not", n.node("GreaterOrEqual", ramp, n.constant(11.0))))
    chosen = n.node("Where", n.node("And", even, less), n.node("Sqrt", ramp), n.node("ConstantOfShape", n.node("Shape", ramp)))
    y = n.node("Mul", y, n.node("Expand", n.node("Unsqueeze", chosen, n.ints(1)), n.ints(12, 2)))
    n.save(path, n.node("Add", y, n.node("Cast", n.node("ReduceProd", n.ints(2, 3)), to=1)))


def endings(path):
    n = Network(9, x=[3, 2, 2])
    y = n.node("Upsample", "x", n.constant([1, 1, 2, 2]), mode="nearest")
    y = n.node("Gemm", n.node("Flatten", y), n.weights(48, 3))
    y = n.node("Softmax", y, axis=1)
    n.save(path, n.node("ArgMax", y, axis=1, keepdims=0), n.node("ZipMap", y, domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2]))


def tflite(folder):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    K, L = tf.keras, tf.keras.layers

    def convert(name, inputs, outputs, integers):
        model = K.Model(inputs, outputs)
        rng = np.random.default_rng(1)
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if integers:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ({i.name: rng.normal(0, 1, (1, *i.shape[1:])).astype(np.float32) for i in model.inputs} for _ in range(8))
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        with open(os.path.join(folder, name), "wb") as f:
            f.write(converter.convert())

    K.utils.set_random_seed(1)

    def layers(integers):
        x, r = K.Input((6, 6, 4), batch_size=1), K.Input((5,), batch_size=1)
        y = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
        y = L.ReLU()(y) if integers else L.PReLU(shared_axes=[1, 2])(y)
        b = L.Conv2DTranspose(3, 3, strides=2, padding="same", bias_initializer="ones")(y)
        c = L.Dense(4, activation="sigmoid")(r)
        return [x, r], [L.Flatten()(L.MaxPooling2D(3)(y)), b, c]

    convert("several_float.tflite", *layers(False), False)
    convert("several_int8.tflite", *layers(True), True)

    def functions():
        x = K.Input((4, 6, 2), batch_size=1)
        y = K.layers.Lambda(lambda v: tf.exp(-v) + tf.math.log(tf.abs(v) + 1.0) * tf.math.rsqrt(tf.abs(v) + 1.0))(x)
        y = K.layers.Lambda(lambda v: tf.nn.gelu(v) + tf.nn.log_softmax(v))(y)
        y = K.layers.Lambda(lambda v: tf.pad(v, [[0, 0], [1, 1], [2, 0], [0, 0]], "REFLECT"))(y)
        y = K.layers.Lambda(lambda v: tf.slice(v, [0, 1, 2, 0], [1, 4, 3, 2]))(y)
        y = K.layers.Lambda(lambda v: tf.squeeze(tf.expand_dims(v, 1), [1]))(y)
        return x, K.layers.Lambda(lambda v: tf.reduce_sum(v, [1, 2]))(y)

    convert("functions_float.tflite", *functions(), False)

    # LiteRT's own LSTM is what the converter makes of the layer of Keras 2; that of Keras 3 becomes a loop.
    import tf_keras

    x = tf_keras.Input((5, 3), batch_size=1)
    model = tf_keras.Model(x, tf_keras.layers.Dense(2)(tf_keras.layers.LSTM(4, return_sequences=True)(x)))
    with open(os.path.join(folder, "lstm_float.tflite"), "wb") as f:
        f.write(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    x = K.Input((5,), batch_size=1)
    y = L.Softmax()(L.Dense(4)(x))
    convert("classes_float.tflite", x, K.layers.Lambda(lambda v: tf.argmax(v, 1))(y), False)


def main():
    kind, folder = sys.argv[1:]
    if kind == "tflite":
        return tflite(folder)
    for make in (recurrent, functions, norms, pools, groups, ends, shapes, endings):
        make(os.path.join(folder, make.__name__ + ".onnx"))


if __name__ == "__main__":
    main()
