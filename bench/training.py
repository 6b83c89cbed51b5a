"""Training images a second: `train` against the usual loop and a competent person's, on one thread.

    OMP_NUM_THREADS=1 python -m bench.training

Random images in the shape of CIFAR; flip, crop and colour jitter are system B's. Each rate is that of a whole epoch,
after one that warms up, in this process's time on the CPU; all ways are timed in turns. Beside ours stands how near its
operations come to those of a bare matrix product on the same core.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch.utils.data import DataLoader

from bench import usual
from bench.gpu_figures import matmul_peak, operations_of
from bench.loops import MEAN, MLP, SMALLNET, STD, Network, cifar_like, competent
from bench.pairing import HEADER, Ratio, as_in_a_trainer, in_turns, rate
from winnow.objectives.calibration import faster_precision
from winnow.objectives.data.loading import Data
from winnow.objectives.hyperparameters import Config, change
from winnow.objectives.training import train

BATCH = 128
USUAL_IMAGES = 768
SYSTEM_B = {"flip": True, "crop": True, "color_jitter": True}
JITTER = 0.2
IMAGES = {MLP: 15_360, SMALLNET: 1_536}


def ours(config: Config, data: Data) -> float:
    """Training images a second by `train`, from its first report to its second."""
    ends: list[float] = []
    train(replace(config, epochs=2), data, lambda *_: ends.append(time.process_time()))
    return len(data.train.targets) / (ends[1] - ends[0])


def usual_way(network: Network, data: Data) -> Callable[[], float]:
    """What measures the usual loop's training images a second, on the first of `data`, augmented."""
    inputs, targets = data.train.inputs[:USUAL_IMAGES], data.train.targets[:USUAL_IMAGES]
    assert isinstance(inputs, torch.Tensor)
    images = usual.Images(inputs, targets, usual.AUGMENTATIONS, MEAN, STD)
    batches: usual.Batches = DataLoader(images, BATCH, shuffle=True)
    model = network.plain()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    return partial(rate, lambda: usual.train_epoch(model, batches, optimizer))


def of_peak(images: Sequence[float], operations: float, precision: str) -> str:
    """How near so many images a second, of so many operations each, come to what this core gives at the most."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    done, peak = statistics.median(images) * operations, matmul_peak(torch.device("cpu"), dtype, 1024)
    return f"{'':<54}{done / 1e9:.0f} GFLOP/s of the {peak / 1e9:.0f} of a bare product: {done / peak:.0%}"


def main() -> None:
    as_in_a_trainer()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread, batches of {BATCH}")
    networks = [(network, cifar_like(images)) for network, images in IMAGES.items()]
    print("\ntraining images with flip, crop and colour jitter\n" + HEADER)
    for network, data in networks:
        slow = usual_way(network, data)
        for precision in ("fp32", "bf16"):
            config = change(network.config, **SYSTEM_B, precision=precision)
            chosen = " (calibrated)" if faster_precision(config, data) == precision else ""
            able = competent(network, data, BATCH, bf16=precision == "bf16", jitter=JITTER)
            rates = in_turns([slow, partial(rate, able), partial(ours, config, data)])
            for opponent, theirs in zip(("the usual loop", "a competent one"), rates, strict=False):
                print(Ratio(f"{network.name}, {precision}{chosen}, {opponent}", theirs, rates[-1]), flush=True)
            print(of_peak(rates[-1], operations_of(network, training=True), precision), flush=True)
    print("\nseconds of an epoch with augmentation over one without: median (least to most)")
    for network, data in networks:
        for label, more in (("flip, crop, colour jitter", {}), ("and affine", {"affine": True})):
            config = change(network.config, **SYSTEM_B, **more)
            rates = in_turns([partial(ours, config, data), partial(ours, network.config, data)])
            costs = Ratio(label, *rates).ratios
            spread = f"{statistics.median(costs):.2f} ({min(costs):.2f} to {max(costs):.2f})"
            print(f"{f'{network.name}, {label}':<52} {spread}", flush=True)


if __name__ == "__main__":
    main()
