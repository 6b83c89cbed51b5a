"""What `bench/gpu.py` measures of a training: images a second, operations of a step, and the card's own limit."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.loops import Epoch, Network
from winnow.objectives.data.loading import Data
from winnow.objectives.hyperparameters import Config, change
from winnow.objectives.stack import train_stack
from winnow.objectives.training import begin


@dataclass
class Rate:
    """Images a second, the median over the epochs after the first."""

    images: float
    first_epoch_seconds: float
    """With what it compiles, captures and caches."""
    epochs: int
    spread: tuple[float, float] = field(default=(0.0, 0.0))
    """Least and most images a second of an epoch."""


def rate_of(counts: Sequence[int], ends: Sequence[float], began: float) -> Rate:
    """The rate of epochs of so many images that ended at these times."""
    rates = [n / (end - start) for n, start, end in zip(counts[1:], ends, ends[1:], strict=False)]
    return Rate(statistics.median(rates), ends[0] - began, len(rates), (min(rates), max(rates)))


def measure(epoch: Epoch, device: torch.device, seconds: float) -> Rate:
    """Run epochs for so many seconds after a first one, which warms up."""
    began = time.perf_counter()
    counts: list[int] = []
    ends: list[float] = []
    while len(ends) < 2 or ends[-1] - ends[0] < seconds:
        counts.append(epoch())
        synchronise(device)
        ends.append(time.perf_counter())
    return rate_of(counts, ends, began)


class Enough(Exception):
    """Raised in `report` to end a training."""


def measure_ours(configs: Sequence[Config], data: Data, seconds: float) -> Rate:
    """The rate of trials of one shape as one stack (of one: of `train`), from report to report of the first."""
    began = time.perf_counter()
    ends: list[float] = []

    def report(first: bool, *_: Any) -> None:
        if first:
            ends.append(time.perf_counter())
        if len(ends) > 2 and ends[-1] - ends[0] >= seconds:
            raise Enough

    ended: list[Any] = []
    endless = [change(config, epochs=1_000_000) for config in configs]
    train_stack(
        (begin(config, data, partial(report, member == 0)), ended.append) for member, config in enumerate(endless)
    )
    for end in ended:
        if not isinstance(end, Enough):
            raise end
    return rate_of([len(configs) * len(data.train.targets)] * len(ends), ends, began)


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def operations_of(network: Network, *, training: bool) -> float:
    """Floating-point operations for one image: forward, and in training backward; the optimiser left out."""
    batch = 4
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(training):
        outputs = network.plain()(torch.randn(batch, 3, 32, 32))
        if training:
            outputs.sum().backward()
    return float(counter.get_total_flops()) / batch


def matmul_peak(device: torch.device, dtype: torch.dtype, size: int, tf32: bool = False, seconds: float = 1.0) -> float:
    """Floating-point operations a second of a square matrix product of random numbers; on a CPU, of its time."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
        for _ in range(3):
            a @ b
        synchronise(device)
        began, products = clock(), 0
        while clock() - began < seconds:
            for _ in range(10):
                a @ b
            products += 10
            synchronise(device)
        return 2 * size**3 * products / (clock() - began)
    finally:
        torch.set_float32_matmul_precision(before)
