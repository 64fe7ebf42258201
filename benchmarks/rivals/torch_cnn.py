"""The network of 2018 in eager PyTorch, channels last: torch_cnn.py BATCH_SIZE PRECISION."""

import contextlib
import sys
import time

import torch
from torch import nn


def main(batch_size: int, precision: str) -> None:
    """Answer lines with a number of steps with the seconds they took."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(7 * 7 * 64, 1024),
        nn.ReLU(),
        nn.Dropout(0.4),
        nn.Linear(1024, 10),
    ).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    cast = torch.autocast("cpu", torch.bfloat16) if precision == "bfloat16" else None
    images = torch.rand(batch_size, 1, 28, 28).to(memory_format=torch.channels_last)
    labels = torch.randint(10, (batch_size,))

    def take(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            with cast or contextlib.nullcontext():
                loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()

    take(3)
    print("ready", flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        take(int(line))
        print(time.perf_counter() - began, flush=True)


main(int(sys.argv[1]), sys.argv[2])
