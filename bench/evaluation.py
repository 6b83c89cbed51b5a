"""Evaluated images a second: `evaluate` against the usual loop over a DataLoader, on one thread.

    OMP_NUM_THREADS=1 python -m bench.evaluation

Random images in the shape of CIFAR; the time is this process's on the CPU, both ways in turns.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch.utils.data import DataLoader

from bench import usual
from bench.pairing import HEADER, as_in_a_trainer, compare
from bench.training import BATCH, MEAN, MLP, SMALLNET, STD, cifar_like
from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.calibration import faster_precision
from winnow.objectives.data.loading import Data
from winnow.objectives.evaluation import evaluate
from winnow.objectives.hyperparameters import Config
from winnow.objectives.models.building import build

USUAL_IMAGES = 1536


def ours(config: Config, data: Data) -> Callable[[], int]:
    """One evaluation of all of `data`."""
    model, augmentation = build(config, data.shape, data.classes), Augmentation(config, data)

    def evaluation() -> int:
        evaluate(model, data.train, augmentation, config.precision)
        return len(data.train.targets)

    return evaluation


def theirs(model: torch.nn.Module, data: Data) -> Callable[[], int]:
    """One evaluation of the first of `data`."""
    inputs, targets = (part[:USUAL_IMAGES] for part in (data.train.inputs, data.train.targets))
    batches: usual.Batches = DataLoader(usual.Images(inputs, targets, (), MEAN, STD), BATCH)

    def evaluation() -> int:
        usual.evaluate(model, batches)
        return USUAL_IMAGES

    return evaluation


def main() -> None:
    as_in_a_trainer()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread\n{HEADER}")
    networks = (
        ("SmallNet", SMALLNET, cifar_like(5120, 100), usual.smallnet()),
        ("MLP 3072-256-256-10", MLP, cifar_like(20_480, 10), usual.mlp()),
    )
    for name, config, data, model in networks:
        chosen = faster_precision(config, data)
        for precision in ("fp32", "bf16"):
            label = f"{name}, {precision}{' (calibrated)' if chosen == precision else ''}"
            print(compare(label, theirs(model, data), ours(replace(config, precision=precision), data)), flush=True)


if __name__ == "__main__":
    main()
