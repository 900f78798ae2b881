"""Makes the PyTorch models that tests/io/torch keeps, each as .onnx with an input and PyTorch's own output.

usage: python make_torch_model.py DIRECTORY
Needs torch (2.13.0 was used; the CPU build is enough), onnx, onnxscript and numpy. The seed is fixed; running it again with
the same versions gives the same numbers. Files:
  conv_bn_relu.x.npy, .y.npy         input [4,1,28,28] and logits in evaluation mode
  conv_bn_relu.dynamo.onnx           today's exporter
  conv_bn_relu.default.onnx, .onnx.data
                                     the call without options: fixed batch, weights in a file of their own
  conv_bn_relu.legacy.onnx           the exporter by tracing, batch norm folded into the convolutions
  unfolded.x.npy, .y.npy, unfolded.legacy.onnx
                                     the same exported in training mode: BatchNormalization stays. The export runs the
                                     model once more, which moves its statistics; .y.npy is what it computes then
  zoo.x.npy, .y.npy, zoo.dynamo.onnx, zoo.legacy.onnx
                                     one of many operators: depthwise, groups, dilation, branches, concat, hard swish, ...
  operands.x.npy, .y.npy, operands.dynamo.onnx, operands.legacy.onnx
                                     constant operands, lone batch norms, pools that count padding or round up
"""

import sys
import warnings

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")


class ConvBnRelu(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(16)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.bn3 = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(16 * 3 * 3, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.relu(self.bn3(self.depthwise(x)))
        return self.fc(torch.flatten(self.pool(x), 1))


class Zoo(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, (3, 5), stride=(1, 2), padding=(0, 2), bias=True)
        self.bn = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2)
        self.multiplier = nn.Conv2d(8, 16, 3, padding=1, groups=8)
        self.point = nn.Conv2d(16, 8, 1)
        self.dropout = nn.Dropout(0.3)
        self.hidden = nn.Linear(2 * 8 * 6 * 3, 12)
        self.bn1d = nn.BatchNorm1d(12)
        self.scale = nn.Linear(16, 12, bias=False)
        self.out = nn.Linear(12, 5)

    def forward(self, x):
        x = F.relu6(self.bn(self.stem(x)))
        a = F.leaky_relu(self.grouped(x), 0.1)
        b = F.hardswish(self.point(torch.sigmoid(self.multiplier(x))))
        x = torch.cat([a + b, a * torch.tanh(b)], 1)
        gate = self.scale(x.mean((2, 3)))
        x = F.avg_pool2d(x, 2, ceil_mode=False)
        x = F.pad(x, (0, 1, 1, 0))
        x = F.max_pool2d(x, 3, stride=1, padding=1)
        x = self.dropout(x.view(x.size(0), -1))
        x = F.relu(self.bn1d(self.hidden(x))) - gate
        return F.log_softmax(self.out(x), dim=-1)


class Operands(nn.Module):
    """Constants around layers, batch norms without a layer, and pools that count padding or round up."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.3, 0.25]).view(1, 3, 1, 1))
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.gamma = nn.Parameter(torch.linspace(0.5, 1.5, 8).view(8, 1, 1))
        self.norm1 = nn.BatchNorm2d(8)
        self.grow = nn.Conv2d(8, 4, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(12)
        self.squeeze = nn.Conv2d(12, 6, 1, bias=False)
        self.norm3 = nn.BatchNorm1d(6)
        self.out = nn.Linear(6, 5)
        self.temperature = nn.Parameter(torch.tensor(0.7))

    def forward(self, x):
        x = (x - self.mean) / self.std
        x = F.max_pool2d(F.relu(self.stem(x) * self.gamma), 3, 2, ceil_mode=True)
        x = torch.cat([x, self.grow(F.relu(self.norm1(x)))], 1)
        x = F.avg_pool2d(self.squeeze(F.relu(self.norm2(x))), 3, 2, padding=1, ceil_mode=True)
        x = F.relu(self.norm3(F.avg_pool2d(x, 2, 2, ceil_mode=True).mean((2, 3)) * 2 - 1))
        return self.out(x) / self.temperature


def train(model, shape, classes, steps):
    """A few steps on drawn data, so that weights and running statistics are not those of initialization."""
    generator = torch.Generator().manual_seed(7)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    for _ in range(steps):
        labels = torch.randint(classes, (32,), generator=generator)
        x = torch.randn((32, *shape), generator=generator) + labels.view(-1, 1, 1, 1) * 0.3
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()


def export(model, x, path, **options):
    torch.onnx.export(model, (x,), path, input_names=["image"], output_names=["logits"], **options)
    strip(path)
    print(path)


def strip(path):
    """Leaves out documentation and metadata, which hold the paths of the machine."""
    model = onnx.load(path, load_external_data=False)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for item in [*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
        del item.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    model.graph.doc_string = model.doc_string = ""
    onnx.save(model, path)


def legacy(model, x, path, **options):
    export(model, x, path, dynamo=False, opset_version=17, dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}}, **options)


def dynamo(model, x, path):
    export(model, x, path, dynamo=True, external_data=False, dynamic_shapes=({0: torch.export.Dim("N", min=2, max=4096)},))


def default(model, x, path):
    torch.onnx.export(model, (x,), path)
    strip(path)
    print(path)


def save_reference(directory, name, model, x):
    model.eval()
    with torch.no_grad():
        y = model(x)
    np.save(f"{directory}/{name}.x.npy", x.numpy())
    np.save(f"{directory}/{name}.y.npy", y.numpy())


def make(directory, name, model, shape, classes):
    train(model, shape, classes, 30)
    x = torch.randn((4, *shape), generator=torch.Generator().manual_seed(11))
    save_reference(directory, name, model, x)
    dynamo(model, x, f"{directory}/{name}.dynamo.onnx")
    legacy(model, x, f"{directory}/{name}.legacy.onnx")
    return x


def main():
    directory = sys.argv[1]
    torch.manual_seed(3)
    torch.set_num_threads(1)
    model = ConvBnRelu()
    x = make(directory, "conv_bn_relu", model, (1, 28, 28), 10)
    default(model, x, f"{directory}/conv_bn_relu.default.onnx")
    model.train()
    legacy(model, x, f"{directory}/unfolded.legacy.onnx", training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False)
    save_reference(directory, "unfolded", model, x)
    make(directory, "zoo", Zoo(), (3, 12, 9), 5)
    make(directory, "operands", Operands(), (3, 12, 14), 5)


if __name__ == "__main__":
    main()
