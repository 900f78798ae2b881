"""stet's fake quantization inside torch.distributed: one model, quantized weights, two processes with gloo.

    python examples/torch_distributed/train.py LIBRARY      (libtorch_distributed.so, built from fake_quantize.cpp beside)

Trains with DistributedDataParallel in one process and in two, on the same samples. Replicas must stay equal to the bit, both runs
must end alike up to the order of sums, and the weights that the network computes with must have at most 255 values each.
"""
import ctypes
import os
import sys
import tempfile

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def library(path):
    lib = ctypes.CDLL(path)
    pointer = ctypes.c_void_p
    lib.stet_fake_quantize.argtypes = [pointer, ctypes.c_int64, pointer]
    lib.stet_fake_quantize_backward.argtypes = [pointer, pointer, ctypes.c_int64, pointer]
    return lib


def fake_quantize_of(lib):
    class FakeQuantize(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            x = x.contiguous()
            context.save_for_backward(x)
            y = torch.empty_like(x)
            if lib.stet_fake_quantize(x.data_ptr(), x.numel(), y.data_ptr()):
                raise ValueError("stet refused a tensor")
            return y

        @staticmethod
        def backward(context, dy):
            (x,) = context.saved_tensors
            dy, dx = dy.contiguous(), torch.empty_like(x)
            if lib.stet_fake_quantize_backward(x.data_ptr(), dy.data_ptr(), x.numel(), dx.data_ptr()):
                raise ValueError("stet refused a tensor")
            return dx

    return FakeQuantize.apply


class Quantized(torch.nn.Module):
    def __init__(self, lib):
        super().__init__()
        self.first, self.second = torch.nn.Linear(20, 64), torch.nn.Linear(64, 4)
        self.fake_quantize = fake_quantize_of(lib)

    def forward(self, x):
        linear = torch.nn.functional.linear
        x = torch.relu(linear(x, self.fake_quantize(self.first.weight), self.first.bias))
        return linear(x, self.fake_quantize(self.second.weight), self.second.bias)


def train(rank, processes, path, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=processes)
    torch.manual_seed(1)
    model = torch.nn.parallel.DistributedDataParallel(Quantized(library(path)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = torch.Generator().manual_seed(2)
    losses = []
    for _ in range(100):
        x = torch.randn(64, 20, generator=data)
        labels = x[:, :4].argmax(dim=1)
        own = slice(rank * 64 // processes, (rank + 1) * 64 // processes)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x[own]), labels[own])
        loss.backward()  # gloo averages the gradients meanwhile
        optimizer.step()
        whole = loss.detach() / processes
        dist.all_reduce(whole)
        losses.append(whole.item())
    flat = torch.cat([p.detach().flatten() for p in model.parameters()])
    gathered = [torch.empty_like(flat) for _ in range(processes)]
    dist.all_gather(gathered, flat)
    if rank == 0:
        equal = all(torch.equal(flat, other) for other in gathered)
        values = max(len(torch.unique(model.module.fake_quantize(layer.weight.detach()))) for layer in (model.module.first, model.module.second))
        torch.save((flat, losses, equal, values), f"{folder}/end")
    dist.destroy_process_group()


def run(processes, path):
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(train, args=(processes, path, folder), nprocs=processes)
        return torch.load(f"{folder}/end")


def main():
    path = os.path.abspath(sys.argv[1])
    (one, losses, _, _), (two, losses_of_two, equal, values) = run(1, path), run(2, path)
    # Rounded weights jump where sums differ in the last bit, so the end is compared by what it achieves, the first step closely.
    close = abs(losses[0] - losses_of_two[0]) < 1e-5 and abs(losses[-1] - losses_of_two[-1]) < 0.02
    passed = equal and close and values <= 255 and losses_of_two[-1] < losses_of_two[0] / 2
    print(f"torch_distributed {'passed' if passed else 'FAILED'}: two processes equal: {equal}, at most {values} values per weight tensor, "
          f"loss {losses_of_two[0]:.4f} -> {losses_of_two[-1]:.4f} (one process {losses[-1]:.4f}), "
          f"largest difference of a weight {(one - two).abs().max().item():.1e}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
