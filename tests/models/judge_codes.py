"""Compares the codes of the engine with those of the runtimes, for files that load_model wrote.

usage: python judge_codes.py PREFIX...
PREFIX.tflite is run in LiteRT with the kernels of the target that ends its name (…reference or …default), PREFIX.onnx in ONNX
Runtime, on PREFIX.x.npy (and PREFIX.x.1.npy, ... of several inputs); the outputs are compared with PREFIX.y.npy (and PREFIX.y.1.npy, ...). Needs the environment of tests/runtimes/setup.sh.
"""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "runtimes"))


def numbered(prefix, what):
    found = [np.load(f"{prefix}.{what}.npy")]
    while os.path.exists(f"{prefix}.{what}.{len(found)}.npy"):
        found.append(np.load(f"{prefix}.{what}.{len(found)}.npy"))
    return found


def codes_of(prefix):
    x = numbered(prefix, "x")
    if os.path.exists(prefix + ".onnx"):
        from run_onnx import loaded

        runtime, left = loaded(prefix + ".onnx")
        return [y.astype(np.int16) - 128 for y in runtime(*x)], left
    from run_litert import LiteRt

    kernels = "reference" if prefix.endswith("reference") else "default"
    return [y.astype(np.int16) for y in LiteRt(prefix + ".tflite", kernels, batch=len(x[0])).all(*x)], []


def main():
    total = wrong = 0
    for prefix in sys.argv[1:]:
        codes, left = codes_of(prefix)
        engine = [y.astype(np.int16) for y in numbered(prefix, "y")]
        if len(codes) != len(engine):
            raise ValueError(f"{prefix}: {len(codes)} outputs, the engine made {len(engine)}")
        size = sum(y.size for y in engine)
        differ = sum(int((c.reshape(y.shape) != y).sum()) for c, y in zip(codes, engine))
        total, wrong = total + size, wrong + differ
        print(f"{prefix}: {differ} of {size} differ" + (f", in float: {', '.join(left)}" if left else ""))
    print(f"{wrong} of {total} codes differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
