"""Images a second of data in a file: read ahead, held in memory, and by a DataLoader with workers.

    OMP_NUM_THREADS=1 python -m bench.streaming

Random images of 96 pixels in a memory-mapped file, as `[data] stream = true` reads them; epochs of `train`, and epochs
of batches alone, normalised. By the CPU time of all processes, a loader's workers with them, in turns: what is read
ahead costs its time here too, though training does not wait for it.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import torch
from torch.utils.data import DataLoader, Dataset

from bench import usual
from bench.loops import MEAN, STD
from bench.pairing import as_in_a_trainer
from bench.training import BATCH
from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.data.loading import Data, Split
from winnow.objectives.data.rows import Rows, in_a_file
from winnow.objectives.data.streaming import Streamed
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.models.building import build
from winnow.objectives.training import train

IMAGES, SIDE, WORKERS, TURNS = 1_024, 96, 2, 7
CONFIG = make_config(model="cnn", filters=[8, 16], hidden=[32], batch_size=BATCH, epochs=2)


class Mapped(Dataset[tuple[torch.Tensor, int]]):
    """The same images, one at a time, as a map-style data set gives them to a loader."""

    def __init__(self, rows: Rows, targets: torch.Tensor) -> None:
        self._rows, self._targets = rows, targets

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        image = torch.from_numpy(self._rows.read(place, place + 1)[0])
        mean, std = (torch.tensor(each).view(3, 1, 1) for each in (MEAN, STD))
        return (image.float() / 255 - mean) / std, int(self._targets[place])


def data(inputs: torch.Tensor | Streamed, targets: torch.Tensor) -> Data:
    """Training data; one of them stands for validation, so that training is what is timed."""
    one = Split(torch.zeros((1, 3, SIDE, SIDE), dtype=torch.uint8), targets[:1])
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    return Data("random", "classification", Split(inputs, targets), one, 10, (3, SIDE, SIDE), mean, std, "random")


def cpu_seconds() -> float:
    """Of this process and its children."""
    children = (child.cpu_times() for child in psutil.Process().children(recursive=True))
    return time.process_time() + math.fsum(times.user + times.system for times in children)


def batches(held: Data) -> float:
    """Images a second of an epoch's batches alone."""
    augmentation = Augmentation(CONFIG, held)
    orders = torch.split(torch.randperm(IMAGES), BATCH)
    started = cpu_seconds()
    augmentation.expect(orders)
    for index in orders:
        augmentation.batch(index, {})
    return IMAGES / (cpu_seconds() - started)


def training(held: Data) -> float:
    """Images a second of the second epoch of `train`."""
    ends: list[float] = []
    train(replace(CONFIG, epochs=2), held, lambda *_: ends.append(cpu_seconds()))
    return IMAGES / (ends[1] - ends[0])


def loaded(loader: usual.Batches) -> float:
    """Images a second of a loader's batches alone."""
    started = cpu_seconds()
    return sum(len(images) for images, _ in loader) / (cpu_seconds() - started)


def loaded_training(loader: usual.Batches) -> float:
    """Images a second of the usual loop over a loader."""
    model = build(CONFIG, (3, SIDE, SIDE), 10)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    started = cpu_seconds()
    usual.train_epoch(model, loader, optimizer)
    return IMAGES / (cpu_seconds() - started)


def row(name: str, ways: Sequence[Callable[[], float]]) -> str:
    """Time the ways in turns after one turn that does not count; the last is the one that the others are beside."""
    turns = [[way() for way in ways] for _ in range(TURNS + 1)][1:]
    medians = [statistics.median(each) for each in zip(*turns, strict=True)]
    ratios = [[turn[-1] / turn[place] for turn in turns] for place in range(len(ways) - 1)]
    beside = [f"{statistics.median(each):.2f}x ({min(each):.2f} to {max(each):.2f})" for each in ratios]
    return f"{name:<14}" + "".join(f"{each:>14,.0f}" for each in medians) + "   " + "   ".join(beside)


def main() -> None:
    as_in_a_trainer()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        array = in_a_file(Path(folder), (IMAGES, 3, SIDE, SIDE), np.uint8)
        array[:] = np.random.default_rng(0).integers(0, 256, array.shape, dtype=np.uint8)
        rows, targets = Rows(array, np.arange(IMAGES)), torch.arange(IMAGES) % 10
        held, streamed = data(torch.from_numpy(array.copy()), targets), data(Streamed(rows, "cpu"), targets)
        loader: usual.Batches = DataLoader(
            Mapped(rows, targets), BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True
        )
        print(f"{'':<14}{'loader':>14}{'memory':>14}{'streamed':>14}   streamed beside the loader, and beside memory")
        print(row("batches alone", [lambda: loaded(loader), lambda: batches(held), lambda: batches(streamed)]))
        usual_way = [lambda: loaded_training(loader), lambda: training(held), lambda: training(streamed)]
        print(row("training", usual_way))


if __name__ == "__main__":
    main()
