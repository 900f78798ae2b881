"""Runs .tflite files in LiteRT."""
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

RESOLVERS = {"reference": OpResolverType.BUILTIN_REF, "default": OpResolverType.AUTO}


class LiteRt:
    """A loaded file: kernels "reference", or "default" with XNNPACK."""

    def __init__(self, path, kernels, batch=None, threads=1):
        self.interpreter = Interpreter(model_path=path, experimental_op_resolver_type=RESOLVERS[kernels],
                                       num_threads=threads)
        self.input = self.interpreter.get_input_details()[0]
        if batch is not None and self.input["shape"][0] != batch:
            self.interpreter.resize_tensor_input(self.input["index"], [batch, *self.input["shape"][1:]])
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.outputs = self.interpreter.get_output_details()
        self.batch = self.input["shape"][0]

    def __call__(self, x):
        """Outputs for one batch of the size that the file has, as the tensors are: codes or real numbers."""
        self.interpreter.set_tensor(self.input["index"], np.ascontiguousarray(x))
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(o["index"]) for o in self.outputs]

    def all(self, x):
        """Outputs for any multiple of the file's batch."""
        parts = [self(x[i:i + self.batch]) for i in range(0, len(x), self.batch)]
        return [np.concatenate(p) for p in zip(*parts)]


def quantization(details):
    """Scale and zero point of a tensor with one of each."""
    p = details["quantization_parameters"]
    return np.float32(p["scales"][0]), int(p["zero_points"][0])
