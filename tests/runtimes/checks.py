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


def check_integers(path):
    """save_integers: codes, scales and zero points by the public package."""
    tensors = load_file(path)
    for name, t in tensors.items():
        kind = name.rsplit(".", 1)[1]
        wanted = {"weight": np.int8, "bias": np.int32, "zero_point": np.int32}.get(kind, np.float32)
        if t.dtype != wanted:
            raise ValueError(f"{name} is {t.dtype}, wanted {wanted.__name__}")
    return len(tensors)
