"""Networks as people have them in PyTorch: exported, loaded, trained on integers, and how far each comes.

usage: python torch_networks.py PROGRAM DIRECTORY [--legacy] [--only NAME,NAME] [--keep] [--table FILE.md] [--results FILE]
PROGRAM is tests/models/load_model.cpp, compiled. Needs torch, onnx and onnxscript (2.13.0, 1.23.2 and 0.7.2 were used); the
families of torchvision are there if it is installed, also without its C++ operators. Weights are random, running statistics
too, images small. Exporters: torch.onnx.export(model, x, file) without options, or the one by tracing (--legacy).
The table has a row per network: the stage that it reaches, and the first lines of what stands in its way.
"""

import os
import sys
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from stages import arguments, judge, save_arrays

warnings.filterwarnings("ignore")
IMAGE = (3, 64, 64)


class MLP(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))


class DoubleConv(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(), nn.Conv2d(o, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())


class UNet(nn.Module):
    """up: "transposed" or the mode of an interpolation."""

    def __init__(self, up):
        super().__init__()
        self.up = up
        self.a, self.b, self.c = DoubleConv(3, 8), DoubleConv(8, 16), DoubleConv(16, 32)
        self.up2 = nn.ConvTranspose2d(32, 16, 2, 2) if up == "transposed" else nn.Conv2d(32, 16, 1)
        self.up1 = nn.ConvTranspose2d(16, 8, 2, 2) if up == "transposed" else nn.Conv2d(16, 8, 1)
        self.d, self.e, self.out = DoubleConv(32, 16), DoubleConv(16, 8), nn.Conv2d(8, 2, 1)

    def grow(self, layer, x):
        return layer(x) if self.up == "transposed" else layer(F.interpolate(x, scale_factor=2, mode=self.up))

    def forward(self, x):
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        c = self.c(F.max_pool2d(b, 2))
        x = self.d(torch.cat([b, self.grow(self.up2, c)], 1))
        return self.out(self.e(torch.cat([a, self.grow(self.up1, x)], 1)))


class AutoEncoder(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 8, 2, 2), nn.ReLU(),
                         nn.ConvTranspose2d(8, 1, 2, 2), nn.Sigmoid())


class PreActivation(nn.Module):
    """Residual blocks with the batch norm first, normalization of the input inside, pools that count padding."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(16) for _ in range(4))
        self.convs = nn.ModuleList(nn.Conv2d(16, 16, 3, 1, 1, bias=False) for _ in range(4))
        self.scale = nn.Parameter(torch.full((16, 1, 1), 0.5))
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = F.avg_pool2d(self.stem((x - self.mean) / self.std), 3, 2, 1)
        for i in (0, 2):
            y = self.convs[i](F.relu(self.norms[i](x)))
            x = x + self.convs[i + 1](F.relu(self.norms[i + 1](y))) * self.scale
        return F.log_softmax(self.head(x.mean((2, 3))), -1)


class KeywordSpotting(nn.Sequential):
    """DS-CNN on mel spectra."""

    def __init__(self):
        def block():
            return [nn.Conv2d(32, 32, 3, padding=1, groups=32), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 1), nn.BatchNorm2d(32), nn.ReLU()]

        super().__init__(nn.Conv2d(1, 32, (10, 4), 2, (5, 1)), nn.BatchNorm2d(32), nn.ReLU(), *block(), *block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(32, 12))


class M5(nn.Sequential):
    """Sound as samples: convolutions and pools of one dimension."""

    def __init__(self):
        super().__init__(nn.Conv1d(1, 16, 80, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.MaxPool1d(4), nn.Conv1d(16, 32, 3), nn.BatchNorm1d(32), nn.ReLU(),
                         nn.AvgPool1d(2), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 10))


class TemporalConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(9 if i == 0 else 16, 16, 3, dilation=2**i) for i in range(3))
        self.out = nn.Linear(16, 6)

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = F.relu(layer(F.pad(x, (2 * 2**i, 0))))
        return self.out(x[:, :, -1])


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.rnn, self.out = kind(9, 16, batch_first=True), nn.Linear(16, 6)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


class Detector(nn.Module):
    """Boxes and classes from two scales."""

    def __init__(self):
        super().__init__()
        self.a, self.b = DoubleConv(3, 16), DoubleConv(16, 24)
        self.heads = nn.ModuleList([nn.Conv2d(16, 18, 3, padding=1), nn.Conv2d(24, 18, 3, padding=1)])

    def forward(self, x):
        a = F.max_pool2d(self.a(x), 4)
        b = F.max_pool2d(self.b(a), 2)
        maps = [head(y).permute(0, 2, 3, 1).reshape(x.shape[0], -1, 6) for head, y in zip(self.heads, (a, b))]
        y = torch.cat(maps, 1)
        return y[..., :4], y[..., 4:].softmax(-1)


class SuperResolution(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 16, 5, 1, 2), nn.ReLU(), nn.Conv2d(16, 4, 3, 1, 1), nn.PixelShuffle(2))


class SqueezeExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.down, self.up, self.out = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1), nn.Linear(16, 10)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = x * torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))
        return self.out(x.mean((2, 3)))


class Encoder(nn.Module):
    """A transformer on patches."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 8, 8)
        self.position = nn.Parameter(torch.randn(1, 64, 32) * 0.02)
        self.layer, self.out = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), nn.Linear(32, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        return self.out(self.layer(x).mean(1))


class Mixer(nn.Module):
    """Tokens and channels mixed by linear layers."""

    def __init__(self):
        super().__init__()
        self.patches, self.tokens, self.channels, self.out = nn.Conv2d(3, 32, 8, 8), nn.Linear(64, 64), nn.Linear(32, 32), nn.Linear(32, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2)
        x = x + F.relu(self.tokens(x))
        x = x.transpose(1, 2)
        return self.out((x + F.relu(self.channels(x))).mean(1))


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(DoubleConv(3, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 8))

    def forward(self, x):
        a, b = self.body(x), self.body(x.flip(3))
        return (a - b).abs().sum(1, keepdim=True)


class SiamesePair(Siamese):
    """The same body for two inputs."""

    def forward(self, x, other):
        a, b = self.body(x), self.body(other)
        return a, b


class Fusion(nn.Module):
    """A picture and measurements, with a class and a position out of both."""

    def __init__(self):
        super().__init__()
        self.image = nn.Sequential(DoubleConv(3, 12), nn.MaxPool2d(4), nn.Conv2d(12, 24, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.sensors = nn.Sequential(nn.Linear(10, 16), nn.BatchNorm1d(16), nn.ReLU())
        self.body = nn.Sequential(nn.Linear(40, 32), nn.ReLU())
        self.label, self.position = nn.Linear(32, 5), nn.Linear(32, 2)

    def forward(self, image, sensors):
        y = self.body(torch.cat([self.image(image), self.sensors(sensors)], 1))
        return self.label(y), torch.sigmoid(self.position(y))


class MultiTask(nn.Module):
    """A map and a class that share their first layers."""

    def __init__(self):
        super().__init__()
        self.body = DoubleConv(3, 12)
        self.map = nn.Sequential(nn.Conv2d(12, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, 1, 1))
        self.label = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 4))

    def forward(self, x):
        y = self.body(x)
        return self.map(y), self.label(y)


def own():
    return {
        "mlp": (MLP, (16,)),
        "unet_transposed": (lambda: UNet("transposed"), IMAGE),
        "unet_nearest": (lambda: UNet("nearest"), IMAGE),
        "unet_bilinear": (lambda: UNet("bilinear"), IMAGE),
        "autoencoder": (AutoEncoder, (1, 28, 28)),
        "preactivation": (PreActivation, IMAGE),
        "keyword_spotting": (KeywordSpotting, (1, 49, 10)),
        "m5": (M5, (1, 2000)),
        "temporal_conv": (TemporalConv, (9, 64)),
        "lstm": (lambda: Recurrent(nn.LSTM), (32, 9)),
        "gru": (lambda: Recurrent(nn.GRU), (32, 9)),
        "detector": (Detector, IMAGE),
        "super_resolution": (SuperResolution, (1, 24, 24)),
        "squeeze_excite": (SqueezeExcite, IMAGE),
        "transformer": (Encoder, IMAGE),
        "mixer": (Mixer, IMAGE),
        "siamese": (Siamese, IMAGE),
        "siamese_pair": (SiamesePair, [IMAGE, IMAGE]),
        "fusion": (Fusion, [IMAGE, (10,)]),
        "multi_task": (MultiTask, IMAGE),
    }


def of_torchvision():
    global library  # lives as long as its operators
    try:
        library = torch.library.Library("torchvision", "DEF")  # where its compiled operators are missing
        for name in ("nms", "qnms"):
            library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:  # they are there
        pass
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as e:
        print("without torchvision:", e)
        return {}
    names = {
        "alexnet": (3, 224, 224), "vgg11_bn": (3, 224, 224), "resnet18": IMAGE, "resnet50": IMAGE, "resnext50_32x4d": IMAGE, "squeezenet1_0": IMAGE,
        "squeezenet1_1": IMAGE, "densenet121": IMAGE, "googlenet": IMAGE, "inception_v3": (3, 96, 96), "shufflenet_v2_x1_0": IMAGE,
        "mobilenet_v2": IMAGE, "mobilenet_v3_small": IMAGE, "mnasnet1_0": IMAGE, "efficientnet_b0": IMAGE, "regnet_x_400mf": IMAGE,
        "regnet_y_400mf": IMAGE, "convnext_tiny": IMAGE, "vit_b_32": (3, 224, 224), "swin_t": IMAGE,
    }

    def maker(name):
        extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}


        def make():
            model = getattr(models, name)(weights=None, num_classes=10, **extra)
            if name.startswith(("alexnet", "vgg")):  # most of their hundreds of MB
                inputs = next(m.in_features for m in model.classifier if isinstance(m, nn.Linear))
                model.classifier = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 10))
            return model

        return make

    found = {name: (maker(name), shape) for name, shape in names.items()}
    for name in ("fcn_resnet50", "lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large"):
        found[name] = (lambda name=name: Only(getattr(models.segmentation, name)(weights=None, weights_backbone=None, num_classes=4)), (3, 128, 128))
    return found


class Only(nn.Module):
    """The first of the named outputs."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)["out"]


def spread(model, seed=5, deviation=0.1):
    """Running statistics, gammas and heads that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for m in model.modules():
            if isinstance(m, nn.modules.batchnorm._BatchNorm):
                m.running_mean.copy_(torch.randn(m.running_mean.shape, generator=generator) * deviation)
                m.running_var.copy_(torch.rand(m.running_var.shape, generator=generator) + 0.5)
                m.weight.copy_(torch.rand(m.weight.shape, generator=generator) + 0.5)
            if isinstance(m, nn.Linear) and not m.weight.any():  # the head of a vision transformer begins with zeros, which prove nothing
                m.weight.copy_(torch.randn(m.weight.shape, generator=generator) * m.in_features**-0.5)


def export(name, make, shape, path, legacy):
    torch.manual_seed(3)
    model = make().eval()
    spread(model)
    shapes = shape if isinstance(shape, list) else [shape]
    samples, drawn = 4 if shapes[0][-1] < 200 else 2, torch.Generator().manual_seed(11)
    x = tuple(torch.randn((samples, *s), generator=drawn) for s in shapes)
    with torch.no_grad():
        y = model(*x)
    with open(os.devnull, "w") as quiet, torch.no_grad():
        out, sys.stdout = sys.stdout, quiet
        try:
            if legacy:
                torch.backends.mha.set_fastpath_enabled(False)  # an operator of its own, which tracing does not export
                names = ["x"] + [f"x{i}" for i in range(1, len(x))]
                torch.onnx.export(model, x, path, dynamo=False, opset_version=17, dynamic_axes={n: {0: "N"} for n in names}, input_names=names)
            else:
                torch.onnx.export(model, x, path)
        finally:
            sys.stdout = out
    if not isinstance(y, (torch.Tensor, tuple)):  # torchvision names its outputs; the first is the answer
        y = y[0] if not isinstance(y, dict) else next(iter(y.values()))
    save_arrays(os.path.splitext(path)[0], [t.numpy() for t in x], [t.numpy() for t in ((y,) if isinstance(y, torch.Tensor) else y)])


def main():
    parser = arguments(__doc__)
    parser.add_argument("--legacy", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    networks = {**of_torchvision(), **own()}
    judge(options, "torch_legacy" if options.legacy else "torch", list(networks), lambda name: name + ".onnx", lambda name, path: export(name, *networks[name], path, options.legacy))


if __name__ == "__main__":
    main()
