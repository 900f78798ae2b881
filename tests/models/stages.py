"""The stages that load_model takes a network through, as the scripts of this folder run them, and the table of their rows."""

import argparse
import json
import os
import subprocess

import numpy as np

STAGES = ["load", "float", "prepare", "train", "convert", "engine"]


def files_of(base, what):
    """BASE.x.0.npy, BASE.x.1.npy, ... that are there."""
    files = []
    while os.path.exists(f"{base}.{what}.{len(files)}.npy"):
        files.append(f"{base}.{what}.{len(files)}.npy")
    return files


def save_arrays(base, x, y):
    """Inputs and outputs of a network beside its file, in place of those that are there."""
    for what, arrays in (("x", x), ("y", y)):
        for old in files_of(base, what):
            os.remove(old)
        for i, a in enumerate(arrays):
            np.save(f"{base}.{what}.{i}.npy", a)


def run(program, path, *more, timeout=600):
    """What load_model says of each stage; "crash" is there if it ended otherwise than by saying so."""
    base = os.path.splitext(path)[0]
    x, y = (",".join(files_of(base, what)) for what in "xy")
    try:
        done = subprocess.run([program, path, *([x, y] if x and y else []), *more], capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"crash": f"not done in {timeout} s"}
    result = dict(line.split("\t", 1) for line in done.stdout.splitlines() if "\t" in line)
    if done.returncode not in (0, 1):
        result["crash"] = f"exit status {done.returncode} {done.stderr[-200:]}"
    return result


def remove_files(path):
    """A network's file, its weights beside it, and its arrays."""
    base = os.path.splitext(path)[0]
    for name in [path, path + ".data", *files_of(base, "x"), *files_of(base, "y")]:
        if os.path.exists(name):
            os.remove(name)


class Table:
    """A row per network: the last stage that it passes, and the first three kinds of what stands in the way of the next."""

    def __init__(self, what="networks"):
        self.what, self.rows, self.passed, self.wrong = what, [], {}, 0

    def add(self, name, result):
        good = [s for s in result if s in [*STAGES, "write"] and not result[s].startswith("refused")]
        for s in good:
            self.passed[s] = self.passed.get(s, 0) + 1
        trouble = next((v for v in result.values() if v.startswith("refused")), result.get("crash", result.get("export", "")))
        # Refusing is right while a model is loaded and prepared; what was accepted must come to the end.
        self.wrong += "crash" in result or any(result.get(s, "").startswith("refused") for s in ("float", "train", "convert", "engine"))
        lines = [t.strip() for t in trouble.split("|")]
        kinds = lines[1:] or lines
        text = "; ".join(k if len(k) < 200 else k[:200] + "…" for k in kinds[:3])
        self.rows.append((name, good[-1] if good else "-", text + (f"; and {len(kinds) - 3} more" if len(kinds) > 3 else "")))
        print(f"{name:40} {self.rows[-1][1]:8} {self.rows[-1][2][:300]}", flush=True)

    def record(self, path, name):
        """The line of table.py."""
        record(path, name, len(self.rows), wrong=self.wrong, **{s: self.passed.get(s, 0) for s in STAGES})

    def summary(self):
        return f"{len(self.rows)} {self.what}: " + ", ".join(f"{s} {n}" for s, n in self.passed.items() if s in STAGES)

    def write(self, path):
        with open(path, "w") as f:
            f.write("| network | reaches | what stands in its way |\n|---|---|---|\n")
            for name, stage, text in self.rows:
                f.write(f"| {name} | {stage} | {text.replace('|', '/')} |\n")
            f.write(f"\n{self.summary()}\n")


def record(path, name, of, wrong=0, **counts):
    """Appends the line of a set to the file that table.py reads; nothing without a path."""
    if path:
        with open(path, "a") as f:
            f.write(json.dumps({"set": name, "of": of, "wrong": wrong, **counts}) + "\n")


def arguments(doc):
    """The command line that scripts of exported networks share."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("directory")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", action="store_true", help="keep exported files and use those that are there")
    parser.add_argument("--table", default="")
    parser.add_argument("--results", default="", help="the file that table.py reads")
    return parser


def judge(options, kind, names, path_of, export, *more):
    """Takes networks of a kind through all stages: export(name, path) writes one and its arrays; `more` goes to load_model."""
    os.makedirs(options.directory, exist_ok=True)
    table = Table()
    for name in [n for n in options.only.split(",") if n] or names:
        path = f"{options.directory}/{path_of(name)}"
        try:
            if not (options.keep and os.path.exists(path)):
                export(name, path)
            result = run(options.program, path, *more)
        except Exception as e:  # an exporter's own failure is a row too
            result = {"export": f"{type(e).__name__}: {str(e).splitlines()[0][:200]}"}
        table.add(name, result)
        if not options.keep:
            remove_files(path)
    print(table.summary())
    table.record(options.results, kind)
    if options.table:
        table.write(options.table)
