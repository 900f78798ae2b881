"""Compares one generated model in every runtime with what the engine computed."""
import glob
import os

import numpy as np
from safetensors import safe_open

import checks
from run_litert import LiteRt
from run_onnx import loaded


class Report:
    """Counts and problems of one model."""

    def __init__(self, seed):
        self.seed, self.rows, self.problems, self.refused = seed, {}, [], ""

    def codes(self, row, names, got, wanted):
        """Counts differing codes; the first value that differs is named."""
        compared, differing = self.rows.get(row, (0, 0))
        if len(got) != len(names):
            self.problems.append(f"{row}: {len(got)} outputs, wanted {len(names)}")
            return
        named = False
        for name, g in zip(names, got):
            g = g.astype(np.int16) - (128 if g.dtype == np.uint8 else 0)
            w = wanted[name].astype(np.int16)
            if g.shape != w.shape:
                self.problems.append(f"{row}: {name} has shape {g.shape}, wanted {w.shape}")
                continue
            bad = g != w
            compared, differing = compared + w.size, differing + int(bad.sum())
            if bad.any() and not named:
                named = True
                at = tuple(int(i) for i in np.argwhere(bad)[0])
                self.problems.append(f"{row}: {name}{list(at)} is {g[at]}, the engine made {w[at]}; "
                                     f"{int(bad.sum())} of {w.size} codes of this value differ")
        self.rows[row] = (compared, differing)

    def guarded(self, what, function, *arguments):
        """Calls a function; what it raises is a problem, not the end."""
        try:
            return function(*arguments)
        except Exception as error:  # noqa: BLE001  any error of any runtime counts
            self.problems.append(f"{what}: {type(error).__name__}: {error}")
            return None


def integer_model(directory, report):
    x = np.load(os.path.join(directory, "input.npy"))
    with safe_open(os.path.join(directory, "codes.safetensors"), "np") as file:
        meta = file.metadata()
        codes = {name: file.get_tensor(name) for name in file.keys()}
    report.refused = meta["refused"]
    if "outputs" not in meta:
        return False
    outputs = {"": meta["outputs"].split(","), ".all": meta["values"].split(",")}

    for target, kernels in (("tflite_reference", "reference"), ("litert_default", "default")):
        wanted = {n.split("/", 1)[1]: t for n, t in codes.items() if n.startswith(target + "/")}
        entry = next(iter(set(wanted) - set(outputs[".all"])), None)
        for suffix, names in outputs.items():
            path = os.path.join(directory, target + suffix + ".tflite")
            row = f"LiteRT {kernels}, {'every value' if suffix else 'outputs'}"
            if not wanted:
                continue

            def run():
                checks.check_tflite(path)
                runtime = LiteRt(path, kernels)
                fed = x if runtime.input["dtype"] == np.float32 else wanted[entry]
                report.codes(row, names, runtime.all(fed), wanted)
            report.guarded(row, run)

    wanted = {n.split("/", 1)[1]: t for n, t in codes.items() if n.startswith("onnxruntime/")}
    for suffix, names in outputs.items():
        path = os.path.join(directory, "onnxruntime" + suffix + ".onnx")
        row = f"ONNX Runtime, {'every value' if suffix else 'outputs'}"
        if not wanted:
            continue

        def run():
            checks.check_onnx(path)
            runtime, left = loaded(path)
            if left:
                report.problems.append(f"{row}: left in float: {', '.join(left)}")
            report.codes(row, names, runtime(x), wanted)
        report.guarded(row, run)

    report.guarded("safetensors", checks.check_integers, os.path.join(directory, "integers.safetensors"))
    return bool(glob.glob(os.path.join(directory, "*.tflite")))


def judge_model(directory, seed):
    report = Report(seed)
    exported = report.guarded("model", integer_model, directory, report)
    return {"seed": seed, "rows": report.rows, "problems": report.problems, "refused": report.refused,
            "exported": bool(exported)}
