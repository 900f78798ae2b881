"""examples/fine_tune on data of every kind, beside baselines of scikit-learn, and its int8 files in LiteRT and ONNX Runtime.

usage: python fine_tune.py PROGRAM DIRECTORY [--only NAME]
PROGRAM is examples/fine_tune, compiled. Needs torch, onnx, onnxscript, numpy, pillow, scikit-learn, onnxruntime and ai-edge-litert;
nothing is loaded from a network. Networks are small, of PyTorch, with random weights or trained on a part of the classes. Data: the
digits of scikit-learn as .png, .jpg and .npy, its breast cancer and diabetes as .csv, and sounds that are drawn here as .wav. Prints
a row per task; the exit status is 1 if an output code of an int8 file differs from the engine's or a run fails.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import warnings
import wave

import numpy as np
import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
RUNTIMES = os.path.join(HERE, "..", "runtimes", "runtimes.py")


def split(x, y, part=0.25):
    order = np.random.default_rng(1).permutation(len(x))
    cut = int(len(x) * part)
    return x[order[cut:]], y[order[cut:]], x[order[:cut]], y[order[:cut]]


def baseline(x, y, tx, ty):
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import RidgeCV

    flat, other = x.reshape(len(x), -1), tx.reshape(len(tx), -1)
    if y.dtype.kind == "f":
        return RidgeCV(np.logspace(-3, 3, 13)).fit(flat, y).score(other, ty)
    return RandomForestClassifier(random_state=1).fit(flat, y).score(other, ty)


def save_network(network, shape, path):
    warnings.simplefilter("ignore")  # the exporter of torch.jit says that there is a newer one
    torch.onnx.export(network.eval(), torch.zeros(1, *shape), path, dynamo=False, opset_version=17)


def block(a, b, stride=1):
    return [nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]


def pictures_network(channels, classes):
    return nn.Sequential(*block(channels, 16), *block(16, 32, 2), *block(32, 32), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes))


def digits():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return split((x.reshape(-1, 8, 8) * 15.9).astype(np.uint8), y)


def pretrained(network, x, y, epochs=15):
    """A classifier for some of the classes, trained here: what the field calls a pretrained network."""
    torch.manual_seed(1)
    x, y = torch.tensor(x), torch.tensor(y)
    rule = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(64):
            rule.zero_grad()
            nn.functional.cross_entropy(network(x[part]), y[part]).backward()
            rule.step()
    return network


def write_pictures(folder, ending, parts):
    from PIL import Image

    for part, x, y in parts:
        for i, (image, label) in enumerate(zip(x, y)):
            path = os.path.join(folder, part, f"digit {label}")
            os.makedirs(path, exist_ok=True)
            Image.fromarray(image).resize((24, 24)).convert("RGB").save(os.path.join(path, f"{i:04}.{ending}"))


def png(d):
    """Digits 0 to 4 train the network in PyTorch, all ten the new head here."""
    x, y, tx, ty = digits()
    write_pictures(os.path.join(d, "data"), "png", [("train", x, y), ("test", tx, ty)])
    some = y < 5
    wide = np.repeat(np.repeat(x[some], 2, 1), 2, 2)[:, None].repeat(3, 1).astype(np.float32) / 255
    network = pretrained(pictures_network(3, 5), wide, y[some])
    save_network(network, (3, 16, 16), os.path.join(d, "model.onnx"))
    return ["--data", os.path.join(d, "data"), "--new-head", "--head-epochs", "5", "--head-lr", "1e-2", "--float-epochs", "20", "--float-lr", "3e-3", "--epochs", "2",
            "--augment", "shift=1", "--augment", "noise=0.02", "--batch", "32"], baseline(x, y, tx, ty)


def jpg(d):
    """The same as .jpg, one folder, with weights of 4 bits, a frozen stem, mixup and a searched rate."""
    options, reached = png(d)
    shutil.rmtree(os.path.join(d, "data"))
    x, y, tx, ty = digits()
    write_pictures(os.path.join(d, "data"), "jpg", [("", np.concatenate([x, tx]), np.concatenate([y, ty]))])
    options = options[:options.index("--augment")]
    return options + ["--batch", "32", "--augment", "mixup=0.2", "--freeze", "/0/*", "--bits", "/6/Conv=4", "--find-rate", "--balance"], reached


def arrays(d):
    """Arrays of PyTorch's order, of float16, with labels as uint16."""
    x, y, tx, ty = digits()
    files = {"x": (x[:, None] / 255).astype(np.float16), "y": y.astype(np.uint16), "tx": np.asfortranarray((tx[:, None] / 255).astype(">f4")), "ty": ty}
    for name, value in files.items():
        np.save(os.path.join(d, name + ".npy"), value)
    save_network(pictures_network(1, 10), (1, 8, 8), os.path.join(d, "model.onnx"))
    path = lambda n: os.path.join(d, n + ".npy")
    return ["--data", path("x"), "--answers", path("y"), "--test", path("tx"), "--test-answers", path("ty"), "--channels-first", "--standardize",
            "--float-epochs", "15", "--float-lr", "3e-3", "--batch", "32"], baseline(x, y, tx, ty)


def write_table(path, names, x, y):
    with open(path, "w", encoding="utf-8") as f:
        f.write(",".join([*names, "answer"]) + "\n")
        for row, answer in zip(x, y):
            f.write(",".join([*(f"{v:.8g}" for v in row), str(answer)]) + "\n")


def table_network(features, outputs):
    return nn.Sequential(nn.Linear(features, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, outputs))


def table(d):
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    names = [n.replace(" ", "_") for n in data.feature_names]
    x, y, tx, ty = split(data.data, data.target_names[data.target])
    write_table(os.path.join(d, "train.csv"), names, x, y)
    write_table(os.path.join(d, "test.csv"), names, tx, ty)
    save_network(table_network(30, 2), (30,), os.path.join(d, "model.onnx"))
    return ["--data", os.path.join(d, "train.csv"), "--test", os.path.join(d, "test.csv"), "--column", "answer", "--standardize", "--balance",
            "--float-epochs", "20", "--float-lr", "3e-3", "--epochs", "3", "--batch", "32"], baseline(x, y, tx, ty)


def regression(d):
    from sklearn.datasets import load_diabetes

    data = load_diabetes(scaled=False)
    x, y, tx, ty = split(data.data, data.target)
    write_table(os.path.join(d, "train.csv"), data.feature_names, x, y)
    write_table(os.path.join(d, "test.csv"), data.feature_names, tx, ty)
    save_network(table_network(10, 3), (10,), os.path.join(d, "model.onnx"))
    return ["--data", os.path.join(d, "train.csv"), "--test", os.path.join(d, "test.csv"), "--regression", "--standardize", "--new-head",
            "--head-epochs", "0", "--float-epochs", "30", "--float-lr", "1e-3", "--epochs", "5", "--batch", "32"], baseline(x, y, tx, ty)


def features(x, rate, frames, bands, window=480, hop=320, fft=512, low=20, high=4000):
    """Log-mel features by NumPy, for the baseline."""
    sys.path.insert(0, os.path.join(HERE, "..", "data", "sound"))
    from make import log_mel

    x = np.pad(x, (0, max(0, window + (frames - 1) * hop - len(x))))[:window + (frames - 1) * hop]
    return log_mel(x, rate, window, hop, fft, bands, low, high, 1e-6)


def sound(d):
    """Half seconds of rising, falling, steady and beating tones in noise."""
    rng = np.random.default_rng(2)
    rate, names, t = 16000, ["beating", "falling", "rising", "steady"], np.arange(8000) / 16000
    x, y = [], []
    for i in range(480):
        k, f = i % 4, rng.uniform(400, 1500)
        slope = {0: 0, 1: -1, 2: 1, 3: 0}[k] * rng.uniform(300, 700)
        s = np.sin(2 * np.pi * (f + slope * t) * t + rng.uniform(0, 6)) * (0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(6, 12) * t) if k == 0 else 1)
        s = rng.uniform(0.02, 0.3) * s + rng.normal(0, rng.uniform(0.002, 0.05), len(t))
        codes = np.round(np.clip(s[: rng.integers(7000, 8001)], -1, 1) * 32767).astype("<i2")
        part = "train" if i < 360 else "test"
        os.makedirs(os.path.join(d, "data", part, names[k]), exist_ok=True)
        with wave.open(os.path.join(d, "data", part, names[k], f"{i:04}.wav"), "wb") as f:
            f.setnchannels(1), f.setsampwidth(2), f.setframerate(rate)
            f.writeframes(codes.tobytes())
        x.append(features(codes / 32768, rate, 24, 20)), y.append(k)
    x, y = np.array(x), np.array(y)
    save_network(pictures_network(1, 4), (1, 24, 20), os.path.join(d, "model.onnx"))
    return ["--data", os.path.join(d, "data"), "--standardize", "--float-epochs", "15", "--float-lr", "3e-3", "--batch", "16"], baseline(x[:360], y[:360], x[360:], y[360:])


TASKS = {"png": png, "jpg": jpg, "arrays": arrays, "table": table, "regression": regression, "sound": sound}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program")
    p.add_argument("directory")
    p.add_argument("--only", choices=TASKS)
    o = p.parse_args()
    print(f"| {'data':<10} | baseline | as loaded | FP32 | calibrated | QAT | codes that differ |\n" + "|---" * 7 + "|")
    wrong = 0
    for name in [o.only] if o.only else TASKS:
        torch.manual_seed(1)
        d = os.path.join(o.directory, name)
        shutil.rmtree(d, ignore_errors=True)
        os.makedirs(d)
        options, reached = TASKS[name](d)
        out = os.path.join(d, "results")
        command = [os.path.abspath(o.program), os.path.join(d, "model.onnx"), *options, "--out", out, "--threads", "1"]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            print(" ".join(command), run.stdout[-1500:], run.stderr[-1500:])
            wrong += 1
            continue
        judged = subprocess.run([sys.executable, RUNTIMES, out, "--jobs", "1"], capture_output=True, text=True)
        with open(os.path.join(out, "results.json"), encoding="utf-8") as f:
            results = json.load(f)
        values = [r["value"] for r in results["rows"]]
        compared = sum(r["compared_codes"] for r in results["runtimes"])
        differ = sum(r["different_codes"] for r in results["runtimes"])
        wrong += differ > 0 or judged.returncode != 0 or compared == 0
        print(f"| {name:<10} | {reached:.3f} | " + " | ".join(f"{v:.3f}" for v in values) + f" | {differ} of {compared:,} |", flush=True)
        if judged.returncode != 0:
            print(judged.stdout[-1500:], judged.stderr[-1500:])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
