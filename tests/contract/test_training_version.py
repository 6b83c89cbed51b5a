"""The same configuration trains to the same results as when TRAINING_VERSION was last raised.

Curves are compared to a tolerance that other processors keep and another algorithm does not, weights to the bit where
processor and torch are those of the record. `python tests/contract/test_training_version.py` records anew.
"""

import hashlib
import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from example_data import inputs_of
from winnow import objectives
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data, Split, load
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.training import Result, train

RECORD = Path(__file__).with_name("training_version.json")
COMMAND = "raise TRAINING_VERSION in objectives/__init__.py and run: python tests/contract/test_training_version.py"
FIGURES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "lr", "weight_norm")
# Between SSE4.1, AVX2 and AVX-512 the figures differ by at most 2e-6 of themselves; one image of 120 may be told apart.
TOLERANCE, IMAGE = 2e-5, 1.01 / 120

SMALL_CNN: dict[str, Any] = {"model": "cnn", "filters": [6, 8], "hidden": [16], "batch_norm": True, "lr": 0.01}
SMALL_RESNET: dict[str, Any] = {"model": "resnet", "filters": [6], "depth": 2, "pool_every": 2, "lr": 0.01}
TRAININGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "mlp, sgd": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True, "dropout": 0.3, "l2": 1e-3},
    "mlp, rmsprop, exponential": {"optimizer": "rmsprop", "momentum": 0.5, "schedule": "exponential", "l1": 1e-4},
    "mlp, adamw, cosine": {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "label_smoothing": 0.1},
    "mlp, glorot, tanh, clipped": {
        "initialisation": "glorot",
        "activation": "tanh",
        "clip_norm": 0.5,
        "widths": [32, 32],
    },
    "mlp, plateau, early stopping": {
        "schedule": "plateau",
        "schedule_epochs": 1,
        "patience": 2,
        "lr": 0.05,
        "epochs": 8,
    },
    "cnn, dropout2d, step": {**SMALL_CNN, "conv_dropout": 0.2, "conv_dropout_kind": "dropout2d", "schedule": "step"},
    "cnn, dropblock, he": {**SMALL_CNN, "conv_dropout": 0.2, "conv_dropout_kind": "dropblock", "initialisation": "he"},
    # Adam would blow up the rounding of gradients that are 0, those of biases before BatchNorm.
    "smallnet": {
        "model": "smallnet",
        "optimizer": "sgd",
        "lr": 0.05,
        "conv_dropout": 0.1,
        "dropout": 0.2,
        "decay_norms_and_biases": False,
    },
    "resnet, one_cycle": {**SMALL_RESNET, "schedule": "one_cycle", "optimizer": "sgd", "momentum": 0.9},
    "resnet, bottleneck, orthogonal": {**SMALL_RESNET, "bottleneck": True, "initialisation": "orthogonal"},
    "crop, flips": {"crop": True, "crop_padding": 1, "flip": True, "vertical_flip": True},
    "crop of another size": {"crop": True, "crop_padding": 1, "crop_size": 7},
    "rotation, affine": {"rotation": True, "affine": True, "shear": 5.0},
    "color_jitter": {"color_jitter": True, "hue": 0.1},
    "erasing": {"erasing": True},
    "regression": {"widths": [16], "lr": 0.01, "schedule": "cosine"},
}


def data_of(name: str) -> Data:
    if name == "regression":
        return load(DataSpec("regression_100d", train=240, validation=120))
    digits = load(DataSpec("digits", train=240, validation=120))

    def coloured(split: Split) -> Split:
        return replace(
            split, inputs=torch.cat([inputs_of(split).roll(shift, 3) // (shift + 1) for shift in range(3)], 1)
        )

    mean, std = (part.expand(3).contiguous() for part in (digits.mean, digits.std))
    train, validation = coloured(digits.train), coloured(digits.validation)
    return replace(digits, train=train, validation=validation, shape=(3, 8, 8), mean=mean, std=std)


def trained(name: str) -> Result:
    """One training that was cut off after its first epoch and went on."""
    config = make_config({"batch_size": 50, "epochs": 3, **TRAININGS[name]})
    snapshots: list[Any] = []
    train(config, data_of(name), lambda _, snapshot: snapshots.append(snapshot()))
    return train(config, data_of(name), lambda *_: None, snapshots[0])


def recorded(result: Result) -> dict[str, Any]:
    digest = hashlib.sha256()
    for weight in result.weights.values():
        digest.update(weight.contiguous().numpy().tobytes())
    curve = [[getattr(epoch, name) for name in FIGURES] for epoch in result.epochs]
    return {"value": result.value, "epochs": len(curve), "curve": curve, "weights": digest.hexdigest()}


def processor() -> str:
    """What the bits of a training depend on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    return f"{model}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    if then["epochs"] != now["epochs"]:
        return [f"{then['epochs']} epochs then, {now['epochs']} now"]
    margins: dict[str, Any] = {
        name: {"rel": TOLERANCE, "abs": IMAGE if "accuracy" in name else 1e-9} for name in FIGURES
    }
    return [
        f"epoch {number}, {name}: {before!r} then, {after!r} now"
        for number, (old, new) in enumerate(zip(then["curve"], now["curve"], strict=True), start=1)
        for name, before, after in zip(FIGURES, old, new, strict=True)
        if before is not None and before != pytest.approx(after, **margins[name])
    ]


@pytest.fixture
def record() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(RECORD.read_text())
    return content


@pytest.mark.parametrize("name", TRAININGS)
def test_results_are_those_of_this_training_version(name: str, record: dict[str, Any]) -> None:
    assert record["version"] == objectives.TRAINING_VERSION, f"nothing is recorded of this version: {COMMAND}"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        now = recorded(trained(name))
    finally:
        torch.set_num_threads(threads)
    then = record["trainings"][name]
    assert not differences(then, now), f"{name} trains to other results: {COMMAND}"
    if record["processor"] == processor():
        assert now["weights"] == then["weights"], f"{name} trains to other bits: {COMMAND}"


@pytest.mark.parametrize(
    "change", [{"eps": 1e-3}, {"beta2": 0.99}, {"seed": 1}, {"batch_size": 49}, {"label_smoothing": 0.01}, {"l2": 1e-4}]
)
def test_another_algorithm_would_be_told(change: dict[str, Any], record: dict[str, Any]) -> None:
    config = make_config({"batch_size": 50, "epochs": 3, **change})
    assert differences(record["trainings"]["defaults"], recorded(train(config, data_of("defaults"), lambda *_: None)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    fresh = {name: recorded(trained(name)) for name in TRAININGS}
    old: dict[str, Any] = json.loads(RECORD.read_text()) if RECORD.exists() else {"version": 0, "trainings": {}}
    changed = [name for name, then in old["trainings"].items() if name in fresh and differences(then, fresh[name])]
    if changed and old["version"] == objectives.TRAINING_VERSION:
        raise SystemExit(f"{', '.join(changed)}: other results under the same version; raise TRAINING_VERSION first")
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(one)}" for name, one in fresh.items())
    head = f'"version": {objectives.TRAINING_VERSION},\n"processor": {json.dumps(processor())}'
    RECORD.write_text(f'{{{head},\n"trainings": {{\n{lines}\n}}}}\n')
