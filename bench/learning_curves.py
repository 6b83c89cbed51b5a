"""Learning curves of Winnow's own objective, trained once to the end: tables on which searches are replayed.

    OMP_NUM_THREADS=1 python -m bench.learning_curves digits_mlp --count 600   # writes bench/curves/digits_mlp.json.gz

Each configuration is drawn at random from its family's space and trained once. A curve that ends early diverged there.
"""

import argparse
import gzip
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import RandomSampler

from winnow.objectives.data import loading
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
_WIDTHS = {"choices": [[32], [128], [512], [64, 64], [256, 128], [64, 64, 64]]}
_NETWORK = {"activation": {"choices": ["relu", "tanh", "gelu"]}, "batch_norm": {"choices": [False, True]}}
FAMILIES: dict[str, dict[str, Any]] = {
    "digits_mlp": {
        "data": {"name": "digits", "validation": 0.2},
        "fixed": {"model": "mlp", "epochs": 30},
        "search": {**_OPTIMISERS, **_REGULARISERS, **_NETWORK, "widths": _WIDTHS},
    },
    "regression_mlp": {
        "objective": "regression",
        "data": {"name": "regression_100d", "train": 1000, "validation": 1000},
        "fixed": {"model": "mlp", "epochs": 30},
        "search": {
            **_OPTIMISERS,
            "lr": {"low": 1e-4, "high": 30.0, "log": True},  # most of it diverges
            "weight_decay": {"low": 1e-6, "high": 1e-1, "log": True},
            "dropout": {"low": 0.0, "high": 0.6},
            **_NETWORK,
            "widths": _WIDTHS,
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
        "search": {**_OPTIMISERS, **_REGULARISERS, **_NETWORK, "widths": _WIDTHS, "flip": {"choices": [True, False]}},
    },
    "fashion_cnn": {
        "data": {"name": "fashion_mnist", "train": 600, "validation": 600},
        "fixed": {"model": "cnn", "epochs": 20, "pool_size": 4, "hidden": [32]},
        "search": {
            **_OPTIMISERS,
            **_REGULARISERS,
            "batch_norm": {"choices": [False, True]},
            "filters": {"choices": [[4], [8], [4, 8]]},
        },
    },
    "moons_mlp": {
        "data": {"name": "two_moons", "train": 400, "validation": 1000, "noise": 0.3},
        "fixed": {"model": "mlp", "epochs": 40},
        "search": {**_OPTIMISERS, **_REGULARISERS, **_NETWORK, "widths": _WIDTHS},
    },
}


def spec_of(family: str) -> Spec:
    """The study spec of a family."""
    content = {"name": family, "objective": "classification", "budget": {"trials": 1}, **FAMILIES[family]}
    return check(content, family)


def curves_of(spec: Spec, count: int) -> list[dict[str, Any]]:
    """Train `count` random configurations: each its parameters and, by metric, its value after each epoch."""
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    data = loading.load(spec.data_spec, "cpu")
    found = []
    for number in range(count):
        trial = study.ask()
        curve: dict[str, list[float]] = {"loss": []} if not data.classes else {"accuracy": [], "loss": []}

        def keep(epoch: Any, _: Any, curve: dict[str, list[float]] = curve) -> None:
            curve["loss"].append(float(f"{epoch.validation_loss:.4g}"))
            if "accuracy" in curve:
                curve["accuracy"].append(round(epoch.validation_accuracy, 4))

        config = make_config({**suggest(trial, spec.space, spec.fixed), "seed": number})
        with suppress(Diverged):
            train(config, data, keep)
        found.append({"parameters": dict(trial.params), "curves": curve})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--count", type=int, default=600)
    chosen = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    spec, began = spec_of(chosen.family), time.process_time()
    table = {
        "name": chosen.family,
        "epochs": spec.fixed["epochs"],
        "directions": {"loss": "minimize"} | ({"accuracy": "maximize"} if spec.optimises == "maximize" else {}),
        "configurations": curves_of(spec, chosen.count),
        "spec": spec.model_dump(mode="json", include={"search", "fixed", "data", "objective"}),
    }
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{chosen.family}.json.gz"
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        file.write(json.dumps(table, separators=(",", ":")).encode())
    print(f"{path}: {chosen.count} configurations, {time.process_time() - began:.0f} s, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
