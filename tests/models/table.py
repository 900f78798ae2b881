"""The table of all sets of models: what was measured beside what was aimed for.

usage: python table.py RESULTS.jsonl [--table FILE.md]
RESULTS has a line per set, appended by the scripts of this folder with --results. Exit status 1 if a goal is missed or anything is wrong.
"""

import argparse
import json
import sys

# Of each set: what it is, the stage that is asked for, and the share of the set that must reach it.
SETS = {
    "torch": ("networks of PyTorch, torch.onnx.export without options", "engine", 35 / 39),
    "torch_legacy": ("the same, exported by tracing", "engine", 35 / 39),
    "keras": ("families of Keras, float .tflite", "engine", 1.0),
    "keras_int8": ("families of Keras, int8 .tflite, codes of LiteRT", "engine", 1.0),
    "quantized": ("networks quantized by ONNX Runtime, uint8 activations, its codes", "engine", 1.0),
    "packages": ("trained files in packages", "engine", 16 / 24),
    "nodes": ("node tests of the onnx package", "float", 210 / 225),
    "graphs": ("random graphs of PyTorch, torch.onnx.export without options", "engine", None),
    "graphs_legacy": ("the same, exported by tracing", "engine", None),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results")
    parser.add_argument("--table", default="")
    options = parser.parse_args()
    with open(options.results) as f:
        rows = {r["set"]: r for r in map(json.loads, f)}
    lines = ["| set | of | load | stage asked for | reach it | goal | | wrong |", "|---|---|---|---|---|---|---|---|"]
    missed = 0
    for name, (what, stage, goal) in SETS.items():
        if name not in rows:
            lines.append(f"| {what} | not run | | | | | | |")
            missed += 1
            continue
        r = rows[name]
        share = r[stage] / max(r["of"], 1)
        holds = goal is None or share >= goal - 1e-9
        missed += (not holds) or r.get("wrong", 0) > 0
        lines.append(f"| {what} | {r['of']} | {r.get('load', '–')} | {stage} | {r[stage]} | {'–' if goal is None else f'{goal:.0%}'} | "
                     f"{'' if goal is None else 'holds' if holds else f'falls short: {share:.0%}'} | {r.get('wrong', 0)} |")
        if r.get("codes"):
            lines[-1] += f" {r['codes_differ']} of {r['codes']} codes differ |"
    print("\n".join(lines))
    if options.table:
        with open(options.table, "w") as f:
            f.write("\n".join(lines) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
