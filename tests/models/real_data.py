"""Networks on real data that come with packages: FP32, QAT, int8 in LiteRT, beside baselines of scikit-learn.

usage: python real_data.py PROGRAM DIRECTORY [--table FILE.md]
PROGRAM is examples/arrays, compiled. Needs numpy, scikit-learn (1.9.1 was used), aeon (1.6.0) and ai-edge-litert. Data: the
diabetes and digits of scikit-learn, BasicMotions and JapaneseVowels of aeon; nothing is loaded from a network. Each column of
inputs is scaled by mean and deviation of the training part, and so are the targets of a regression. Columns: int8 after
QAT as the engine and LiteRT compute it; baselines have their default options.
"""

import argparse
import csv
import os
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "runtimes"))


def split(x, y, part=0.25):
    order = np.random.default_rng(1).permutation(len(x))
    cut = int(len(x) * part)
    return x[order[cut:]], y[order[cut:]], x[order[:cut]], y[order[:cut]]


def scaled(train, test):
    axes = tuple(range(train.ndim - 1))
    mean, std = train.mean(axes), train.std(axes)
    std = np.where(std > 1e-6, std, 1)
    return ((train - mean) / std).astype(np.float32), ((test - mean) / std).astype(np.float32)


def series(load):
    """Time series [N,C,T] of aeon, or a list of them, as [N,T,C] of one length."""
    parts = {name: load(split=name) for name in ("train", "test")}
    longest = max(s.shape[1] for x, _ in parts.values() for s in x)
    names = sorted(set(parts["train"][1]))
    out = []
    for x, y in parts.values():
        out.append(np.stack([np.pad(s, ((0, 0), (0, longest - s.shape[1]))).T for s in x]))
        out.append(np.array([names.index(v) for v in y], np.int64))
    return out


def diabetes():
    from sklearn.datasets import load_diabetes

    x, y, tx, ty = split(*load_diabetes(return_X_y=True))
    y, ty = scaled(y[:, None].astype(np.float64), ty[:, None].astype(np.float64))
    return x, y, tx, ty


def digits():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return split(x.reshape(-1, 8, 8, 1), y)


def motions():
    from aeon.datasets import load_basic_motions

    return series(load_basic_motions)


def vowels():
    from aeon.datasets import load_japanese_vowels

    return series(load_japanese_vowels)


def baseline(x, y, tx, ty):
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import RidgeCV

    flat, other = x.reshape(len(x), -1), tx.reshape(len(tx), -1)
    if y.dtype.kind == "f":
        return "ridge regression", RidgeCV(np.logspace(-3, 3, 13)).fit(flat, y[:, 0]).score(other, ty[:, 0])
    return "random forest", RandomForestClassifier(random_state=1).fit(flat, y).score(other, ty)


# name, what it is, data, options of the program
TASKS = [
    ("diabetes", "table [10], regression", diabetes, ["--width", "16", "--epochs", "30", "--lr", "1e-3"]),
    ("digits", "image [8,8,1], 10 classes", digits, []),
    ("BasicMotions", "motion sensors [100,6], 4 classes", motions, ["--epochs", "60", "--batch", "8"]),
    ("JapaneseVowels", "sound, cepstra [29,12], 9 speakers", vowels, ["--batch", "16"]),
]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("directory")
    p.add_argument("--table")
    o = p.parse_args()
    os.makedirs(o.directory, exist_ok=True)
    head = "| data | network for | baseline | FP32 | FP32 continued | int8 calibrated | int8 trained | codes that differ, LiteRT |"
    lines, wrong = [head, "|---" * 8 + "|"], 0
    for name, what, load, options in TASKS:
        x, y, tx, ty = load()
        x, tx = scaled(x, tx)
        files = {}
        for key, value in {"train-x": x, "train-y": y, "test-x": tx, "test-y": ty}.items():
            files[key] = os.path.join(o.directory, f"{name}.{key}.npy")
            np.save(files[key], value)
        out = os.path.join(o.directory, name)
        command = [os.path.abspath(o.program)] + [a for k, v in files.items() for a in (f"--{k}", v)] + ["--out", out, "--overwrite"] + options
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            print(run.stdout[-1500:], run.stderr[-1500:])
            return 1
        rows = list(csv.reader(open(os.path.join(out, "results.csv"))))
        metric, values = rows[0][1], [float(r[1]) for r in rows[1:]]
        from run_litert import LiteRt

        codes = LiteRt(os.path.join(out, "int8.tflite"), "default", batch=len(tx)).all(np.load(os.path.join(out, "int8.x.npy")))[0].astype(np.int16)
        engine = np.load(os.path.join(out, "int8.y.npy")).astype(np.int16)
        differ = int((codes.reshape(engine.shape) != engine).sum())
        wrong += differ
        other, reached = baseline(x, y, tx, ty)
        show = (lambda v: f"{v:.3f}") if y.dtype.kind == "f" else (lambda v: f"{100 * v:.1f} %")
        lines.append(f"| {name}, {metric} | {what} | {show(reached)} ({other}) | {show(values[0])} | {show(values[1])} | {show(values[2])} | "
                     f"{show(values[4])} | {differ} of {engine.size} |")
        print(lines[-1])
    text = "\n".join(lines) + "\n"
    if o.table:
        open(o.table, "w").write(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
