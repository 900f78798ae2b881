"""Compares one generated model in every runtime with what the engine computed."""
import os
import subprocess

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

import checks
from run_litert import LiteRt
from run_onnx import OnnxRuntime, loaded

C_NETWORK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "io", "c_network.c")


class Report:
    """Counts and problems of one model."""

    def __init__(self, seed):
        self.seed, self.rows, self.shares, self.problems, self.refused = seed, {}, {}, [], ""
        self.islands, self.steps = {}, {}

    def codes(self, row, names, got, wanted):
        """Counts differing codes; the first value that differs is named. Of what operators in float make, codes that are one
        step off are counted apart, for their sums are rounded in another order; what is made of a value with such a code is
        compared with nothing."""
        compared, differing = self.rows.get(row, (0, 0))
        off_island = set()
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
            made_of = self.islands.get(name, [])
            if any(island in off_island for island in made_of):
                self.step(row, 0, 0, w.size)
                continue
            bad = g != w
            if name in made_of:
                steps = int((np.abs(g - w) == 1).sum())
                self.step(row, w.size, steps, 0)
                bad = np.abs(g - w) > 1
                if steps or bad.any():
                    off_island.add(name)
            compared, differing = compared + w.size, differing + int(bad.sum())
            if bad.any() and not named:
                named = True
                at = tuple(int(i) for i in np.argwhere(bad)[0])
                self.problems.append(f"{row}: {name}{list(at)} is {g[at]}, the engine made {w[at]}; "
                                     f"{int(bad.sum())} of {w.size} codes of this value differ")
        self.rows[row] = (compared, differing)

    def step(self, row, codes, off, unseen):
        """Codes of operators in float, those that are one step off, and codes that are made of such."""
        a, b, c = self.steps.get(row, (0, 0, 0))
        self.steps[row] = (a + codes, b + off, c + unseen)

    def within(self, row, got, wanted, bound):
        """Counts elements that are further from the wanted than their bound."""
        compared, differing = self.rows.get(row, (0, 0))
        if got.shape != wanted.shape or got.dtype != np.float32:
            self.problems.append(f"{row}: output is {got.dtype} {got.shape}, wanted float32 {wanted.shape}")
            return
        off = np.abs(got.astype(np.float64) - wanted)
        bad = ~(off <= bound)
        self.rows[row] = (compared + wanted.size, differing + int(bad.sum()))
        self.shares[row] = max(self.shares.get(row, 0.0), float((off / np.maximum(bound, 1e-30)).max()))
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            self.problems.append(f"{row}: output{list(at)} is {got[at]}, stet made {wanted[at]}, "
                                 f"off by {off[at]:.3g}, bound {bound[at]:.3g}")

    def guarded(self, what, function, *arguments):
        """Calls a function; what it raises is a problem, not the end."""
        try:
            return function(*arguments)
        except Exception as error:  # noqa: BLE001  any error of any runtime counts
            self.problems.append(f"{what}: {type(error).__name__}: {error}")
            return None


def integer_model(directory, report):
    with safe_open(os.path.join(directory, "codes.safetensors"), "np") as file:
        meta = file.metadata()
        codes = {name: file.get_tensor(name) for name in file.keys()}
    report.refused = meta["refused"]
    if "outputs" not in meta:
        return False
    entries = meta["inputs"].split(",")
    x = [np.load(os.path.join(directory, f"input.{i}.npy")) for i in range(len(entries))]

    def turn_to(target):
        """Names of the outputs of a target's two files; sets what is made of operators in float."""
        lines = [line.split("=") for line in meta.get("islands/" + target, "").split(";") if line]
        report.islands = {name: islands.split(",") for name, islands in lines}
        return {"": meta["outputs"].split(","), ".all": meta.get("values/" + target, "").split(",")}

    for target, kernels in (("tflite_reference", "reference"), ("litert_default", "default")):
        outputs = turn_to(target)
        wanted = {n.split("/", 1)[1]: t for n, t in codes.items() if n.startswith(target + "/")}
        for suffix, names in outputs.items():
            path = os.path.join(directory, target + suffix + ".tflite")
            row = f"LiteRT {kernels}, {'every value' if suffix else 'outputs'}"
            if not wanted:
                continue

            def run():
                checks.check_tflite(path)
                runtime = LiteRt(path, kernels)
                fed = x if runtime.input["dtype"] == np.float32 else [wanted[e] for e in entries]
                report.codes(row, names, runtime.all(*fed), wanted)
            if not suffix and report.islands:
                continue  # an output alone does not show which island is a step off
            report.guarded(row, run)

    outputs = turn_to("onnxruntime")
    wanted = {n.split("/", 1)[1]: t for n, t in codes.items() if n.startswith("onnxruntime/")}
    for suffix, names in outputs.items():
        path = os.path.join(directory, "onnxruntime" + suffix + ".onnx")
        row = f"ONNX Runtime, {'every value' if suffix else 'outputs'}"
        if not wanted or (not suffix and report.islands):
            continue

        def run():
            checks.check_onnx(path)
            runtime, left = loaded(path)
            if left and not report.islands:
                report.problems.append(f"{row}: left in float: {', '.join(left)}")
            report.codes(row, names, run_layout(runtime, x, meta["onnx_layout"]), wanted)
            if not left or report.islands:  # one image alone: values of one element go through kernels of their own
                alone = {name: wanted[name][:1] for name in names}
                report.codes(row, names, run_layout(runtime, [i[:1] for i in x], meta["onnx_layout"]), alone)
        report.guarded(row, run)

    c_tables(directory, meta, codes, report)
    floats(directory, report)
    turn_to("tflite_reference")
    if not report.islands:  # the integers alone do not say what runs in float
        report.guarded("safetensors", checks.check_integers, os.path.join(directory, "integers.safetensors"))
    return all(any(n.startswith(t + "/") for n in codes) for t in ("tflite_reference", "litert_default", "onnxruntime"))


def run_layout(runtime, inputs, layout):
    """Outputs [N,H,W,C] of a file whose images are [N,C,H,W] or [N,H,W,C]."""
    if layout == "nhwc":
        return runtime(*inputs)
    made = runtime(*[np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x for x in inputs])
    return [y.transpose(0, 2, 3, 1) if y.ndim == 4 else y for y in made]


def c_tables(directory, meta, codes, report):
    """Plain loops in C over the tables of save_c_weights."""
    source = os.path.join(directory, "drawn.c")
    wanted = {n.split("/", 1)[1]: t for n, t in codes.items() if n.startswith("tflite_micro/")}
    if not wanted or not os.path.exists(source):
        return
    names, entries, row = meta["order"].split(","), meta["inputs"].split(","), "C tables, every value"

    def run():
        program = os.path.join(directory, "drawn")
        subprocess.run(["gcc", "-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-DNETWORK=drawn",
                        f'-DNETWORK_FILE="{os.path.abspath(source)}"', C_NETWORK, "-o", program], check=True)
        made = {name: [] for name in names}
        for image in range(len(wanted[names[0]])):
            given, out = os.path.join(directory, "c_input"), os.path.join(directory, "c_output")
            np.concatenate([wanted[e][image].ravel() for e in entries]).tofile(given)
            subprocess.run([program, given, out], check=True)
            flat, first = np.fromfile(out, np.int8), 0
            for name in names:
                size = wanted[name][image].size
                made[name].append(flat[first:first + size].reshape(wanted[name][image].shape))
                first += size
        others = [n for n in names if n not in entries]
        report.codes(row, others, [np.stack(made[n]) for n in others], wanted)
    report.guarded(row, run)


def floats(directory, report):
    """Float formats against stet's inference, within the bound of each format's arithmetic."""
    path = os.path.join(directory, "floats.safetensors")
    if not os.path.exists(path):
        return
    tensors = load_file(path)
    x, wanted = numbered(tensors, "input/"), numbered(tensors, "output/")
    for name in sorted({key.split("/")[1] for key in tensors if key.startswith("bound/")}):
        bounds = numbered(tensors, f"bound/{name}/")
        file = os.path.join(directory, name)
        runs = [("ONNX Runtime", None)] if name.endswith(".onnx") else \
            [("LiteRT reference", "reference"), ("LiteRT default", "default")]
        for runtime, kernels in runs:
            row = f"{runtime}, {name.split('.')[0]} within bound"

            def run():
                if kernels is None:
                    checks.check_onnx(file)
                    made = OnnxRuntime(file)(*x)
                else:
                    checks.check_tflite(file)
                    made = LiteRt(file, kernels).all(*x)
                if len(made) != len(wanted):
                    raise ValueError(f"{len(made)} outputs, wanted {len(wanted)}")
                for got, w, bound in zip(made, wanted, bounds):
                    report.within(row, got, w, bound)
            report.guarded(row, run)


def numbered(tensors, prefix):
    """Tensors PREFIX0, PREFIX1, ..."""
    found = []
    while f"{prefix}{len(found)}" in tensors:
        found.append(tensors[f"{prefix}{len(found)}"])
    return found


def judge_model(directory, seed):
    report = Report(seed)
    exported = report.guarded("model", integer_model, directory, report)
    return {"seed": seed, "rows": report.rows, "shares": report.shares, "problems": report.problems, "steps": report.steps,
            "refused": report.refused,
            "exported": bool(exported)}
