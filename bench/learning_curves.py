"""Learning curves of Winnow's own objective, trained once to the end: tables on which searches are replayed.

    OMP_NUM_THREADS=1 python -m bench.learning_curves digits_mlp --count 600   # writes bench/curves/digits_mlp.json.gz
    OMP_NUM_THREADS=1 python -m bench.learning_curves letters_cnn --count 250 --folder FOLDER --repeat 1

Each configuration is drawn at random from its family's space and trained once: what the file has already is not
trained again. A curve that ends early diverged there. Families of letters, shapes, moons, spirals and the regression
are for choosing a search by; those in `bench/curves` and its folder `small` judge. `--repeat` trains the same
configurations by other seeds, and `--limit OTHER` says from both folders' tables how near luck lets anybody come.
"""

import argparse
import gzip
import json
import time
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from multiprocessing import Pool
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from PIL import Image

from bench.defaults import colour_fashion
from bench.search_tasks import Table
from bench.small_data import MADE
from winnow.objectives.data import loading
from winnow.objectives.data.loading import Data
from winnow.objectives.errors import Diverged
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.space import suggest
from winnow.objectives.training import train
from winnow.search.study.spec import Spec
from winnow.search.study.validation import check

FOLDER = Path(__file__).parent / "curves"
_REGULARISERS = {
    "weight_decay": {"low": 1e-6, "high": 1e-1, "log": True},
    "dropout": {"low": 0.0, "high": 0.6},
    "label_smoothing": {"low": 0.0, "high": 0.2},
}
_OPTIMISERS = {
    "optimizer": {"choices": ["sgd", "adam", "adamw", "rmsprop"]},
    "lr": {"low": 1e-5, "high": 1.0, "log": True},
    "momentum": {"low": 0.0, "high": 0.99, "when": {"optimizer": ["sgd"]}},
    "schedule": {"choices": ["constant", "cosine", "one_cycle"]},
    "batch_size": {"low": 16, "high": 256, "log": True},
}
_SMALL_BATCHES = {"batch_size": {"low": 4, "high": 30, "log": True}}
_WIDTHS = {"choices": [[32], [128], [512], [64, 64], [256, 128], [64, 64, 64]]}
_NETWORK = {"activation": {"choices": ["relu", "tanh", "gelu"]}, "batch_norm": {"choices": [False, True]}}
_MLP = {**_OPTIMISERS, **_REGULARISERS, **_NETWORK, "widths": _WIDTHS}
_REGRESSION = {name: entry for name, entry in _MLP.items() if name != "label_smoothing"}
_CNN = {
    **_OPTIMISERS,
    **_REGULARISERS,
    "batch_norm": {"choices": [False, True]},
    "filters": {"choices": [[8], [16], [8, 16]]},
}
FAMILIES: dict[str, dict[str, Any]] = {
    "digits_mlp": {
        "data": {"name": "digits", "validation": 0.2},
        "fixed": {"model": "mlp", "epochs": 30},
        "search": _MLP,
    },
    "regression_mlp": {
        "objective": "regression",
        "data": {"name": "regression_100d", "train": 1000, "validation": 1000},
        "fixed": {"model": "mlp", "epochs": 30},
        "search": {
            **_REGRESSION,
            "lr": {"low": 1e-4, "high": 30.0, "log": True},  # most of it diverges
        },
    },
    "digits_cnn": {
        "data": {"name": "digits", "validation": 0.2},
        "fixed": {"model": "cnn", "epochs": 20, "hidden": [32]},
        "search": {
            "optimizer": {"choices": ["sgd", "adam", "adamw"]},
            "lr": {"low": 1e-4, "high": 1e-1, "log": True},
            "momentum": {"low": 0.0, "high": 0.95, "when": {"optimizer": ["sgd"]}},
            "batch_size": {"low": 32, "high": 256, "log": True},
            **_REGULARISERS,
            "filters": {"choices": [[8], [8, 16], [16, 16]]},
            "crop": {"choices": [True, False]},
            "crop_padding": {"low": 1, "high": 2, "when": {"crop": [True]}},
        },
    },
    "fashion_mlp": {
        "data": {"name": "fashion_mnist", "train": 1000, "validation": 1000},
        "fixed": {"model": "mlp", "epochs": 30},
        "search": {**_MLP, "flip": {"choices": [True, False]}},
    },
    "fashion_cnn": {
        "data": {"name": "fashion_mnist", "train": 1000, "validation": 1000},
        "fixed": {"model": "cnn", "epochs": 20, "pool_size": 4, "hidden": [32]},
        "search": {
            **_OPTIMISERS,
            **_REGULARISERS,
            "batch_norm": {"choices": [False, True]},
            "filters": {"choices": [[4], [8], [4, 8]]},
        },
    },
    "clothes_folder": {
        "data": {"name": "image_folder", "path": "clothes", "size": 16, "train": 600, "validation": 600},
        "fixed": {"model": "cnn", "epochs": 27, "hidden": [32]},
        "search": {
            **_CNN,
            "flip": {"choices": [True, False]},
            "crop": {"choices": [True, False]},
            "crop_padding": {"low": 1, "high": 3, "when": {"crop": [True]}},
        },
    },
    "cancer_mlp": {
        "data": {"name": "npz", "path": "breast_cancer", "train": 100, "validation": 400},
        "fixed": {"model": "mlp", "epochs": 36},
        "search": {**_MLP, **_SMALL_BATCHES},
    },
    "wine_mlp": {
        "data": {"name": "npz", "path": "wine", "train": 30, "validation": 130},
        "fixed": {"model": "mlp", "epochs": 40},
        "search": {**_MLP, **_SMALL_BATCHES},
    },
    "diabetes_mlp": {
        "objective": "regression",
        "data": {"name": "npz", "path": "diabetes", "train": 200, "validation": 190},
        "fixed": {"model": "mlp", "epochs": 30},
        "search": {**_REGRESSION, **_SMALL_BATCHES},
    },
    "few_digits_mlp": {
        "data": {"name": "digits", "train": 72, "validation": 700},
        "fixed": {"model": "mlp", "epochs": 30},
        "search": {**_MLP, **_SMALL_BATCHES},
    },
    "odd_digits_cnn": {
        "data": {"name": "npz", "path": "odd_digits", "train": 300, "validation": 1000},
        "fixed": {"model": "cnn", "epochs": 18, "hidden": [16]},
        "search": _CNN,
    },
    "few_clothes_cnn": {
        "data": {"name": "fashion_mnist", "train": 150, "validation": 600},
        "fixed": {"model": "cnn", "epochs": 24, "pool_size": 4, "hidden": [32]},
        "search": {**_CNN, **_SMALL_BATCHES, "flip": {"choices": [True, False]}},
    },
    "moons_mlp": {
        "data": {"name": "two_moons", "train": 400, "validation": 1000, "noise": 0.3},
        "fixed": {"model": "mlp", "epochs": 40},
        "search": _MLP,
    },
    "spirals_mlp": {
        "data": {"name": "spirals", "train": 400, "validation": 600, "noise": 0.08},
        "fixed": {"model": "mlp", "epochs": 50},
        "search": _MLP,
    },
    "letters_mlp": {
        "data": {"name": "npz", "path": "letters", "train": 1200, "validation": 1000},
        "fixed": {"model": "mlp", "epochs": 24},
        "search": _MLP,
    },
    "letters_cnn": {
        "data": {"name": "npz", "path": "letters", "train": 1200, "validation": 1000},
        "fixed": {"model": "cnn", "epochs": 20, "hidden": [32]},
        "search": {
            **_CNN,
            "crop": {"choices": [True, False]},
            "crop_padding": {"low": 1, "high": 2, "when": {"crop": [True]}},
        },
    },
    "mislabelled_mlp": {  # a fifth of the letters, and few epochs
        "data": {"name": "npz", "path": "mislabelled", "train": 1200, "validation": 1000},
        "fixed": {"model": "mlp", "epochs": 10},
        "search": _MLP,
    },
    "shapes_cnn": {
        "data": {"name": "npz", "path": "shapes", "train": 600, "validation": 800},
        "fixed": {"model": "cnn", "epochs": 30, "hidden": [32]},
        "search": {
            **_CNN,
            "flip": {"choices": [True, False]},
        },
    },
}


def spec_of(family: str) -> Spec:
    """The study spec of a family."""
    content = {"name": family, "objective": "classification", "budget": {"trials": 1}, **FAMILIES[family]}
    return check(content, family, stored=True)  # an image folder is made when it is loaded


@cache
def data_of(family: str) -> Data:
    """Load a family's data; what has a path is drawn for it."""
    spec = spec_of(family)
    if spec.data_spec.path is None:
        return loading.load(spec.data_spec, "cpu")
    with TemporaryDirectory() as folder:
        path = Path(folder, spec.data_spec.path)
        if spec.data_spec.name == "image_folder":
            draw_clothes(path)
        else:
            path = path.with_suffix(".npz")
            images, labels = MADE[path.stem](np.random.default_rng(3), 2_600)
            kept = len(labels) - min(200, len(labels) // 10)
            arrays = {"train_images": images[:kept], "train_labels": labels[:kept]}
            np.savez(path, **arrays, test_images=images[kept:], test_labels=labels[kept:])
        return loading.load(replace(spec.data_spec, path=str(path)), "cpu")


def draw_clothes(folder: Path) -> None:
    """Write 1,500 clothes in ten kinds as an image folder, as `bench.defaults` does."""
    images, labels = colour_fashion(1_500, tuple(range(10)))
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (place := folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(place / f"{number}.png")


def train_one(family: str, values: dict[str, Any]) -> dict[str, list[float]]:
    """Return the curve of each metric; it ends where the training diverged."""
    data = data_of(family)
    curve: dict[str, list[float]] = {"accuracy": [], "loss": []} if data.classes else {"loss": []}

    def keep(epoch: Any, _: Any) -> None:
        curve["loss"].append(float(f"{epoch.validation_loss:.4g}"))
        if "accuracy" in curve:
            curve["accuracy"].append(round(epoch.validation_accuracy, 4))

    with suppress(Diverged):
        train(make_config(values), data, keep)
    return curve


def fill(family: str, count: int, processes: int, path: Path, repeat: int = 0) -> None:
    """Train random configurations until the table at `path` has `count`, each by its parameters and curves."""
    study, spec = optuna.create_study(sampler=RandomSampler(seed=0)), spec_of(family)
    seeds = range(100_000 * repeat, 100_000 * repeat + count)
    drawn = [(trial := study.ask(), suggest(trial, spec.space, spec.fixed) | {"seed": seed}) for seed in seeds]
    found = json.loads(gzip.decompress(path.read_bytes()))["configurations"] if path.exists() else []
    if any(each["parameters"] != trial.params for each, (trial, _) in zip(found, drawn, strict=False)):
        raise SystemExit(f"{path} is of another space than {family}: delete it to train all of it again")
    left = drawn[len(found) :]
    with Pool(processes) as pool:
        curves = pool.imap(partial(train_one, family), [values for _, values in left])
        for (trial, _), curve in zip(left, curves, strict=True):
            found.append({"parameters": dict(trial.params), "curves": curve})
            if len(found) in (count, *range(0, count, 25)):
                write(spec, found, path)


def limit(path: Path, other: Path) -> str:
    """Say how near to the best of one seed they come who train first what ended best by another."""
    contents = [json.loads(gzip.decompress(file.read_bytes())) for file in (path, other)]
    count = min(len(content["configurations"]) for content in contents)
    found = []
    for metric in contents[0]["directions"]:
        one, two = (
            Table(content | {"configurations": content["configurations"][:count]}, metric) for content in contents
        )
        for judged, known in ((one, two), (two, one)):
            in_order = judged.ends[np.argsort(-known.ends, kind="stable")]
            found.append(np.minimum.accumulate([judged.regret_of(end) for end in in_order]))
    means = " ".join(f"{np.mean([regrets[look - 1] for regrets in found]):.3f}" for look in (1, 3, 10, 25))
    return f"{path.name}: {count} configurations; regret of the first 1, 3, 10, 25 by the other seed: {means}"


def write(spec: Spec, configurations: list[dict[str, Any]], path: Path) -> None:
    table = {
        "name": spec.name,
        "epochs": spec.fixed["epochs"],
        "directions": {"loss": "minimize"} | ({"accuracy": "maximize"} if spec.optimises == "maximize" else {}),
        "configurations": configurations,
        "spec": spec.model_dump(mode="json", include={"search", "fixed", "data", "objective"}),
    }
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        file.write(json.dumps(table, separators=(",", ":")).encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--repeat", type=int, default=0, help="train by the seeds of another repeat")
    parser.add_argument("--limit", type=Path, help="folder of the same table by other seeds; trains nothing")
    chosen = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    began, path = time.perf_counter(), chosen.folder / f"{chosen.family}.json.gz"
    if chosen.limit:
        print(limit(path, chosen.limit / path.name))
        return
    chosen.folder.mkdir(exist_ok=True, parents=True)
    fill(chosen.family, chosen.count, chosen.processes, path, chosen.repeat)
    print(f"{path}: {chosen.count} configurations, {time.perf_counter() - began:.0f} s, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
