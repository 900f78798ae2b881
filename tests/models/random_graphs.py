"""Networks of PyTorch drawn at random: exported, loaded, trained on integers, and their codes compared with the runtimes'.

usage: python random_graphs.py PROGRAM DIRECTORY [--graphs N] [--seed FIRST] [--legacy] [--codes N] [--results FILE]
PROGRAM is tests/models/load_model.cpp, compiled. Needs torch and onnx (2.13.0 and 1.23.2 were used); --codes, how many of
the graphs are also run in LiteRT and ONNX Runtime, ai-edge-litert and onnxruntime. A graph is a function of its seed: up to
twelve operators on images, tokens and vectors, branches, sums and constants among them. A graph may be refused when it is
loaded or prepared, which is counted with its reason; whatever is accepted must compute PyTorch's floats to 1e-5 of the largest
output and end in the engine with the codes of the training forward. What does not is wrong: its seed is said, its file is kept, and
the exit status is 1. Codes made behind operators that run in float are counted apart: floats of two programs differ in their last digits.
"""

import argparse
import collections
import contextlib
import os
import random
import re
import sys
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from judge_codes import codes_of, numbered
from stages import record, remove_files, run, save_arrays
from torch_networks import spread

warnings.filterwarnings("ignore")

# Functions of one number, of values of any shape.
FUNCTIONS = {
    "relu": F.relu, "relu6": F.relu6, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "silu": F.silu, "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid, "elu": F.elu, "selu": F.selu, "celu": F.celu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "mish": F.mish, "softplus": F.softplus, "softplus_2": lambda x: F.softplus(x, 2.0), "leaky": lambda x: F.leaky_relu(x, 0.1), "clamp": lambda x: torch.clamp(x, -0.7, 1.3),
    "clamp_min": lambda x: torch.clamp(x, min=-0.5), "abs": torch.abs, "neg": lambda x: -x, "square": lambda x: x * x,
    "exp": lambda x: torch.exp(torch.clamp(x, max=2.0)), "log": lambda x: torch.log(x * x + 1.0), "sqrt": lambda x: torch.sqrt(F.relu(x) + 0.1),
    "rsqrt": lambda x: torch.rsqrt(x * x + 0.5), "reciprocal": lambda x: 1.0 / (x * x + 1.0), "pow": lambda x: torch.pow(x * x + 0.2, 0.7),
    "halved": lambda x: x * 0.5, "shifted": lambda x: x + 0.25, "from_one": lambda x: 1.0 - x, "by_three": lambda x: x / 3.0,
    "softsign": F.softsign, "logsigmoid": F.logsigmoid, "tanhshrink": F.tanhshrink, "hardtanh": lambda x: F.hardtanh(x, -0.5, 0.7),
}


class Constant(nn.Module):
    """A sum or product with a constant for each channel."""

    def __init__(self, kind, shape):
        super().__init__()
        self.kind = kind
        self.register_buffer("value", torch.rand(shape) + 0.5)

    def forward(self, x):
        return {"add": x + self.value, "sub": x - self.value, "mul": x * self.value, "div": x / self.value, "rsub": self.value - x}[self.kind]


class Excite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.heads = nn.MultiheadAttention(width, 2, batch_first=True)

    def forward(self, x):
        return x + self.heads(x, x, x, need_weights=False)[0]


class Function(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, *x):
        return self.f(*x)


def of_images(r, c, h, w):
    """A layer for maps [N, c, h, w]."""
    kind = r.choice(["conv", "conv", "conv", "depthwise", "grouped", "transposed", "batch_norm", "max_pool", "avg_pool", "adaptive", "upsample", "pad", "constant",
                     "excite", "instance_norm", "group_norm", "lrn", "slice", "shuffle", "unshuffle", "chunks", "prelu", "function", "function", "swap"])
    k = r.choice([k for k in (1, 2, 3, 5) if k <= min(h, w)])
    stride, out = r.choice([1, 1, 2]), r.choice([4, 6, 8, 12])
    if kind == "conv":
        return nn.Conv2d(c, out, k, stride, r.randint(0, k // 2), dilation=r.choice([1, 1, 2]) if 2 * k <= min(h, w) else 1, bias=r.random() < 0.7)
    if kind == "depthwise":
        return nn.Conv2d(c, c * r.choice([1, 1, 2]), k, stride, k // 2, groups=c)
    if kind == "grouped" and c % 2 == 0:
        return nn.Conv2d(c, out, k, 1, k // 2, groups=2)
    if kind == "transposed" and h <= 16:
        s = r.choice([1, 2])
        return nn.ConvTranspose2d(c, out, r.choice([2, 3]), s, r.choice([0, 1]), output_padding=r.choice([0, 1]) if s == 2 else 0)
    if kind == "batch_norm":
        return nn.BatchNorm2d(c)
    if kind in ("max_pool", "avg_pool") and min(h, w) >= 4:
        k, p = r.choice([(2, 0), (3, 0), (3, 1)])
        pool = nn.MaxPool2d if kind == "max_pool" else nn.AvgPool2d
        more = {} if kind == "max_pool" else {"count_include_pad": r.random() < 0.5}
        return pool(k, r.choice([1, 2]), p, ceil_mode=r.random() < 0.4, **more)
    if kind == "adaptive":
        return nn.AdaptiveAvgPool2d(r.choice([1, 2]))
    if kind == "upsample" and h <= 12:
        mode = r.choice(["nearest", "bilinear"])
        return nn.Upsample(scale_factor=2, mode=mode, align_corners=r.random() < 0.5 if mode == "bilinear" else None)
    if kind == "pad":
        sides = (r.randint(0, 1), r.randint(0, 1), r.randint(0, 1), r.randint(0, 1))
        return nn.ReflectionPad2d(sides) if r.random() < 0.4 and min(h, w) > 1 else nn.ZeroPad2d(sides)
    if kind == "constant":
        return Constant(r.choice(["add", "sub", "mul", "div", "rsub"]), r.choice([(1, c, 1, 1), (c, 1, 1), (1,)]))
    if kind == "excite":
        return Excite(c)
    if kind == "instance_norm" and h * w > 3:
        return nn.InstanceNorm2d(c, affine=r.random() < 0.5)
    if kind == "group_norm" and c % 2 == 0:
        return nn.GroupNorm(2, c)
    if kind == "lrn":
        return nn.LocalResponseNorm(3)
    if kind == "slice" and min(h, w) >= 4:
        return Function(lambda x: x[:, :, 1:, :-1] if w % 2 else x[:, :, ::2, :])
    if kind == "shuffle" and c % 4 == 0:
        return nn.PixelShuffle(2)
    if kind == "unshuffle" and h % 2 == 0 and w % 2 == 0 and c <= 8:
        return nn.PixelUnshuffle(2)
    if kind == "chunks" and c % 2 == 0:
        return Function(lambda x: torch.cat(list(reversed(x.chunk(2, 1))), 1))
    if kind == "prelu":
        return nn.PReLU(c)
    if kind == "swap":
        return Function(lambda x: x.transpose(2, 3))
    return Function(FUNCTIONS[r.choice(list(FUNCTIONS))])


def of_vectors(r, shape):
    """A layer for vectors [N, c] and tokens [N, t, c]."""
    c = shape[-1]
    kind = r.choice(["linear", "linear", "batch_norm", "layer_norm", "constant", "function", "function", "softmax", "attention", "turned"])
    if kind == "linear":
        return nn.Linear(c, r.choice([4, 8, 12]), bias=r.random() < 0.8)
    if kind == "batch_norm" and len(shape) == 1:
        return nn.BatchNorm1d(c)
    if kind == "layer_norm" and c > 2:
        return nn.LayerNorm(c)
    if kind == "constant":
        return Constant(r.choice(["add", "sub", "mul", "div"]), r.choice([(c,), (1,)]))
    if kind == "softmax":
        return nn.Softmax(-1)
    if kind == "attention" and len(shape) == 2 and c % 2 == 0:
        return Attention(c)
    if kind == "turned" and len(shape) == 2:
        return Function(lambda x: x.transpose(1, 2))
    return Function(FUNCTIONS[r.choice(list(FUNCTIONS))])


def join(r, a, b):
    """A function of two values of these shapes, or none."""
    if a == b:
        return r.choice([torch.add, torch.sub, torch.mul, torch.maximum, torch.minimum, lambda x, y: x / (y * y + 1.0), lambda x, y: torch.cat([x, y], 1)])
    if len(a) == len(b) == 3 and a[1:] == b[1:]:
        return lambda x, y: torch.cat([x, y], 1)
    if len(a) == len(b) == 1:
        return lambda x, y: torch.cat([x, y], 1)
    return None


class Drawn(nn.Module):
    """Layers in a row, some of two values; run once to know the shapes."""

    def __init__(self, seed):
        super().__init__()
        r = random.Random(seed)
        self.input = (r.choice([1, 3, 4]), r.choice([8, 11, 16]), r.choice([8, 11, 16])) if r.random() < 0.8 else (r.choice([8, 16]),)
        self.layers, self.steps = nn.ModuleList(), []
        values = [torch.randn(2, *self.input)]
        self.eval()
        for _ in range(r.randint(3, 12)):
            i = len(values) - 1 if r.random() < 0.8 else r.randrange(len(values))
            shape, operands = tuple(values[i].shape[1:]), [i]
            layer = None
            if len(values) > 1 and r.random() < 0.2:
                j = r.randrange(len(values))
                f = join(r, shape, tuple(values[j].shape[1:])) if j != i else None
                if f is not None:
                    layer, operands = Function(f), [i, j]
            if layer is None and len(shape) == 3 and r.random() < 0.12:
                layer = Function(r.choice([lambda x: torch.flatten(x, 1), lambda x: x.mean((2, 3)), lambda x: x.amax((2, 3)), lambda x: x.flatten(2).transpose(1, 2)]))
            if layer is None and len(shape) == 2 and r.random() < 0.2:
                layer = Function(r.choice([lambda x: x.mean(1), lambda x: torch.flatten(x, 1), lambda x: x[:, 0]]))
            if layer is None:
                layer = of_images(r, *shape) if len(shape) == 3 else of_vectors(r, shape)
            layer.eval()
            with torch.no_grad():
                y = layer(*[values[k] for k in operands])
            if y[0].numel() > 20000 or 0 in y.shape:
                continue
            self.layers.append(layer)
            self.steps.append(operands)
            values.append(y)
        used = {i for operands in self.steps for i in operands}
        ends = [i for i in range(1, len(values)) if i not in used]
        self.ends = [len(values) - 1] + ([r.choice(ends[:-1])] if len(ends) > 1 and r.random() < 0.5 else [])

    def forward(self, x):
        values = [x]
        for layer, operands in zip(self.layers, self.steps):
            values.append(layer(*[values[i] for i in operands]))
        outputs = tuple(values[i] for i in self.ends)
        return outputs if len(outputs) > 1 else outputs[0]


def export(seed, path, legacy):
    """Writes graph and arrays; False if there is nothing in it, or it has no finite result."""
    torch.manual_seed(seed)
    model = Drawn(seed).eval()
    if not model.steps:
        return False
    spread(model, seed, 0.2)
    x = torch.randn(4, *model.input)
    with torch.no_grad():
        y = model(x)
    y = list(y) if isinstance(y, tuple) else [y]
    if not all(t.isfinite().all() and t.abs().max() < 1e4 for t in y):
        return False
    with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet), torch.no_grad():
        if legacy:
            torch.onnx.export(model, x, path, dynamo=False, opset_version=17, input_names=["x"], dynamic_axes={"x": {0: "N"}})
        else:
            torch.onnx.export(model, x, path)
    save_arrays(os.path.splitext(path)[0], [x.numpy()], [t.numpy() for t in y])
    return True


def kind_of(refusal):
    """The operator and the first reason, without the node's name."""
    first = refusal.split("|")[1 if "|" in refusal else 0].strip()
    return re.sub(r"^.*?(\(\w+\)?): ", r"\1 ", re.sub(r"node_?\w*", "", first))[:150]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("directory")
    parser.add_argument("--graphs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--legacy", action="store_true")
    parser.add_argument("--codes", type=int, default=0, metavar="N", help="how many graphs are run in the runtimes too")
    parser.add_argument("--results", default="", help="the file that table.py reads")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(options.directory, exist_ok=True)
    count, reasons, codes = collections.Counter(), collections.Counter(), collections.Counter()
    seed, wrong = options.seed, []
    while count["graphs"] < options.graphs:
        path = os.path.join(options.directory, f"graph{seed}{'_legacy' if options.legacy else ''}.onnx")
        seed += 1
        try:
            if not export(seed - 1, path, options.legacy):
                continue
        except Exception as e:  # PyTorch's own refusal
            count["not exported"] += 1
            reasons[f"not exported: {type(e).__name__}"] += 1
            continue
        count["graphs"] += 1
        judged = count["graphs"] <= options.codes
        target = "onnxruntime" if count["graphs"] % 2 else "litert_default"
        prefix = os.path.splitext(path)[0] + "." + target
        stages = run(options.program, path, *(["--target", target, "--int8", prefix] if judged else []))
        bad = next((s for s, text in stages.items() if text.startswith("refused") or s == "crash"), None)
        if bad in ("load", "prepare"):
            count["refused"] += 1
            reasons[kind_of(stages[bad])] += 1
        elif bad == "write":
            count["not written"] += 1
            reasons[f"not written for {target}: " + kind_of(stages[bad])] += 1
        elif bad is not None:
            wrong.append(seed - 1)
            print(f"seed {seed - 1}: {bad}: {stages[bad][:300]}", flush=True)
            continue
        else:
            count["engine"] += 1
            if judged:
                made, left = codes_of(prefix)
                engine = [y.astype(np.int16) for y in numbered(prefix, "y")]
                kind = "behind operators in float" if left or "float" in stages["prepare"] else "of integers alone"
                codes[kind] += sum(y.size for y in engine)
                differ = sum(int((c.reshape(y.shape) != y).sum()) for c, y in zip(made, engine))
                codes[kind + ", differ"] += differ
                if differ and kind == "of integers alone":
                    wrong.append(seed - 1)
                    print(f"seed {seed - 1}: {differ} codes differ from {target}", flush=True)
                    continue
        remove_files(path)
        for end in ("tflite", "onnx", "onnx.data", *(f"{w}{i}.npy" for w in "xy" for i in ("", ".1", ".2"))):
            if os.path.exists(f"{prefix}.{end}"):
                os.remove(f"{prefix}.{end}")
    for reason, n in reasons.most_common(12):
        print(f"{n:4} {reason}")
    for kind in ("of integers alone", "behind operators in float"):
        if codes[kind]:
            print(f"codes {kind}: {codes[kind + ', differ']} of {codes[kind]} differ from the runtimes'")
    print(f"{count['graphs']} graphs, {count['engine']} reach the engine, {count['refused']} are refused, {len(wrong)} are wrong" +
          (f", {count['not written']} are not written in the runtime's format" if count["not written"] else "") +
          (f"; PyTorch did not export {count['not exported']} more" if count["not exported"] else ""))
    record(options.results, "graphs_legacy" if options.legacy else "graphs", count["graphs"], wrong=len(wrong), load=count["graphs"] - count["refused"],
           engine=count["engine"], codes=codes["of integers alone"], codes_differ=codes["of integers alone, differ"])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
