"""The node tests of the onnx package: which of them stet loads, and whether it computes what they say.

usage: python node_tests.py PROGRAM DIRECTORY [--table FILE.md] [--results FILE]
PROGRAM is tests/models/load_model.cpp, compiled. Needs onnx (1.23.2 was used) and numpy. Of the tests with float32 inputs and
one float32 output all inputs but the first become constants, because that is what weights are; the first dimension is the
number of samples, so what computes over it is refused. A test that is refused so is put another way: all of its input is one sample, with a
dimension of 1 in front, and axes, shapes and constants that reach over all dimensions likewise (of operators for which that says the same:
the reference evaluator of the onnx package computes the changed test too, and must agree with the old one). A test passes if the difference is within 1e-5 of the largest output and 1e-6, or
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
import onnx.reference
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

from stages import record

# Kinds of operators that docs/export.md claims for .onnx.
CLAIMED = set(
    "Abs Add AveragePool BatchNormalization Celu Clip Concat Conv ConvTranspose DepthToSpace Div Dropout Elu Exp Flatten Gather Gelu Gemm "
    "GroupNormalization InstanceNormalization LRN ReduceL1 ReduceL2 ReduceLogSum ReduceMin ReduceSumSquare "
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


BROADCASTS = set("Add Sub Mul Div Max Min Pow PRelu Sum MatMul Neg Clip".split())  # dimensions count from the back
WITH_AXIS = {"Concat": 0, "Gather": 0, "Softmax": -1, "LogSoftmax": -1}  # and the default
AXES = set("ReduceMax ReduceMean ReduceSum ReduceMin ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum ReduceLogSumExp Squeeze Unsqueeze".split())


def behind(axis):
    return axis + 1 if axis >= 0 else axis


def as_one_sample(case, inputs, y):
    """The same test with all of its input as one sample; None where that is not known to say the same."""
    node = onnx.NodeProto()
    node.CopyFrom(case.model.graph.node[0])
    rank, op = inputs[0].ndim, node.op_type
    attributes = {a.name: a for a in node.attribute}
    x, rest, wanted = inputs[0][None], list(inputs[1:]), y[None]

    def set_attribute(name, value):
        for a in list(node.attribute):
            if a.name == name:
                node.attribute.remove(a)
        node.attribute.append(onnx.helper.make_attribute(name, value))

    if op in BROADCASTS:
        if op == "MatMul" and rank < 2:
            return None
        if any(v.ndim > rank for v in rest):
            return None
    elif op in WITH_AXIS:
        axis = attributes["axis"].i if "axis" in attributes else WITH_AXIS[op]
        set_attribute("axis", behind(axis))
        if op == "Concat":
            rest = [v[None] for v in rest]
    elif op in AXES:
        axes = list(attributes["axes"].ints) if "axes" in attributes else [int(a) for a in rest[0]] if rest and rest[0] is not None else []
        noop = "noop_with_empty_axes" in attributes and attributes["noop_with_empty_axes"].i
        if op in ("Squeeze", "Unsqueeze") and not axes:
            return None
        if not axes and not noop:
            axes = list(range(rank))
        axes = [behind(a) for a in axes]
        if "axes" in attributes:
            set_attribute("axes", axes)
        elif case.model.opset_import[0].version >= (13 if op in ("ReduceSum", "Squeeze", "Unsqueeze") else 18):
            rest = [np.array(axes, dtype=np.int64)]
            del node.input[1:]
            node.input.append("axes_of_sample")
        else:
            set_attribute("axes", axes)
    elif op == "Slice" and len(rest) >= 2:
        axes = rest[2] if len(rest) > 2 else np.arange(len(rest[0]))
        axes = np.array([behind(int(a)) for a in axes], dtype=np.int64)
        steps = rest[3] if len(rest) > 3 else np.ones(len(rest[0]), dtype=np.int64)
        rest = [np.asarray(rest[0], np.int64), np.asarray(rest[1], np.int64), axes, np.asarray(steps, np.int64)]
        del node.input[1:]
        node.input.extend(["starts", "ends", "axes_of_sample", "steps_of_sample"])
    elif op == "Transpose":
        perm = list(attributes["perm"].ints) if "perm" in attributes else list(range(rank))[::-1]
        set_attribute("perm", [0] + [p + 1 for p in perm])
    elif op == "Reshape":
        if "allowzero" in attributes:
            return None
        rest = [np.concatenate([[1], [d if d != 0 else inputs[0].shape[i] for i, d in enumerate(rest[0])]]).astype(np.int64)]
    elif op == "Flatten":
        axis = attributes["axis"].i if "axis" in attributes else 1
        axis = axis + rank if axis < 0 else axis
        node.op_type = "Reshape"
        del node.attribute[:]
        node.input.append("rows_of_sample")
        rest = [np.array([1, int(np.prod(inputs[0].shape[:axis])), int(np.prod(inputs[0].shape[axis:]))], dtype=np.int64)]
    else:
        return None
    names = list(node.input)
    graph = onnx.helper.make_graph(
        [node], case.name, [onnx.helper.make_tensor_value_info(names[0], onnx.TensorProto.FLOAT, x.shape)],
        [onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, wanted.shape)],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in zip(names[1:], rest) if n])
    model = onnx.helper.make_model(graph, opset_imports=case.model.opset_import, ir_version=case.model.ir_version)
    made = onnx.reference.ReferenceEvaluator(model).run(None, {names[0]: x})[0]
    if made.shape != wanted.shape or not np.allclose(made, wanted, rtol=1e-3, atol=1e-6, equal_nan=True):
        return None
    return model, x, wanted


def taken(program, base, model, x, y, case):
    """What load_model says of a model: its kind and the text."""
    onnx.save(model, base + ".onnx")
    np.save(base + ".x.npy", np.ascontiguousarray(x))
    np.save(base + ".y.npy", np.ascontiguousarray(y))
    run = subprocess.run([program, base + ".onnx", base + ".x.npy", base + ".y.npy"], capture_output=True, text=True)
    stages = dict(line.split("\t", 1) for line in run.stdout.splitlines() if "\t" in line)
    text = stages.get("float", stages.get("load", run.stderr[-200:]))
    differs = re.search(r"differs by (\S+) of outputs up to (\S+)", text)
    if differs:  # some tests give four digits; their own tolerance says so
        return ("pass" if float(differs[1]) <= case.rtol * float(differs[2]) else "wrong"), text
    return ("wrong" if run.returncode < 0 else "refused" if "refused" in text or "float" not in stages else "pass"), text


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("directory")
    p.add_argument("--table")
    p.add_argument("--results", default="")
    o = p.parse_args()
    os.makedirs(o.directory, exist_ok=True)
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for case, inputs, y in cases():
        base = os.path.join(o.directory, case.name)
        kind, text = taken(o.program, base, with_constants(case, inputs), inputs[0], y, case)
        other = as_one_sample(case, inputs, y) if kind == "refused" else None
        if other is not None:
            once, said = taken(o.program, base + "_as_one_sample", *other, case)
            if once != "refused":
                kind, text = "one sample" if once == "pass" else once, said
        found[case.model.graph.node[0].op_type][kind].append((case.name, text))
    lines = ["| operator | pass | as one sample | refused | wrong | refused because |", "|---|---|---|---|---|---|"]
    total = collections.Counter()
    for op in sorted(found):
        kinds = found[op]
        for kind, tests in kinds.items():
            total[kind] += len(tests)
        why = "; ".join(sorted({t.replace("\n", " ").replace("|", "/")[-90:] for _, t in kinds["refused"]})[:2])
        lines.append(f"| {op} | {len(kinds['pass'])} | {len(kinds['one sample'])} | {len(kinds['refused'])} | {len(kinds['wrong'])} | {why} |")
        for name, text in kinds["wrong"]:
            print(f"{name}: {text}")
    lines.append(f"\n{sum(total.values())} tests: {total['pass']} pass as they are and {total['one sample']} as one sample, {total['refused']} are refused, {total['wrong']} are wrong.")
    if o.table:
        open(o.table, "w").write("\n".join(lines) + "\n")
    print("\n".join(lines))
    record(o.results, "nodes", sum(total.values()), wrong=total["wrong"], float=total["pass"] + total["one sample"])
    return 1 if total["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
