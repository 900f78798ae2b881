"""The official checkers, and that the public packages read what stet writes."""
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from safetensors.numpy import load_file

import walk_flatbuffer


def check_tflite(path):
    """Walks the FlatBuffer, then unpacks it with the classes generated from the schema of LiteRT."""
    walk_flatbuffer.verify(path)
    with open(path, "rb") as file:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(file.read(), 0))
    graph = model.subgraphs[0]
    if model.version != 3 or len(model.subgraphs) != 1 or not graph.operators or model.buffers[0].data is not None:
        raise ValueError("the model is not one subgraph with operators and an empty buffer 0")
    for op in graph.operators:
        if not 0 <= op.opcodeIndex < len(model.operatorCodes):
            raise ValueError("an operator has no code")
        if any(not -1 <= t < len(graph.tensors) for t in [*op.inputs, *op.outputs]):
            raise ValueError("an operator names a tensor that does not exist")


def check_onnx(path):
    onnx.checker.check_model(onnx.load(path), full_check=True)


def unpack(packed, bits, shift):
    """Codes of 1, 2 or 4 bits from their bytes, lowest bits first; one bit is a sign."""
    fields = (packed[:, None] >> (np.arange(8 // bits, dtype=np.uint8) * bits)).astype(np.int32).ravel() & ((1 << bits) - 1)
    sign = 1 << (bits - 1)
    return (2 * fields - 1 if bits == 1 else (fields ^ sign) - sign) * (1 << shift)


def check_integers(path):
    """save_integers: codes, scales and zero points by the public package; packed codes must fill their shape."""
    tensors = load_file(path)
    types = {"weight": np.int8, "bias": np.int32, "zero_point": np.int32, "weight_shape": np.int64, "weight_bits": np.int32,
             "weight_shift": np.int32}
    for name, t in tensors.items():
        packed = name + "_bits" in tensors
        wanted = np.uint8 if packed else types.get(name.rsplit(".", 1)[1], np.float32)
        if t.dtype != wanted:
            raise ValueError(f"{name} is {t.dtype}, wanted {wanted.__name__}")
        if packed:
            bits, shift = int(tensors[name + "_bits"]), int(tensors[name + "_shift"])
            codes, size = unpack(t, bits, shift), int(np.prod(tensors[name + "_shape"]))
            if t.size != (size * bits + 7) // 8 or np.abs(codes[:size]).max() > 127:
                raise ValueError(f"{name}: {t.size} bytes of {bits} bits for {size} codes")
    return len(tensors)
