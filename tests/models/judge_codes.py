"""Compares the codes of the engine with those of the runtimes, for files that load_model wrote.

usage: python judge_codes.py PREFIX...
PREFIX.tflite is run in LiteRT with the kernels of the target that ends its name (…reference or …default), PREFIX.onnx in ONNX
Runtime, on PREFIX.x.npy; the outputs are compared with PREFIX.y.npy. Needs the environment of tests/runtimes/setup.sh.
"""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "runtimes"))


def codes_of(prefix):
    x = np.load(prefix + ".x.npy")
    if os.path.exists(prefix + ".onnx"):
        from run_onnx import loaded

        runtime, left = loaded(prefix + ".onnx")
        return (runtime(x)[0].astype(np.int16) - 128), left
    from run_litert import LiteRt

    kernels = "reference" if prefix.endswith("reference") else "default"
    return LiteRt(prefix + ".tflite", kernels, batch=len(x)).all(x)[0].astype(np.int16), []


def main():
    total = wrong = 0
    for prefix in sys.argv[1:]:
        codes, left = codes_of(prefix)
        engine = np.load(prefix + ".y.npy").astype(np.int16)
        differ = int((codes.reshape(engine.shape) != engine).sum())
        total, wrong = total + engine.size, wrong + differ
        print(f"{prefix}: {differ} of {engine.size} differ" + (f", in float: {', '.join(left)}" if left else ""))
    print(f"{wrong} of {total} codes differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
