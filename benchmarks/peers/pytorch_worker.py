"""PyTorch as a competitor of benchmarks/compare.py; see ../serve.hpp for what goes in and out.
    pytorch_worker.py NETWORK MODE BATCH THREADS     MODE: fp32 or qat
FP32 is eager and channels_last. QAT is what prepare_qat_fx makes with the default mapping of x86: fused observers and
fake quantization, convolution and batch norm fused for training.
"""
import sys
import warnings

import torch
from torch import nn

from networks import NETWORKS, image
from serve import peak_memory, serve


def main():
    network, mode, batch, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    before = peak_memory()  # of the interpreter and its libraries
    x = torch.randn(batch, *image(network)).to(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (batch,))
    model = NETWORKS[network]().to(memory_format=torch.channels_last).train()
    if mode == "qat":
        from torch.ao.quantization import get_default_qat_qconfig_mapping
        from torch.ao.quantization.quantize_fx import prepare_qat_fx
        model = prepare_qat_fx(model, get_default_qat_qconfig_mapping("x86"), (x,)).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    loss = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(model(x), y).backward()
        optimizer.step()

    serve(step, before)


main()
