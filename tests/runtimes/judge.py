"""Random models in the real runtimes, against stet's engine.

  judge.py --program random_models [--models N] [--seed S] [--jobs J] [--dir DIR]

Draws models from the seeds S, S+1, ... until N are exported, runs every file in LiteRT (reference kernels, and the
default with XNNPACK) and ONNX Runtime, and compares every code. A model that differs is cut to the fewest operators
that still differ. The last line is 'N compared, D differing'; the exit status is 1 if anything differs or fails."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the compiled random_models.cpp")
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ops", type=int, default=-1, help="cut every graph behind so many operators")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--dir", help="where to keep the files (default: a temporary directory)")
    parser.add_argument("--worker", nargs=2, type=int, metavar=("FIRST", "COUNT"), help=argparse.SUPPRESS)
    return parser.parse_args()


def worker(options):
    """Makes and judges some models and prints a line of JSON for each. A process of its own: runtimes may abort."""
    from compare import judge_model
    first, count = options.worker
    for seed in range(first, first + count):
        command = [options.program, options.dir, "--seed", str(seed)]
        if options.ops >= 0:
            command += ["--ops", str(options.ops)]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode != 0:
            result = {"seed": seed, "rows": {}, "refused": "", "exported": False,
                      "problems": [f"random_models ends with {made.returncode}: {made.stderr.strip()}"]}
        else:
            result = judge_model(os.path.join(options.dir, str(seed)), seed)
        print(json.dumps(result), flush=True)


class Pool:
    """Judges seeds in several processes, in chunks; a process that dies costs one model, which counts as a failure."""

    chunk = 10

    def __init__(self, options):
        self.options, self.results, self.lock = options, {}, threading.Lock()
        self.next = options.seed
        self.wanted, self.most = options.models, options.models + options.models // 10 + 5

    def take(self):
        with self.lock:
            exported = sum(r["exported"] for r in self.results.values())
            pending = self.next - self.options.seed - len(self.results)
            count = min(self.chunk, self.wanted - exported - pending, self.options.seed + self.most - self.next)
            if count <= 0:
                return None
            first, self.next = self.next, self.next + count
            return first, count

    def judge(self, first, count, ops=None, directory=None):
        """Results of a chunk, one by one."""
        end = first + count
        while first < end:
            command = [sys.executable, os.path.abspath(__file__), "--program", self.options.program, "--dir",
                       directory or self.options.dir, "--ops", str(self.options.ops if ops is None else ops),
                       "--worker", str(first), str(end - first)]
            with tempfile.TemporaryFile("w+") as errors:
                with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
                    for line in process.stdout:
                        yield json.loads(line)
                        first += 1
                if first < end:
                    errors.seek(0)
                    text = errors.read().strip().splitlines()[-8:]
                    yield {"seed": first, "rows": {}, "refused": "", "exported": False,
                           "problems": [f"the runtime ends the process with {process.returncode}:", *text]}
                    first += 1

    def loop(self):
        while (chunk := self.take()) is not None:
            for result in self.judge(*chunk):
                with self.lock:
                    self.results[result["seed"]] = result
                    if sys.stdout.isatty():
                        print(f"\r{len(self.results)} models", end="", flush=True)

    def run(self):
        threads = [threading.Thread(target=self.loop) for _ in range(self.options.jobs)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if sys.stdout.isatty():
            print("\r", end="")
        return [self.results[seed] for seed in sorted(self.results)]


def failed(result):
    return bool(result["problems"]) or any(differing for _, differing in result["rows"].values())


def shrink(pool, result):
    """The same seed with the fewest operators that still fails, and its directory."""
    for ops in range(64):
        directory = os.path.join(pool.options.dir, f"ops{ops}")
        os.makedirs(directory, exist_ok=True)
        smaller = next(pool.judge(result["seed"], 1, ops, directory))
        if failed(smaller):
            return ops, smaller, os.path.join(directory, str(result["seed"]))
        if same_graph(os.path.join(directory, str(result["seed"])), os.path.join(pool.options.dir, str(result["seed"]))):
            break
    return None, result, os.path.join(pool.options.dir, str(result["seed"]))


def same_graph(a, b):
    texts = []
    for directory in (a, b):
        path = os.path.join(directory, "graph.txt")
        if not os.path.exists(path):
            return False
        with open(path, encoding="utf-8") as file:
            texts.append(file.read())
    return texts[0] == texts[1]


def show_failure(pool, result, shrunk):
    ops, smaller, directory = shrink(pool, result) if shrunk else (None, result, None)
    print(f"\nseed {result['seed']}" + (f", ops {ops}" if ops is not None else ""))
    for problem in smaller["problems"]:
        print("  " + problem)
    path = os.path.join(directory, "graph.txt") if directory else ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            print(file.read())


def main():
    options = parse()
    if options.worker:
        worker(options)
        return 0
    keep = options.dir is not None
    options.dir = options.dir or tempfile.mkdtemp(prefix="stet_judges_")
    os.makedirs(options.dir, exist_ok=True)
    try:
        pool = Pool(options)
        results = pool.run()
        rows, shares, steps = {}, {}, {}
        for result in results:
            for row, counts in result.get("steps", {}).items():
                steps[row] = [a + b for a, b in zip(steps.get(row, (0, 0, 0, 0)), (1, *counts))]
            for row, share in result.get("shares", {}).items():
                shares[row] = max(shares.get(row, 0.0), share)
            for row, (compared, differing) in result["rows"].items():
                models, c, d = rows.get(row, (0, 0, 0))
                rows[row] = (models + 1, c + compared, d + differing)
        failures = [r for r in results if failed(r)]
        for i, result in enumerate(failures[:10]):
            show_failure(pool, result, i < 3)
        if len(failures) > 10:
            print(f"\nand {len(failures) - 10} more seeds: " + ", ".join(str(r["seed"]) for r in failures[10:]))
        exported = sum(r["exported"] for r in results)
        width = max([len(r) for r in rows] + [8])
        print(f"\n{'runtime':<{width}}  {'models':>7}  {'compared':>12}  {'differing':>9}")
        for row in sorted(rows):
            models, compared, differing = rows[row]
            print(f"{row:<{width}}  {models:>7}  {compared:>12,}  {differing:>9,}" +
                  (f"  at most {100 * shares[row]:.3g} % of the bound" if row in shares else ""))
        for row, (models, codes, off, unseen) in sorted(steps.items()):
            print(f"{row}, in float: {models} models, {off} of {codes:,} codes off by one step; {unseen:,} codes made of such are not compared")
        print(f"{exported} models exported from {len(results)} seeds from {options.seed} on; {len(failures)} failed")
        compared = sum(r[1] for r in rows.values())
        differing = sum(r[2] for r in rows.values())
        print(f"{compared} compared, {differing} differing")
        short = exported < options.models and options.ops < 0
        if short:
            print(f"only {exported} of {options.models} models could be exported; see graph.txt of the others",
                  file=sys.stderr)
        return 1 if failures or differing or short else 0
    finally:
        if not keep:
            shutil.rmtree(options.dir, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
