"""Networks of PyTorch, quantized by onnxruntime.quantization.quantize_static, in the engine: code for code as in ONNX Runtime.

usage: python quantized_networks.py PROGRAM DIRECTORY [--only NAME,NAME] [--keep] [--results FILE] [--fixtures DIRECTORY]
PROGRAM is tests/models/load_model.cpp, compiled. Needs torch, onnx, onnxruntime (2.13.0, 1.23.2 and 1.32.0 were used), and
torchvision for its families. Each network is written as QDQ with uint8 activations, with int8 ones about any zero point and about zero, with
weights per tensor, and as operators of codes. With int8 activations ONNX Runtime on x86-64 leaves layers behind a branch in float, which gives other codes now and
then (docs/export.md). What ONNX Runtime itself refuses is said and left out. --fixtures writes the small files that
tests/passes/load_onnx_integer_test.cpp reads.
"""

import os
import shutil
import warnings

warnings.filterwarnings("ignore")

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn
from torch.nn import functional as F

from stages import Table, arguments, remove_files, run, save_arrays
from torch_networks import of_torchvision

FAMILIES = ["resnet18", "mobilenet_v2", "shufflenet_v2_x1_0", "mobilenet_v3_small", "efficientnet_b0", "regnet_x_400mf", "googlenet", "mnasnet1_0"]
UINT8 = {"activation_type": QuantType.QUInt8}
INT8 = {"activation_type": QuantType.QInt8}
SYMMETRIC = {**INT8, "extra_options": {"ActivationSymmetric": True}}
VARIANTS = {"uint8": UINT8, "int8": INT8, "symmetric": SYMMETRIC, "per_tensor": {**UINT8, "per_channel": False},
            "operators": {**UINT8, "quant_format": QuantFormat.QOperator}}
FIXTURES = {"residual.uint8", "joined.uint8", "gated.operators", "arithmetic.int8", "depthwise.symmetric"}


class Layers(nn.Module):
    """A network of named layers and a function of them."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.function(self, x)


def residual(m, x):
    x = torch.relu(m.norm(m.first(x)))
    return m.head(torch.relu(x + m.third(torch.relu(m.second(x)))).mean((2, 3)))


def depthwise(m, x):
    x = m.wide(F.relu6(m.deep(F.relu6(m.first(x)))))
    return m.head(torch.flatten(F.max_pool2d(x, 2), 1))


def joined(m, x):
    y = torch.cat([torch.relu(m.left(x)), torch.sigmoid(m.right(x))], 1)
    return m.last(F.leaky_relu(m.both(F.avg_pool2d(y, 2)), 0.1))


def gated(m, x):
    x = m.first(x)
    w = torch.sigmoid(m.up(torch.relu(m.down(F.adaptive_avg_pool2d(x, 1)))))
    return m.last(torch.tanh(F.interpolate(F.hardswish(x * w), scale_factor=2)))


def arithmetic(m, x):
    y = m.first(x)
    w = F.pad(torch.clamp(y - (m.second(y) * m.factor.weight.reshape(1, 8, 1, 1) + 1.5), -1, 1), (1, 1, 1, 1))
    return (w.permute(0, 2, 3, 1) * 0.5).reshape(-1, 512)[:, :64]


def conv(i, o, k, **options):
    return nn.Conv2d(i, o, k, padding=k // 2, **options)


OWN = {
    "residual": (lambda: Layers(residual, first=conv(3, 8, 3, stride=2), norm=nn.BatchNorm2d(8), second=conv(8, 8, 3), third=conv(8, 8, 3), head=nn.Linear(8, 10)), (3, 12, 12)),
    "depthwise": (lambda: Layers(depthwise, first=conv(3, 8, 3), deep=conv(8, 8, 3, groups=8, stride=2), wide=conv(8, 12, 1), head=nn.Linear(12 * 9, 10)), (3, 12, 12)),
    "joined": (lambda: Layers(joined, left=conv(3, 4, 1), right=conv(3, 4, 3), both=conv(8, 6, 3), last=conv(6, 3, 1)), (3, 8, 8)),
    "gated": (lambda: Layers(gated, first=conv(3, 8, 3), down=conv(8, 2, 1), up=conv(2, 8, 1), last=conv(8, 4, 1)), (3, 6, 6)),
    "arithmetic": (lambda: Layers(arithmetic, first=nn.Conv2d(3, 8, 3), second=conv(8, 8, 1), factor=nn.Linear(8, 1, bias=False)), (3, 8, 8)),
    "rows": (lambda: nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 5)), (20,)),
}


class Samples(CalibrationDataReader):
    def __init__(self, name, shape):
        rng = np.random.default_rng(1)
        self.samples = iter([{name: rng.standard_normal((2,) + shape).astype(np.float32)} for _ in range(4)])

    def get_next(self):
        return next(self.samples, None)


def session(path):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def exported(name, make, shape, directory):
    torch.manual_seed(0)
    model = make().eval()
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.2)
            m.running_var.uniform_(0.5, 2)
    path = os.path.join(directory, name + ".float.onnx")
    torch.onnx.export(model, (torch.randn((2,) + shape),), path, dynamic_shapes=({0: torch.export.Dim("n")},), verbose=False, external_data=False)
    quant_pre_process(path, path)
    return path


def main():
    parser = arguments(__doc__)
    parser.add_argument("--fixtures")
    args = parser.parse_args()
    os.makedirs(args.directory, exist_ok=True)
    families = of_torchvision()
    networks = {**OWN, **{n: (families[n][0], (3, 64, 64)) for n in FAMILIES if n in families}}
    table = Table("files")  # of uint8 activations, and of int8 ones
    others = Table("files of int8 activations")
    for name, (make, shape) in networks.items():
        if args.only and name not in args.only.split(","):
            continue
        start = exported(name, make, shape, args.directory)
        entry = onnx.load(start, load_external_data=False).graph.input[0].name
        x = np.random.default_rng(2).standard_normal((4,) + shape).astype(np.float32)
        for variant, options in VARIANTS.items():
            path = os.path.join(args.directory, f"{name}.{variant}.onnx")
            quantize_static(start, path, Samples(entry, shape), **{"per_channel": True, "weight_type": QuantType.QInt8, **options})
            try:
                save_arrays(path[:-5], [x], session(path).run(None, {entry: x}))
            except Exception as e:  # whatever it raises: it cannot run what it wrote
                print(f"{name}.{variant}: ONNX Runtime: {str(e)[:120]}")
                continue
            (table if options["activation_type"] is QuantType.QUInt8 else others).add(f"{name}.{variant}", run(args.program, path, "--integers", "--target", "onnxruntime"))
            if args.fixtures and f"{name}.{variant}" in FIXTURES:
                for part in (".onnx", ".x.0.npy", ".y.0.npy"):
                    shutil.copy(path[:-5] + part, os.path.join(args.fixtures, f"{name}_{variant}{part}"))
            if not args.keep:
                remove_files(path)
        os.remove(start)
    print(table.summary())
    print(others.summary())
    table.record(args.results, "quantized")
    if args.table:
        table.write(args.table)


if __name__ == "__main__":
    main()
