"""Runs .onnx files in ONNX Runtime with all graph optimizations, and looks at what it made of them."""
import os
import tempfile

import onnx
import onnxruntime

onnxruntime.set_default_logger_severity(3)

# What ONNX Runtime has an integer form of. Sub has none.
FUSED = {"Conv", "Gemm", "MatMul", "Add", "Mul", "AveragePool", "GlobalAveragePool"}


class OnnxRuntime:
    """A loaded file."""

    def __init__(self, path, threads=1, optimized=None):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Without VNNI its products of uint8 and int8 saturate in 16 bits, unless it is told to be exact.
        options.add_session_config_entry("session.x64quantprecision", "1")
        if optimized is not None:
            options.optimized_model_filepath = optimized
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = self.session.get_inputs()
        self.input = self.inputs[0]

    def __call__(self, *inputs):
        if len(inputs) != len(self.inputs):
            raise ValueError(f"the file has {len(self.inputs)} inputs, got {len(inputs)}")
        return self.session.run(None, {i.name: x for i, x in zip(self.inputs, inputs)})


def loaded(path):
    """The file in ONNX Runtime, and the nodes that it left in float: operators that read a DequantizeLinear."""
    with tempfile.TemporaryDirectory() as directory:
        optimized = os.path.join(directory, "optimized.onnx")
        runtime = OnnxRuntime(path, optimized=optimized)
        graph = onnx.load(optimized).graph
    maker = {name: node for node in graph.node for name in node.output}

    def made_by(node, op_type):
        return any(i in maker and maker[i].op_type == op_type for i in node.input)

    # HardSwish has no integer form either; ONNX Runtime runs it as x * HardSigmoid(x).
    left = [f"{n.name} ({n.op_type})" for n in graph.node
            if n.op_type in FUSED and made_by(n, "DequantizeLinear") and not made_by(n, "HardSigmoid")]
    return runtime, left
