"""PyTorch's functions on one tensor as competitors of benchmarks/compare.py; see ../serve.hpp for what goes in and out.
    pytorch_spans.py WORK ELEMENTS     WORK: fake_quantize, fake_quantize_channels or quantize, as in ../span_worker.cpp
"""
import sys

import torch

from serve import serve


def main():
    work, n = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    x = torch.randn(n // 64, 64)
    scales, zeros = 0.02 + 0.001 * torch.arange(64), torch.zeros(64, dtype=torch.int32)
    call = {"fake_quantize": lambda: torch.fake_quantize_per_tensor_affine(x, 0.03, 3, -128, 127),
            "fake_quantize_channels": lambda: torch.fake_quantize_per_channel_affine(x, scales, zeros, 1, -128, 127),
            "quantize": lambda: torch.quantize_per_tensor(x, 0.03, 3, torch.qint8)}[work]

    def step():
        for _ in range(max(1, (16 << 20) // n)):
            call()

    with torch.no_grad():
        serve(step)


main()
