"""The networks of benchmarks/networks.hpp in PyTorch."""
import torch
from torch import nn


def conv_bn(cin, cout, kernel=3, stride=1, groups=1, act=nn.ReLU):
    layers = [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(cout)]
    return layers + ([act()] if act else [])


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.main = nn.Sequential(*conv_bn(cin, cout, 3, stride), *conv_bn(cout, cout, act=None))
        same = cin == cout and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv_bn(cin, cout, 1, stride, act=None))
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.main(x) + self.shortcut(x))


class InvertedBlock(nn.Module):
    def __init__(self, cin, expand, cout, stride):
        super().__init__()
        wide = cin * expand
        layers = [] if expand == 1 else conv_bn(cin, wide, 1, act=nn.ReLU6)
        self.main = nn.Sequential(*layers, *conv_bn(wide, wide, 3, stride, groups=wide, act=nn.ReLU6),
                                  *conv_bn(wide, cout, 1, act=None))
        self.same = stride == 1 and cin == cout

    def forward(self, x):
        return x + self.main(x) if self.same else self.main(x)


def head(channels):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


def plain():
    return nn.Sequential(*conv_bn(1, 16), nn.MaxPool2d(2), *conv_bn(16, 32), nn.MaxPool2d(2), *conv_bn(32, 64),
                         nn.Flatten(), nn.Linear(7 * 7 * 64, 10))


def separable():
    layers = conv_bn(1, 16, act=nn.ReLU6)
    for cin, cout, stride in [(16, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1)]:
        layers += conv_bn(cin, cin, 3, stride, groups=cin, act=nn.ReLU6) + conv_bn(cin, cout, 1, act=nn.ReLU6)
    return nn.Sequential(*layers, *head(128))


def residual():
    return nn.Sequential(*conv_bn(1, 16), Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2), *head(64))


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def conv():
    return nn.Sequential(*conv_bn(1, 32), nn.MaxPool2d(2), *conv_bn(32, 64), nn.MaxPool2d(2), *conv_bn(64, 128),
                         *conv_bn(128, 128), *head(128))


def depthwise():
    layers = conv_bn(1, 64)
    for stride in (1, 1, 2, 1):
        layers += conv_bn(64, 64, 3, stride, groups=64)
    return nn.Sequential(*layers, *head(64))


def resnet20():
    layers, cin = conv_bn(3, 16), 16
    for cout in (16, 32, 64):
        for block in range(3):
            layers.append(Block(cin, cout, 2 if block == 0 and cout > 16 else 1))
            cin = cout
    return nn.Sequential(*layers, *head(64))


def resnet18():
    layers, cin = conv_bn(3, 64, 7, 2) + [nn.MaxPool2d(3, 2, 1)], 64
    for cout in (64, 128, 256, 512):
        for block in range(2):
            layers.append(Block(cin, cout, 2 if block == 0 and cout > 64 else 1))
            cin = cout
    return nn.Sequential(*layers, *head(512))


def mobilenetv2():
    layers, cin = conv_bn(3, 32, 3, 2, act=nn.ReLU6), 32
    for expand, cout, blocks, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                         (6, 160, 3, 2), (6, 320, 1, 1)]:
        for block in range(blocks):
            layers.append(InvertedBlock(cin, expand, cout, stride if block == 0 else 1))
            cin = cout
    return nn.Sequential(*layers, *conv_bn(320, 1280, 1, act=nn.ReLU6), *head(1280))


NETWORKS = {f.__name__: f for f in (plain, separable, residual, mlp, conv, depthwise, resnet20, resnet18, mobilenetv2)}


def image(name):
    """Channels, height and width of a network's input."""
    return {"resnet20": (3, 32, 32), "resnet18": (3, 32, 32), "mobilenetv2": (3, 64, 64)}.get(name, (1, 28, 28))
