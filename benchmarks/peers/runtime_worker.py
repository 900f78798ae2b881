"""A runtime as a competitor of benchmarks/compare.py; see worker.cpp for what goes in and out.
    runtime_worker.py litert|onnxruntime FILE BATCH THREADS
"""
import sys

import numpy as np

from serve import serve


def litert(path, batch, threads):
    from ai_edge_litert.interpreter import Interpreter
    model = Interpreter(path, num_threads=threads)
    entry = model.get_input_details()[0]
    model.resize_tensor_input(entry["index"], [batch, *entry["shape"][1:]])
    model.allocate_tensors()
    x = np.random.default_rng(1).integers(-128, 128, [batch, *entry["shape"][1:]]).astype(entry["dtype"])
    index = entry["index"]

    def run():
        model.set_tensor(index, x)
        model.invoke()
    return run


def onnxruntime(path, batch, threads):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    shape = [batch] + [int(d) for d in entry.shape[1:]]
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32 if entry.type == "tensor(float)" else np.int8)
    return lambda: session.run(None, {entry.name: x})


def main():
    runtime, path, batch, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    run = {"litert": litert, "onnxruntime": onnxruntime}[runtime](path, batch, threads)
    serve(run)


main()
