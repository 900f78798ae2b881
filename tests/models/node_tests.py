"""The node tests of the onnx package: which of them stet loads, and whether it computes what they say.

usage: python node_tests.py PROGRAM DIRECTORY [--table FILE.md]
PROGRAM is tests/models/load_model.cpp, compiled. Needs onnx (1.23.2 was used) and numpy. Of the tests with float32 inputs and
one float32 output all inputs but the first become constants, because that is what weights are; the first dimension is the
number of samples, so what computes over it is refused. A test passes if the difference is within 1e-5 of the largest output and 1e-6, or
within the test's own tolerance; what differs more is wrong. Exit status 1 if one is.
"""

import argparse
import collections
import os
import re
import subprocess
import sys

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

# Kinds of operators that docs/export.md claims for .onnx.
CLAIMED = set(
    "Abs Add AveragePool BatchNormalization Celu Clip Concat Conv ConvTranspose DepthToSpace Div Dropout Elu Exp Flatten Gather Gelu Gemm "
    "GlobalAveragePool GlobalMaxPool HardSigmoid HardSwish Identity LayerNormalization LeakyRelu Log LogSoftmax MatMul Max MaxPool Min Mish Mul Neg "
    "PRelu Pad Pow ReduceMax ReduceMean ReduceSum Reciprocal Relu Reshape Resize Selu Sigmoid Slice Softmax Softplus SpaceToDepth Split Sqrt Squeeze "
    "Sub Sum Tanh Transpose Unsqueeze Upsample".split())


def cases():
    for case in collect_testcases(None):
        if case.model is None or len(case.model.graph.node) != 1 or case.model.graph.node[0].op_type not in CLAIMED:
            continue
        inputs, outputs = case.data_sets[0]
        inputs, outputs = list(inputs), list(outputs)
        if len(outputs) != 1 or not inputs or not all(isinstance(v, np.ndarray) for v in inputs + outputs):
            continue
        if inputs[0].dtype == np.float32 and outputs[0].dtype == np.float32 and inputs[0].ndim > 0:
            yield case, inputs, outputs[0]


def with_constants(case, inputs):
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    names = [i.name for i in model.graph.input]
    for name, value in zip(names[1:], inputs[1:]):
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    del model.graph.input[1:]
    return model


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("directory")
    p.add_argument("--table")
    o = p.parse_args()
    os.makedirs(o.directory, exist_ok=True)
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for case, inputs, y in cases():
        base = os.path.join(o.directory, case.name)
        onnx.save(with_constants(case, inputs), base + ".onnx")
        np.save(base + ".x.npy", inputs[0])
        np.save(base + ".y.npy", y)
        run = subprocess.run([o.program, base + ".onnx", base + ".x.npy", base + ".y.npy"], capture_output=True, text=True)
        stages = dict(line.split("\t", 1) for line in run.stdout.splitlines() if "\t" in line)
        text = stages.get("float", stages.get("load", run.stderr[-200:]))
        differs = re.search(r"differs by (\S+) of outputs up to (\S+)", text)
        if differs:  # some tests give four digits; their own tolerance says so
            kind = "pass" if float(differs[1]) <= case.rtol * float(differs[2]) else "wrong"
        else:
            kind = "wrong" if run.returncode < 0 else "refused" if "refused" in text or "float" not in stages else "pass"
        found[case.model.graph.node[0].op_type][kind].append((case.name, text))
    lines = ["| operator | pass | refused | wrong | refused because |", "|---|---|---|---|---|"]
    total = collections.Counter()
    for op in sorted(found):
        kinds = found[op]
        for kind, tests in kinds.items():
            total[kind] += len(tests)
        why = "; ".join(sorted({t.replace("\n", " ").replace("|", "/")[-90:] for _, t in kinds["refused"]})[:2])
        lines.append(f"| {op} | {len(kinds['pass'])} | {len(kinds['refused'])} | {len(kinds['wrong'])} | {why} |")
        for name, text in kinds["wrong"]:
            print(f"{name}: {text}")
    lines.append(f"\n{sum(total.values())} tests: {total['pass']} pass, {total['refused']} are refused, {total['wrong']} are wrong.")
    if o.table:
        open(o.table, "w").write("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 1 if total["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
