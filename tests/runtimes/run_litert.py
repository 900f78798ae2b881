"""Runs .tflite files in LiteRT."""
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

RESOLVERS = {"reference": OpResolverType.BUILTIN_REF, "default": OpResolverType.AUTO}


class LiteRt:
    """A loaded file: kernels "reference", or "default" with XNNPACK."""

    def __init__(self, path, kernels, batch=None, threads=1):
        self.interpreter = Interpreter(model_path=path, experimental_op_resolver_type=RESOLVERS[kernels],
                                       num_threads=threads)
        for details in self.interpreter.get_input_details():
            if batch is not None and details["shape"][0] != batch:
                self.interpreter.resize_tensor_input(details["index"], [batch, *details["shape"][1:]])
        self.interpreter.allocate_tensors()
        self.inputs = self.interpreter.get_input_details()
        self.input = self.inputs[0]
        self.outputs = self.interpreter.get_output_details()
        self.batch = self.input["shape"][0]

    def __call__(self, *inputs):
        """Outputs for one batch of the size that the file has, as the tensors are: codes or real numbers."""
        if len(inputs) != len(self.inputs):
            raise ValueError(f"the file has {len(self.inputs)} inputs, got {len(inputs)}")
        for details, x in zip(self.inputs, inputs):
            self.interpreter.set_tensor(details["index"], np.ascontiguousarray(x))
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(o["index"]) for o in self.outputs]

    def all(self, *inputs):
        """Outputs for any multiple of the file's batch."""
        parts = [self(*[x[i:i + self.batch] for x in inputs]) for i in range(0, len(inputs[0]), self.batch)]
        return [np.concatenate(p) for p in zip(*parts)]


def quantization(details):
    """Scale and zero point of a tensor with one of each."""
    p = details["quantization_parameters"]
    return np.float32(p["scales"][0]), int(p["zero_points"][0])
