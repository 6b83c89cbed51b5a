"""A study's data, held once on the device: uint8 images, labels, and what it takes to normalise them.

`load` never holds test data; `load_test` is for `winnow confirm` alone.
"""

import dataclasses
import functools
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from winnow.objectives.data import duplicates, overview, sources, splits
from winnow.objectives.data.catalog import DataSpec, known
from winnow.objectives.data.examples import Examples
from winnow.objectives.data.rows import Rows, chunks
from winnow.objectives.data.streaming import Streamed, fits
from winnow.objectives.errors import DataError


@dataclass(frozen=True)
class Split:
    """Examples on the device."""

    inputs: torch.Tensor | Streamed
    """Images uint8 (N, C, H, W) or features float32 (N, F), contiguous; streamed where they do not fit there."""
    targets: torch.Tensor
    """Labels int64 (N,), or for a regression float32 (N, 1)."""


@dataclass(frozen=True)
class Data:
    """What a search trains and validates on."""

    name: str
    task: str
    """`classification` or `regression`."""
    train: Split
    validation: Split
    classes: int
    """0 for a regression."""
    shape: tuple[int, ...]
    """(C, H, W) or (F,)."""
    mean: torch.Tensor
    """Of the training split, float32 (C,) in the scale of inputs / 255, or (F,) in that of the features."""
    std: torch.Tensor
    """As `mean`; 1 where a channel or feature never changes."""
    fingerprint: str
    """SHA-256 over both splits' arrays in their order, 16 hexadecimal digits."""

    @property
    def device(self) -> torch.device:
        """Where its examples lie, or come to."""
        return self.train.inputs.device

    def first(self, examples: int) -> "Data":
        """Return the first training examples, up to so many, and as great a part of those that validate."""
        judged = max(2, len(self.validation.targets) * examples // len(self.train.targets))
        train = Split(self.train.inputs[:examples], self.train.targets[:examples])
        validation = Split(self.validation.inputs[:judged], self.validation.targets[:judged])
        return dataclasses.replace(self, train=train, validation=validation)


@functools.lru_cache(maxsize=2)
def load(spec: DataSpec, device: str = "cpu") -> Data:
    """Return the training and validation data that `spec` asks for, on `device`; raises DataError.

    Kept for the process: every trial of a worker shares it.
    """
    sources.count(spec)
    task = sources.describe(spec).task
    train, validation = _split(spec)
    mean, std = _statistics(train.inputs)
    return Data(
        name=spec.name,
        task=task,
        train=_on_device(train, device, spec.stream),
        validation=_on_device(validation, device, spec.stream),
        classes=len(sources.class_names(spec)),
        shape=train.inputs.shape[1:],
        mean=torch.from_numpy(mean).to(device),
        std=torch.from_numpy(std).to(device),
        fingerprint=_fingerprint(train, validation),
    )


def load_test(spec: DataSpec) -> Split:
    """Return the test data of `spec`, the same whatever its seed and sizes; only a confirmation may ask for it."""
    sources.count(spec)
    test = read(spec, "test")
    if sources.held_out_beside(spec) is None:
        duplicates.say(
            spec, {"train": read(spec, "train"), "validation": sources.read(spec, "validation"), "test": test}
        )
    return _on_device(test, "cpu")


def _split(spec: DataSpec) -> tuple[Examples, Examples]:
    """Return what trains and what validates, by the spec's seed; raises DataError."""
    examples = read(spec, "train")
    own = sources.read(spec, "validation")
    regression = sources.describe(spec).task == "regression"
    names = sources.class_names(spec)
    train_size, validation_size = spec.sizes(len(examples.targets), len(names), own is not None)
    chosen, rest = splits.train_and_validation(
        examples.targets, spec.seed, train_size, validation_size, ordered=regression, drifts=known(spec.name).drifts
    )
    train, validation = examples.take(chosen), examples.take(rest) if own is None else own
    if not regression:
        overview.refuse_untrained(names, train.targets)
    duplicates.say(spec, {"train": train, "validation": validation, "test": sources.held_out_beside(spec)})
    if spec.shuffle_labels:
        labels = splits.shuffle_labels(train.targets, spec.shuffle_labels, spec.seed)
        train = dataclasses.replace(train, targets=labels)
    return train, validation


def read(spec: DataSpec, part: str) -> Examples:
    """Return the examples of one part; raises DataError where it has none."""
    examples = sources.read(spec, part)
    if examples is None or not len(examples.targets):
        raise DataError(f"{spec.name} has no {part} examples", "choose other data")
    return examples


def _on_device(examples: Examples, device: str, stream: bool | None = None) -> Split:
    targets = torch.from_numpy(np.require(examples.targets, requirements=("C", "W"))).to(device)
    inputs = examples.inputs
    if isinstance(inputs, Rows) and (stream or (stream is None and not fits(inputs.nbytes, torch.device(device)))):
        return Split(Streamed(inputs, device), targets)
    whole = inputs.read() if isinstance(inputs, Rows) else np.require(inputs, requirements=("C", "W"))
    return Split(torch.from_numpy(whole).to(device), targets)


def _statistics(inputs: NDArray[Any] | Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean and standard deviation of each channel (of inputs / 255) or feature, float32, never 0."""
    if inputs.dtype == np.uint8:
        # Counted, not summed: exact, and no float copy of the images.
        counts = np.zeros((inputs.shape[1], 256), np.int64)
        for part in chunks(inputs):
            counts += np.stack([np.bincount(part[:, c].ravel(), minlength=256) for c in range(part.shape[1])])
        shares, values = counts / counts.sum(1, keepdims=True), np.arange(256) / 255
        mean = shares @ values
        std = np.sqrt((shares * (values - mean[:, None]) ** 2).sum(1))
    else:
        inputs = inputs.read() if isinstance(inputs, Rows) else inputs
        mean, std = inputs.mean(0, dtype=np.float64), inputs.std(0, dtype=np.float64)
    return mean.astype(np.float32), np.where(std > 0, std, 1).astype(np.float32)


def _fingerprint(*splits: Examples) -> str:
    digest = hashlib.sha256()
    for array in (array for split in splits for array in (split.inputs, split.targets)):
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        for part in chunks(array):
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()[:16]
