"""The files of examples/fashion_mnist and examples/fine_tune in the runtimes that users have.

  runtimes.py DIR [--jobs J] [--all]

DIR holds the model files, test_images.npy, of a classification test_labels.npy and, for int8 models, the codes that the engine makes under
each target. Runs every file on all images in LiteRT (reference kernels, and the default with XNNPACK) or ONNX Runtime,
prints a table and adds the rows to "runtimes" of DIR/results.json. The reference kernels take minutes per file, so they
run the int8 files, whose codes they judge; with --all the others too. The exit status is 1 if a code of an int8 model
differs from the engine's."""
import argparse
import json
import multiprocessing
import os
import sys

import numpy as np

TFLITE = ["fp32", "fp16", "dynamic", "int16x8", "ptq_int8", "qat_int8"]
ONNX = ["fp32", "ptq_int8", "qat_int8"]
CHUNK, BATCH = 1000, 100

# Runtime -> kernels of LiteRT (None: ONNX Runtime) and the target whose codes the engine wrote.
RUNTIMES = {"LiteRT reference": ("reference", "tflite_reference"), "LiteRT default": ("default", "litert_default"),
            "ONNX Runtime": (None, "onnxruntime")}


def codes_path(directory, name, target):
    prefix = {"qat_int8": "int8_outputs.", "ptq_int8": "ptq_int8_outputs."}.get(name)
    path = prefix and os.path.join(directory, prefix + target + ".npy")
    return path if path and os.path.exists(path) else None


def run_tflite(path, kernels, x):
    from run_litert import LiteRt, quantization
    runtime = LiteRt(path, kernels, batch=BATCH if len(x) % BATCH == 0 else 1)
    dtype = runtime.input["dtype"]
    if dtype != np.float32:
        scale, zero = quantization(runtime.input)
        q = x / scale
        q = np.trunc(q + np.copysign(np.float32(0.5), q)) if kernels == "reference" else np.rint(x * (np.float32(1) / scale))
        x = np.clip(q + zero, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)
    return runtime.all(x)[0]


def run_onnx(path, x):
    from run_onnx import OnnxRuntime
    runtime = OnnxRuntime(path)
    if x.ndim == 4 and list(runtime.input.shape[1:]) != list(x.shape[1:]):  # channels first
        x = np.transpose(x, (0, 3, 1, 2))
    return runtime(np.ascontiguousarray(x))[0]


def evaluate(job):
    """Right answers, differing and compared codes of one file on some of the images."""
    directory, name, runtime, first = job
    kernels, target = RUNTIMES[runtime]
    part = slice(first, first + CHUNK)
    x = np.load(os.path.join(directory, "test_images.npy"), mmap_mode="r")[part]
    labels = os.path.join(directory, "test_labels.npy")
    x = np.array(x)
    if kernels is None:
        y = run_onnx(os.path.join(directory, name + ".onnx"), x)
    else:
        y = run_tflite(os.path.join(directory, name + ".tflite"), kernels, x)
    y = y.reshape(len(x), -1)
    # The lowest index of equals; a regression has none to be right.
    correct = int((np.argmax(y, axis=1) == np.load(labels, mmap_mode="r")[part]).sum()) if os.path.exists(labels) else 0
    path = codes_path(directory, name, target)
    if path is None or y.dtype not in (np.int8, np.uint8):
        return job, correct, len(x), 0, 0
    wanted = np.load(path, mmap_mode="r")[part].astype(np.int16)
    got = y.astype(np.int16) - (128 if y.dtype == np.uint8 else 0)
    return job, correct, len(x), int((got != wanted).sum()), wanted.size


def quiet():
    """LiteRT and ONNX Runtime announce themselves on the error output of every process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def jobs_of(directory, everything):
    images = len(np.load(os.path.join(directory, "test_images.npy"), mmap_mode="r"))
    files = [(n, r) for n in TFLITE for r in ("LiteRT reference", "LiteRT default")
             if os.path.exists(os.path.join(directory, n + ".tflite"))
             and (everything or r == "LiteRT default" or n.endswith("_int8"))]
    files += [(n, "ONNX Runtime") for n in ONNX if os.path.exists(os.path.join(directory, n + ".onnx"))]
    return files, [(directory, n, r, first) for n, r in files for first in range(0, images, CHUNK)]


def run(directory, processes, everything):
    files, jobs = jobs_of(directory, everything)
    sums = {key: np.zeros(4, np.int64) for key in files}
    with multiprocessing.get_context("spawn").Pool(processes, initializer=quiet) as pool:
        for done, (job, *counts) in enumerate(pool.imap_unordered(evaluate, jobs), 1):
            sums[job[1], job[2]] += counts
            if sys.stdout.isatty():
                print(f"\rthe models in LiteRT and ONNX Runtime: {100 * done // len(jobs)} %", end="", flush=True)
    if sys.stdout.isatty():
        print("\r" + " " * 60 + "\r", end="")
    rows, labels = [], os.path.exists(os.path.join(directory, "test_labels.npy"))
    for (name, runtime), (correct, images, differing, compared) in sums.items():
        extension = ".onnx" if runtime == "ONNX Runtime" else ".tflite"
        rows.append({"name": name, "runtime": runtime, "accuracy": float(correct / images) if labels else None,
                     "different_codes": int(differing), "compared_codes": int(compared),
                     "size_bytes": os.path.getsize(os.path.join(directory, name + extension))})
    return rows


def table(rows):
    print(f"\n{'model':<12}{'runtime':<34}{'accuracy':>10}{'differing codes':>24}{'file size':>14}")
    for r in rows:
        codes = f"{r['different_codes']:,} of {r['compared_codes']:,}" if r["compared_codes"] else "-"
        accuracy = "-  " if r["accuracy"] is None else f"{100 * r['accuracy']:.2f} %"
        print(f"{r['name']:<12}{r['runtime']:<34}{accuracy:>10}{codes:>24}"
              f"{r['size_bytes'] / 1024:>10.1f} KiB")


def save(path, rows):
    """Replaces the rows of these runtimes; the others stay. The file is the old one or the new one at any moment."""
    results = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            results = json.load(file)
    kept = [r for r in results.get("runtimes", []) if r["runtime"] not in RUNTIMES]
    results["runtimes"] = kept + rows
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return results["runtimes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--all", action="store_true", help="float files in the reference kernels too")
    options = parser.parse_args()
    rows = run(options.directory, options.jobs, options.all)
    table(save(os.path.join(options.directory, "results.json"), rows))
    differing = sum(r["different_codes"] for r in rows)
    compared = sum(r["compared_codes"] for r in rows)
    print(f"\n{differing} of {compared} codes differ from the engine's.")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
