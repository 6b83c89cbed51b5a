"""Training images a second: `train` against the usual loop, on one thread.

    OMP_NUM_THREADS=1 python -m bench.training

Random images in the shape of CIFAR; flip, crop and colour jitter are system B's. Each rate is that of a whole epoch,
after one that warms up, in this process's time on the CPU; both ways are timed in turns.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch.utils.data import DataLoader

from bench import usual
from bench.pairing import HEADER, Ratio, as_in_a_trainer, rate
from winnow.objectives.calibration import faster_precision
from winnow.objectives.data.loading import Data, Split
from winnow.objectives.hyperparameters import Config, change, make_config
from winnow.objectives.training import train

BATCH = 128
REPETITIONS = 7
USUAL_IMAGES = 768
SYSTEM_B = {"flip": True, "crop": True, "color_jitter": True}
MEAN, STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)

SMALLNET = make_config({"model": "smallnet", "conv_dropout": 0.2, "dropout": 0.2, "optimizer": "adamw"})
MLP = make_config({"model": "mlp", "widths": [256, 256], "dropout": 0.2, "optimizer": "adamw"})


def cifar_like(count: int, classes: int) -> Data:
    """Random images in the shape of CIFAR; one of them stands for validation, so that training is what is timed."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, classes, (count,), generator=generator)
    one = Split(images[:1], labels[:1])
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    return Data("random", "classification", Split(images, labels), one, classes, (3, 32, 32), mean, std, "random")


def ours(config: Config, data: Data) -> float:
    """Training images a second by `train`, from its first report to its second."""
    ends: list[float] = []
    train(replace(config, epochs=2), data, lambda *_: ends.append(time.process_time()))
    return len(data.train.targets) / (ends[1] - ends[0])


def theirs(model: torch.nn.Module, data: Data) -> Callable[[], float]:
    """What measures the usual loop's training images a second, on the first of `data`, augmented."""
    inputs, targets = (part[:USUAL_IMAGES] for part in (data.train.inputs, data.train.targets))
    images = usual.Images(inputs, targets, usual.AUGMENTATIONS, MEAN, STD)
    batches: usual.Batches = DataLoader(images, BATCH, shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    return lambda: rate(lambda: usual.train_epoch(model, batches, optimizer))


def pair(name: str, first: Callable[[], float], second: Callable[[], float]) -> Ratio:
    """Both rates in turns after one turn that does not count; the ratio is the second's over the first's."""
    rates = [(first(), second()) for _ in range(REPETITIONS + 1)][1:]
    return Ratio(name, [rate for rate, _ in rates], [rate for _, rate in rates])


def main() -> None:
    as_in_a_trainer()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread, batches of {BATCH}")
    networks = (
        ("SmallNet", SMALLNET, cifar_like(1536, 100), usual.smallnet()),
        ("MLP 3072-256-256-10", MLP, cifar_like(15_360, 10), usual.mlp()),
    )
    print("\ntraining images with flip, crop and colour jitter\n" + HEADER)
    for name, config, data, model in networks:
        slow = theirs(model, data)
        for precision in ("fp32", "bf16"):
            augmented = change(config, **SYSTEM_B, precision=precision)
            chosen = " (calibrated)" if faster_precision(augmented, data) == precision else ""
            print(pair(f"{name}, {precision}{chosen}", slow, partial(ours, augmented, data)), flush=True)
    print("\nseconds of an epoch with augmentation over one without: median (least to most)")
    for name, config, data, _ in networks:
        for label, more in (("flip, crop, colour jitter", {}), ("and affine", {"affine": True})):
            augmented = change(config, **SYSTEM_B, **more)
            costs = pair(name, partial(ours, augmented, data), partial(ours, config, data)).ratios
            spread = f"{statistics.median(costs):.2f} ({min(costs):.2f} to {max(costs):.2f})"
            print(f"{f'{name}, {label}':<52} {spread}", flush=True)


if __name__ == "__main__":
    main()
