#!/usr/bin/env python3
"""Compares steps of training and of inference: of this library with itself, with PyTorch, LiteRT and ONNX Runtime.

    sh benchmarks/run.sh [--quick] [--peers] [--out DIR]      builds and calls this
    compare.py --worker FILE --portable FILE [--peers PYTHON] [--quick] [--out DIR]

Every competitor is a process of its own that stays warm; they take turns, one step at a time and only one of them at
work, so that a slow spell of the machine meets all. One thread: medians of processor time. All threads: medians of wall
clock. Prints tables with goals, writes DIR/benchmarks.json, benchmarks.md (the table of docs/performance.md) and benchmarks.html.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
NETWORKS = ["plain", "separable", "residual", "mlp", "conv", "depthwise", "resnet20", "mobilenetv2", "resnet18"]
QUICK = ["plain", "separable", "mlp", "conv"]
BATCH = {"mobilenetv2": 32, "resnet18": 32}


class Worker:
    """A competitor: start() waits until it is ready, step() makes one step and keeps its times, end() its memory."""

    def __init__(self, name, command, environment=None):
        self.name, self.wall, self.cpu, self.memory = name, [], [], 0
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env={**os.environ, **(environment or {})})

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended: {' '.join(self.process.args)}")
        return line.split()

    def start(self):
        if self.answer() != ["ready"]:
            raise RuntimeError(f"{self.name} is not ready")

    def step(self, keep=True):
        self.process.stdin.write("1\n")
        self.process.stdin.flush()
        wall, cpu = map(float, self.answer())
        if keep:
            self.wall.append(wall)
            self.cpu.append(cpu)

    def end(self):
        self.process.stdin.close()
        self.memory = int(self.process.stdout.read() or 0)
        self.process.wait()


class Bench:
    def __init__(self, options):
        self.options = options
        self.rows, self.sweeps = [], []
        self.files = pathlib.Path(tempfile.mkdtemp(prefix="stet_compare_"))
        self.saved = set()

    # Commands of competitors.
    def own(self, network, mode, batch, threads, binary=None):
        return [binary or self.options.worker, network, mode, "--batch", batch, "--threads", threads]

    def torch(self, network, mode, batch, threads):
        return [self.options.peers, HERE / "peers/pytorch_worker.py", network, mode, batch, threads]

    def runtime(self, network, runtime, suffix, batch, threads):
        prefix = self.files / network
        if network not in self.saved:
            subprocess.run([str(c) for c in self.own(network, "infer", 1, 1)] + ["--save", str(prefix)], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            self.saved.add(network)
        return [self.options.peers, HERE / "peers/runtime_worker.py", runtime, f"{prefix}{suffix}", batch, threads]

    def measure(self, commands, steps, threads, environment=None):
        """Medians in milliseconds and peak memory, by name; commands is a dictionary."""
        workers = [Worker(name, c, environment) for name, c in commands.items()]
        for w in workers:
            w.start()
        for _ in range(3):
            for w in workers:
                w.step(keep=False)
        for _ in range(steps):
            for w in workers:
                w.step()
        for w in workers:
            w.end()
        return {w.name: (statistics.median(w.cpu if threads == 1 else w.wall), w.memory) for w in workers}

    def row(self, table, network, threads, ratio, goal, at_most, note=""):
        holds = ratio <= goal if at_most else ratio >= goal
        self.rows.append({"table": table, "network": network, "threads": threads, "ratio": round(ratio, 3),
                          "goal": ("<= " if at_most else ">= ") + str(goal), "holds": holds, "note": note})
        print(f"  {table:<44} {network:<16} {threads} thr  {ratio:6.2f}   goal {'<=' if at_most else '>='} {goal:<5} "
              f"{'holds' if holds else 'falls short'}  {note}", flush=True)

    def training(self, network, batch, threads, steps):
        commands = {m: self.own(network, m, batch, threads) for m in ("fp32", "live", "frozen")}
        if self.options.peers:
            commands |= {"torch fp32": self.torch(network, "fp32", batch, threads),
                         "torch qat": self.torch(network, "qat", batch, threads)}
        t = self.measure(commands, steps, threads)
        name = network if batch == BATCH.get(network, 128) else f"{network} b{batch}"
        heavy = network in ("mlp", "mobilenetv2", "resnet18")
        goals = (1.2, 1.2) if batch == 16 else (1.0, 0.9) if heavy else (0.8, 0.65)
        note = f"{t['live'][0]:.2f} / {t['fp32'][0]:.2f} ms"
        self.row("QAT step, live / own FP32", name, threads, t["live"][0] / t["fp32"][0], goals[0], True, note)
        self.row("QAT step, frozen / own FP32", name, threads, t["frozen"][0] / t["fp32"][0], goals[1], True)
        if threads == 1:
            self.row("peak memory of a live step / own FP32", name, threads, t["live"][1] / t["fp32"][1], 0.7, True,
                     f"{t['live'][1] / 2**20:.0f} / {t['fp32'][1] / 2**20:.0f} MiB")
            self.row("peak memory of a frozen step / own FP32", name, threads, t["frozen"][1] / t["fp32"][1], 0.7, True)
        if self.options.peers:
            note = f"{t['fp32'][0]:.2f} / {t['torch fp32'][0]:.2f} ms"
            self.row("own FP32 / PyTorch FP32", name, threads, t["fp32"][0] / t["torch fp32"][0], 0.95, True, note)
            note = f"{t['live'][0]:.2f} / {t['torch qat'][0]:.2f} ms"
            self.row("own QAT / PyTorch QAT", name, threads, t["live"][0] / t["torch qat"][0], 0.5, True, note)
            if threads == 1:
                self.row("peak memory of own FP32 / PyTorch FP32", name, threads, t["fp32"][1] / t["torch fp32"][1], 1.0, True,
                         f"{t['fp32'][1] / 2**20:.0f} / {t['torch fp32'][1] / 2**20:.0f} MiB")

    def inference(self, network, batch, threads, steps):
        commands = {"engine": self.own(network, "engine", batch, threads)}
        commands |= {"litert": self.runtime(network, "litert", ".tflite", batch, threads),
                     "onnxruntime": self.runtime(network, "onnxruntime", ".onnx", batch, threads)}
        if batch == 1:
            commands |= {"infer": self.own(network, "infer", 1, threads),
                         "float": self.runtime(network, "litert", ".float.tflite", 1, threads)}
        t = self.measure(commands, steps, threads)
        name = f"{network} b{batch}"
        rate = 1e3 * batch
        note = f"{rate / t['engine'][0]:.0f} / {rate / t['litert'][0]:.0f} images/s"
        self.row("engine / LiteRT, images per second", name, threads, t["litert"][0] / t["engine"][0], 1.05, False, note)
        self.row("engine / ONNX Runtime, images per second", name, threads, t["onnxruntime"][0] / t["engine"][0], 1.1, False)
        if batch == 1:
            self.row("FP32 infer / LiteRT float, images per second", name, threads, t["float"][0] / t["infer"][0], 0.9, False)

    def spans(self, steps):
        """Functions on spans beside memcpy of as many floats, and beside PyTorch's."""
        names = ("fake_quantize", "fake_quantize_channels", "fake_quantize_backward", "quantize")
        for size, elements in (("64KB", 1 << 14), ("1MB", 1 << 18), ("64MB", 1 << 24)):
            commands = {n: [self.options.spans, n, elements] for n in ("memcpy",) + names}
            peers = [n for n in names if n != "fake_quantize_backward"] if self.options.peers and size == "1MB" else []
            commands |= {f"torch {n}": [self.options.peers, HERE / "peers/pytorch_spans.py", n, elements] for n in peers}
            t = self.measure(commands, steps, 1)
            for n in names:
                note = f"{4e-6 * (1 << 24) / t[n][0]:.1f} GB/s of floats"
                self.row(f"{n} / memcpy, speed", size, 1, t["memcpy"][0] / t[n][0], 0.9 if size == "64MB" else 0.7, False, note)
            for n in peers:
                self.row(f"own {n} / PyTorch's, time", size, 1, t[n][0] / t[f"torch {n}"][0], 1.0, True)

    def loading(self, steps):
        """60,000 images of 28x28 from files, and their batches made beside the training."""
        t = self.measure({n: [self.options.spans, n, 60000] for n in ("load", "busy", "batches")}, steps, 0)
        self.row("60,000 images from IDX files, seconds", "28x28", 1, t["load"][0] / 1e3, 0.22, True)
        self.row("an epoch with batches / without, time", "28x28", 2, t["batches"][0] / t["busy"][0], 1.05, True, "a millisecond per step")

    def flags(self, network, steps):
        """What compile flags and instruction sets cost."""
        batch = BATCH.get(network, 128)
        for mode in ("fp32", "live"):
            t = self.measure({"native": self.own(network, mode, batch, 1),
                              "none": self.own(network, mode, batch, 1, self.options.portable)}, steps, 1)
            self.row(f"speed of -O2 without flags / native, {mode}", network, 1, t["native"][0] / t["none"][0], 0.95, False)
        for isa, goal in (("avx2", 1.0), ("baseline", 1.15)):
            try:
                t = self.measure({m: self.own(network, m, batch, 1, self.options.portable) for m in ("fp32", "live")}, steps, 1,
                                 {"STET_ISA": isa})
            except RuntimeError:
                print(f"  {isa}: this machine does not have it", flush=True)
                continue
            self.row(f"QAT step, live / own FP32 on {isa}", network, 1, t["live"][0] / t["fp32"][0], goal, True)

    def batches(self, network, steps):
        """Milliseconds per image of a step, by batch."""
        self.sweep("batch", network, (2, 4, 8, 16, 32, 64, 128, 256, 512), lambda m, b: (self.own(network, m, b, 1), b), steps)

    def channels(self, network, steps):
        """The same by how many times as many channels all layers have."""
        batch = 32
        self.sweep("channels, times", network, (1, 2, 3, 4),
                   lambda m, k: (self.own(network if k == 1 else f"{network}_x{k}", m, batch, 1), batch), steps)

    def threads(self, network, steps):
        """The same by threads, wall clock."""
        self.sweep("threads", network, tuple(range(1, (os.cpu_count() or 1) + 1)), lambda m, n: (self.own(network, m, 128, n), 128), steps)

    def sweep(self, what, network, values, command, steps):
        """Milliseconds per image; command(mode, value) gives what is run and its batch."""
        points, modes = [], ("fp32", "live", "frozen")
        for v in values:
            runs = {m: command(m, v) for m in modes}
            t = self.measure({m: r[0] for m, r in runs.items()}, steps, 0 if what == "threads" else 1)
            points.append({what: v, **{m: t[m][0] / runs[m][1] for m in runs}})
        self.sweeps.append({"what": what, "network": network, "points": points})
        print(f"  {network}, microseconds per image of FP32 / live / frozen by {what}: " + ", ".join(
            f"{p[what]}: " + " / ".join(f"{1e3 * p[m]:.0f}" for m in modes) for p in points), flush=True)


def markdown(result):
    """A table of ratios, a row per comparison and number of threads, a column per network; goals that hold are bold."""
    names = list(dict.fromkeys(r["network"].split()[0] for r in result["rows"]))
    lines = {}
    for r in result["rows"]:
        network, *batch = r["network"].split()
        key = (r["table"] + (f", batch {batch[0][1:]}" if batch else ""), r["threads"])
        text = f"{r['ratio']:.2f}"
        goals, cells = lines.setdefault(key, ([], {}))
        if r["goal"] not in goals:
            goals.append(r["goal"])
        cells[network] = f"**{text}**" if r["holds"] else text
    table = ["| ratio | threads | goal | " + " | ".join(names) + " |", "|---" * (3 + len(names)) + "|"]
    for (name, threads), (goals, cells) in lines.items():
        goal = ", ".join(goals).replace("<=", "≤").replace(">=", "≥")
        table.append(f"| {name} | {threads} | {goal} | " + " | ".join(cells.get(n, "–") for n in names) + " |")
    return "\n".join(table) + "\n"


def escape(text):
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plot(sweep):
    """Microseconds per image against what is swept, evenly spaced; the other axis is logarithmic."""
    import math
    points, modes, what = sweep["points"], ("fp32", "live", "frozen"), sweep["what"]
    colours = {"fp32": "#6b7280", "live": "#2563eb", "frozen": "#059669"}
    values = [p[m] for p in points for m in modes]
    low, high = math.log(min(values)), math.log(max(values) * 1.05)
    width, height, left, bottom = 420, 260, 60, 40

    def at(i, v):
        x = left + i * (width - left - 20) / max(len(points) - 1, 1)
        y = 15 + (high - math.log(v)) / (high - low or 1) * (height - bottom - 15)
        return f"{x:.1f},{y:.1f}"

    svg = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="time per image by {escape(what)}">']
    for i, p in enumerate(points):
        x = at(i, values[0]).split(",")[0]
        svg.append(f'<text x="{x}" y="{height - 18}" text-anchor="middle">{p[what]}</text>')
    for v in (min(values), max(values)):
        y = at(0, v).split(",")[1]
        svg.append(f'<text x="{left - 6}" y="{y}" text-anchor="end" dy="4">{1e3 * v:.0f} µs</text>')
    svg.append(f'<text x="{width / 2}" y="{height - 2}" text-anchor="middle">{escape(what)}</text>')
    for k, m in enumerate(modes):
        line = " ".join(at(i, p[m]) for i, p in enumerate(points))
        svg.append(f'<polyline points="{line}" fill="none" stroke="{colours[m]}" stroke-width="2"/>')
        svg.append(f'<text x="{width - 90}" y="{25 + 16 * k}" fill="{colours[m]}">{m}</text>')
    return "".join(svg) + "</svg>"


def bars(rows):
    """One bar per network, the goal as a line."""
    goal = float(rows[0]["goal"].split()[1])
    most = max([r["ratio"] for r in rows] + [goal]) * 1.1
    height = 22 * len(rows) + 10
    svg = [f'<svg viewBox="0 0 420 {height}" role="img" aria-label="ratios">']
    for i, r in enumerate(rows):
        length, y = 240 * r["ratio"] / most, 5 + 22 * i
        colour = "#059669" if r["holds"] else "#d97706"
        svg.append(f'<text x="125" y="{y + 14}" text-anchor="end">{escape(r["network"])}, {r["threads"]} thr</text>'
                   f'<rect x="130" y="{y + 2}" width="{length:.1f}" height="16" fill="{colour}"/>'
                   f'<text x="{134 + length:.1f}" y="{y + 14}">{r["ratio"]:.2f}</text>')
    x = 130 + 240 * goal / most
    svg.append(f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height}" stroke="currentColor" stroke-dasharray="4 3"/></svg>')
    return "".join(svg)


STYLE = """:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:760px;margin:2rem auto;padding:0 1rem}
svg{width:100%;max-width:520px;height:auto;font-size:12px}svg text{fill:currentColor}h2{font-size:1.1rem;margin-top:2rem}p{color:GrayText}"""


def page(result):
    tables = {}
    for r in result["rows"]:
        tables.setdefault(r["table"], []).append(r)
    parts = ['<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
             f"<title>Benchmarks</title><style>{STYLE}</style><h1>Benchmarks</h1><p>{escape(result['machine'])}. Bars are "
             "ratios, the dashed line is the goal.</p>"]
    for name, rows in tables.items():
        for goal in dict.fromkeys(r["goal"] for r in rows):
            parts.append(f"<h2>{escape(name)}, goal {escape(goal)}</h2>{bars([r for r in rows if r['goal'] == goal])}")
    for s in result["sweeps"]:
        parts.append(f"<h2>Time per image by {escape(s['what'])}, {escape(s['network'])}</h2>{plot(s)}")
    return "".join(parts) + "</html>\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", required=True, help="bench_worker")
    parser.add_argument("--spans", required=True, help="bench_span_worker")
    parser.add_argument("--portable", required=True, help="the same at -O2 without flags")
    parser.add_argument("--peers", help="a Python that has PyTorch, LiteRT and ONNX Runtime")
    parser.add_argument("--quick", action="store_true", help="four networks, few steps, one thread")
    parser.add_argument("--networks", help="only these, with commas")
    parser.add_argument("--out", default=".", type=pathlib.Path)
    options = parser.parse_args()
    bench = Bench(options)
    networks = options.networks.split(",") if options.networks else QUICK if options.quick else NETWORKS
    steps = 5 if options.quick else 11
    threads = [1] if options.quick else sorted({1, os.cpu_count() or 1})
    cases = [(n, BATCH.get(n, 128)) for n in networks] + ([("mlp", 16)] if "mlp" in networks else []) + \
        ([("resnet18", 2)] if "resnet18" in networks else [])
    for count in threads:
        print(f"== training, {count} thread(s)", flush=True)
        for network, batch in cases:
            bench.training(network, batch, count, steps)
    if options.peers:
        for count in threads:
            print(f"== inference, {count} thread(s)", flush=True)
            for network in networks:
                for batch in (64, 1):
                    bench.inference(network, batch, count, 5 * steps)
    print("== flags and instruction sets", flush=True)
    for network in networks:
        bench.flags(network, steps)
    print("== spans and data", flush=True)
    bench.spans(steps)
    bench.loading(steps)
    print("== batches, channels and threads", flush=True)
    for network in networks if not options.quick else networks[:1]:
        if network in ("plain", "mlp", "separable"):
            bench.batches(network, 5)
    if not options.quick:
        bench.channels("conv", 5)
        bench.threads("plain", 5)
        bench.threads("mlp", 5)
    model = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    result = {"machine": f"{model}, {os.cpu_count()} cores", "rows": bench.rows, "sweeps": bench.sweeps}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "benchmarks.json").write_text(json.dumps(result, indent=1) + "\n")
    (options.out / "benchmarks.md").write_text(markdown(result))
    (options.out / "benchmarks.html").write_text(page(result))
    held = sum(r["holds"] for r in bench.rows)
    print(f"{held} of {len(bench.rows)} goals hold; {options.out / 'benchmarks.html'}")


if __name__ == "__main__":
    sys.exit(main())
