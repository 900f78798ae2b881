#!/usr/bin/env python3
"""Times one FP32 training step of the three example networks in PyTorch, to compare with benchmarks/step_time.

    python3 -m venv build/torch-venv
    build/torch-venv/bin/pip install torch==2.13.0
    build/torch-venv/bin/python benchmarks/pytorch/step_time.py --threads 1
    build/torch-venv/bin/python benchmarks/pytorch/step_time.py --threads 2

Prints one line of JSON per network: median (and fastest) milliseconds of the forward pass and of the whole step.
Batch 128, 28x28x1, channels_last, Adam, cross entropy. The networks are interleaved, so that a slow spell of the
machine meets all of them.
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn


def conv_bn(cin, cout, stride=1, kernel=3, groups=1, act=nn.ReLU):
    layers = [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(cout)]
    return layers + ([act()] if act else [])


def plain():
    return nn.Sequential(
        *conv_bn(1, 16), nn.MaxPool2d(2), *conv_bn(16, 32), nn.MaxPool2d(2), *conv_bn(32, 64),
        nn.Flatten(), nn.Linear(7 * 7 * 64, 10))


def separable():
    layers = conv_bn(1, 16, act=nn.ReLU6)
    for cin, cout, stride in [(16, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1)]:
        layers += conv_bn(cin, cin, stride, groups=cin, act=nn.ReLU6) + conv_bn(cin, cout, kernel=1, act=nn.ReLU6)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.main = nn.Sequential(*conv_bn(cin, cout, stride), *conv_bn(cout, cout, act=None))
        same = cin == cout and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv_bn(cin, cout, stride, kernel=1, act=None))

    def forward(self, x):
        return torch.relu(self.main(x) + self.shortcut(x))


def residual():
    return nn.Sequential(
        *conv_bn(1, 16), Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class Run:
    """One network with its optimizer; step() returns the milliseconds of (forward, whole step)."""

    def __init__(self, make, batch):
        torch.manual_seed(1)
        self.net = make().to(memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3)
        self.loss = nn.CrossEntropyLoss()
        self.x = torch.rand(batch, 1, 28, 28).to(memory_format=torch.channels_last)
        self.y = torch.randint(0, 10, (batch,))
        self.times = []

    def step(self):
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.net(self.x), self.y)
        middle = time.perf_counter()
        loss.backward()
        self.optimizer.step()
        end = time.perf_counter()
        return 1e3 * (middle - start), 1e3 * (end - start)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--batch", type=int, default=128)
    options.add_argument("--warm-up", type=int, default=5)
    options.add_argument("--steps", type=int, default=30)
    options.add_argument("--network", choices=["plain", "separable", "residual"], help="only this one")
    args = options.parse_args()
    torch.set_num_threads(args.threads)

    makers = {"plain": plain, "separable": separable, "residual": residual}
    runs = {name: Run(make, args.batch) for name, make in makers.items() if args.network in (None, name)}
    for i in range(args.warm_up + args.steps):
        for run in runs.values():
            times = run.step()
            if i >= args.warm_up:
                run.times.append(times)
    for name, run in runs.items():
        forward, step = zip(*run.times)
        print(json.dumps({
            "network": name, "framework": "PyTorch " + torch.__version__, "threads": args.threads, "batch": args.batch,
            "forward_ms": round(statistics.median(forward), 2), "step_ms": round(statistics.median(step), 2),
            "fastest_step_ms": round(min(step), 2),
            "parameters": sum(p.numel() for p in run.net.parameters())}))


if __name__ == "__main__":
    main()
