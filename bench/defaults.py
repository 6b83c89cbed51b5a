"""What a spec for a small data set should begin with: `OMP_NUM_THREADS=1 python -m bench.defaults OUT.jsonl`.

On each of seven small data sets the same drawn configurations are trained by each candidate (a model, a batch size),
epoch by epoch; `python -m bench.defaults OUT.jsonl --table` prints, from their curves alone, what the best of a search
would have been and how well an epoch foretells the last. Rows that are there already are not trained again.
"""

import argparse
import functools
import gzip
import json
import math
import random
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from winnow.objectives.data.loading import Data, Split
from winnow.objectives.errors import Diverged
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.trained_model import judge, restore
from winnow.objectives.training import train
from winnow.records import Epoch

SIDE = 16
EPOCHS = 30
CONFIGURATIONS = 12
CHOSEN = "cnn, batches of 32"
"""What `winnow new` writes."""
FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Debian's package dataset-fashion-mnist."""
CANDIDATES: dict[str, dict[str, Any]] = {
    "mlp, batches of 128": {"model": "mlp", "batch_size": 128},
    "cnn, batches of 128": {"model": "cnn", "filters": [16, 32], "hidden": [64], "batch_size": 128},
    "cnn, batches of 32": {"model": "cnn", "filters": [16, 32], "hidden": [64], "batch_size": 32},
    "cnn with batch norm, batches of 32": {
        "model": "cnn",
        "filters": [16, 32],
        "hidden": [64],
        "batch_norm": True,
        "batch_size": 32,
    },
    "smallnet, batches of 32": {"model": "smallnet", "batch_size": 32},
}
Images = tuple[NDArray[np.uint8], NDArray[np.int64]]


# --- seven small data sets of what is installed


def digits() -> Images:
    """800 handwritten digits of scikit-learn, 8 x 8."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.round(found.images[:800] * (255 / 16)).astype(np.uint8)[:, None], found.target[:800]


def cells() -> Images:
    """569 breast masses as 30 measurements each (scikit-learn's breast_cancer), as images of 6 x 5."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    scaled = (found.data - found.data.min(0)) / np.ptp(found.data, 0)
    return np.pad((scaled * 255).astype(np.uint8).reshape(-1, 1, 6, 5), ((0, 0), (0, 0), (1, 1), (1, 2))), found.target


def fashion(count: int, classes: tuple[int, ...] = tuple(range(10))) -> Images:
    """Clothes of Fashion-MNIST, reduced to 16 x 16."""

    def read(name: str, header: int) -> NDArray[np.uint8]:
        content = gzip.decompress((FASHION / name).read_bytes())
        assert struct.unpack(">I", content[:4])[0] & 0xFF == (header - 4) // 4
        return np.frombuffer(content, np.uint8, offset=header)

    images = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    labels = read("train-labels-idx1-ubyte.gz", 8)
    chosen = np.flatnonzero(np.isin(labels, classes))[:count]
    padded = np.pad(images[chosen], ((0, 0), (2, 2), (2, 2))).reshape(-1, SIDE, 2, SIDE, 2).mean((2, 4))
    return padded.astype(np.uint8)[:, None], np.searchsorted(classes, labels[chosen]).astype(np.int64)


def colour_fashion(count: int = 250, classes: tuple[int, ...] = (0, 1, 5, 8, 9)) -> Images:
    """Clothes of some kinds, each in a colour of its own on a background of another."""
    images, labels = fashion(count, classes)
    draw = np.random.default_rng(1)
    share = images / 255
    cloth, ground = draw.uniform(80, 255, (2, len(images), 3, 1, 1))
    return (share * cloth + (1 - share) * ground).astype(np.uint8), labels


def shapes() -> Images:
    """300 circles, squares and triangles of any size, place and colour, on noise."""
    draw = np.random.default_rng(2)
    labels = draw.integers(0, 3, 300)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    images = draw.normal(110, 40, (300, 3, SIDE, SIDE))
    for image, label in zip(images, labels, strict=True):
        middle, size = draw.uniform(5, SIDE - 6, 2), draw.uniform(3, 5)
        down, across = rows - middle[0], columns - middle[1]
        inside = (
            down**2 + across**2 < size**2,
            np.maximum(abs(down), abs(across)) < size * 0.85,
            (abs(across) < (down + size) / 2) & (down < size),
        )[label]
        image[:, inside] = draw.uniform(0, 255, (3, 1)) + draw.normal(0, 25, (3, int(inside.sum())))
    return images.clip(0, 255).astype(np.uint8), labels


def photographs() -> Images:
    """400 pieces of scikit-learn's two photographs: a temple's or a flower's?"""
    from sklearn.datasets import load_sample_images

    draw, pieces = np.random.default_rng(3), []
    for image in load_sample_images().images:
        height, width = image.shape[0] - SIDE, image.shape[1] - SIDE
        pieces += [
            image[top : top + SIDE, left : left + SIDE].transpose(2, 0, 1)
            for top, left in zip(draw.integers(0, height, 200), draw.integers(0, width, 200), strict=True)
        ]
    return np.array(pieces), np.repeat([0, 1], 200)


DATA: dict[str, Callable[[], Images]] = {
    "digits, 800": digits,
    "breast masses, 569": cells,
    "clothes, 800": lambda: fashion(800),
    "shirts or not, 400": lambda: fashion(400, (0, 6)),
    "coloured clothes, 250": colour_fashion,
    "shapes, 300": shapes,
    "photographs, 400": photographs,
}


@functools.cache
def split(name: str, seed: int) -> tuple[Data, Split]:
    """Return two thirds to train, a sixth to validate, and a sixth to test."""
    inputs, targets = DATA[name]()
    order = np.random.default_rng(100 + seed).permutation(len(targets))
    parts = np.split(order, [len(order) * 4 // 6, len(order) * 5 // 6])
    splits = [Split(torch.from_numpy(inputs[part].copy()), torch.from_numpy(targets[part].copy())) for part in parts]
    scaled = torch.from_numpy(inputs[parts[0]]).double() / 255
    std = scaled.std((0, 2, 3)).float()
    data = Data(
        name=name,
        task="classification",
        train=splits[0],
        validation=splits[1],
        classes=int(targets.max()) + 1,
        shape=inputs.shape[1:],
        mean=scaled.mean((0, 2, 3)).float(),
        std=torch.where(std > 0, std, 1.0),
        fingerprint=name,
    )
    return data, splits[2]


# --- trainings


def configuration(number: int) -> dict[str, Any]:
    """Return what a search over the usual ranges draws; the first is the baseline."""
    if number == 0:
        return {}
    draw = random.Random(number)
    return {
        "optimizer": draw.choice(["adam", "adamw"]),
        "lr": 10 ** draw.uniform(-4, -1.5),
        "weight_decay": 10 ** draw.uniform(-6, -2),
        "dropout": draw.uniform(0, 0.5),
        "label_smoothing": draw.uniform(0, 0.2),
    }


def rows(done: set[tuple[str, str, int, int]], seeds: int, candidates: list[str]) -> Iterator[dict[str, Any]]:
    """Train what is missing, one row a training."""
    for seed in range(seeds):
        for number in range(CONFIGURATIONS):
            for name in DATA:
                for candidate in candidates:
                    if (name, candidate, seed, number) in done:
                        continue
                    began = time.process_time()
                    values = {**CANDIDATES[candidate], **configuration(number), "epochs": EPOCHS, "seed": seed}
                    data, test = split(name, seed)
                    curve: list[float] = []
                    tested = 0.0

                    def report(epoch: Epoch, _: object, to: list[float] = curve) -> None:
                        to.append(epoch.value)

                    try:
                        result = train(make_config(values), data, report)
                        tested = judge(restore(values, result.weights, data), values, data, test).score
                    except Diverged:
                        curve += [0.0] * (EPOCHS - len(curve))
                    yield {
                        "data": name,
                        "candidate": candidate,
                        "seed": seed,
                        "number": number,
                        "curve": curve,
                        "test": tested,
                        "seconds": time.process_time() - began,
                    }


# --- what they show


def table(found: list[dict[str, Any]]) -> None:
    """Print the best of each candidate's search, and how an epoch's order agrees with the last one's."""
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in found:
        groups.setdefault((row["data"], row["candidate"], row["seed"]), []).append(row)
    print("| data | " + " | ".join(CANDIDATES) + " |\n|---" * 1 + "|---" * len(CANDIDATES) + "|")
    for name in DATA:
        cells = []
        for candidate in CANDIDATES:
            members = [group for (data, which, _), group in groups.items() if (data, which) == (name, candidate)]
            best = [max(group, key=lambda row: row["curve"][-1])["test"] for group in members]
            seconds = fmean(row["seconds"] for group in members for row in group) if members else 0.0
            cells.append(f"{fmean(best):.3f} ({seconds:.1f} s)" if best else "—")
        print(f"| {name} | " + " | ".join(cells) + " |")
    epochs = (1, 2, 3, 5, 7, 10, 15)
    print("\n| candidate | " + " | ".join(f"epoch {epoch}" for epoch in epochs) + " |\n|---" + "|---" * 7 + "|")
    for candidate in CANDIDATES:
        agreement = []
        for epoch in epochs:
            curves = [[row["curve"] for row in g] for (_, which, _), g in groups.items() if which == candidate]
            found_here = [
                spearmanr([c[epoch - 1] for c in group], [c[-1] for c in group]).statistic
                for group in curves
                if len(group) > 3 and len({c[epoch - 1] for c in group}) > 1 and len({c[-1] for c in group}) > 1
            ]
            agreement.append(f"{fmean(found_here):.2f}" if found_here else "—")
        print(f"| {candidate} | " + " | ".join(agreement) + " |")
    print("\nOf all candidates:")
    halving([group for group in groups.values() if len(group) >= 9])
    print(f"\nOf {CHOSEN}:")
    halving([group for (_, which, _), group in groups.items() if which == CHOSEN and len(group) >= 9])


def halving(groups: list[list[dict[str, Any]]]) -> None:
    """Print what successive halving by thirds keeps of a search, by its first rung, with the epochs that it takes."""
    print("\n| first rung after | epochs trained | test accuracy | of whole trainings for as many epochs |")
    print("|---|---|---|---|")
    for rung in (1, 2, 3, 5, 7, 10, 15, EPOCHS):
        shares, kept, whole = [], [], []
        for group in groups:
            alive, epochs, before, at = list(group), 0, 0, rung
            while at < EPOCHS:
                epochs += len(alive) * (at - before)
                alive = sorted(alive, key=lambda row: -row["curve"][at - 1])[: max(1, len(alive) // 3)]
                before, at = at, at * 3
            epochs += len(alive) * (EPOCHS - before)
            shares.append(epochs / (EPOCHS * len(group)))
            kept.append(max(alive, key=lambda row: row["curve"][-1])["test"])
            whole.append(_of_some(group, max(1, round(epochs / EPOCHS))))
        print(f"| epoch {rung} | {fmean(shares):.0%} | {fmean(kept):.3f} | {fmean(whole):.3f} |")


def _of_some(group: list[dict[str, Any]], count: int) -> float:
    """Return the expected test accuracy of the best by validation, where `count` of the configurations are trained."""
    ranked = sorted(group, key=lambda row: -row["curve"][-1])
    ways = math.comb(len(ranked), count)
    chosen = [math.comb(len(ranked) - place - 1, count - 1) / ways for place in range(len(ranked))]
    return math.fsum(share * row["test"] for share, row in zip(chosen, ranked, strict=True))


def main() -> None:
    """Train what is missing, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--candidate", choices=CANDIDATES, help="train this one alone")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    found = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
    if given.table:
        table(found)
        return
    done = {(row["data"], row["candidate"], row["seed"], row["number"]) for row in found}
    with given.out.open("a") as file:
        for row in rows(done, given.seeds, [given.candidate] if given.candidate else list(CANDIDATES)):
            file.write(json.dumps(row) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
