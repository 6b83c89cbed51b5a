"""A study's data, held once on the device: uint8 images, labels, and what it takes to normalise them.

`load` never holds test data; `load_test` is for `winnow confirm` alone.
"""

import functools
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from objectives import splits, torchvision_files
from objectives.catalog import DataSpec, known


@dataclass(frozen=True)
class Split:
    """Examples on the device."""

    inputs: torch.Tensor
    """Images uint8 (N, C, H, W) or features float32 (N, F), contiguous."""
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


@functools.lru_cache(maxsize=2)
def load(spec: DataSpec, device: str = "cpu") -> Data:
    """The training and validation data that `spec` asks for, on `device`; raises DataError.

    Kept for the process: every trial of a worker shares it.
    """
    spec.check()
    data_set = known(spec.name)
    inputs, targets = _read(spec, "train")
    train_size, validation_size = spec.sizes(len(targets), data_set.classes)
    order = splits.stratified(targets, spec.seed, "split")
    validation, train = order[:validation_size], order[validation_size : validation_size + train_size]
    train_targets = splits.shuffle_labels(targets[train], spec.shuffle_labels, spec.seed)
    arrays = (inputs[train], train_targets, inputs[validation], targets[validation])
    mean, std = _statistics(arrays[0])
    return Data(
        name=spec.name,
        task=data_set.task,
        train=_split(arrays[0], arrays[1], device),
        validation=_split(arrays[2], arrays[3], device),
        classes=data_set.classes,
        shape=arrays[0].shape[1:],
        mean=torch.from_numpy(mean).to(device),
        std=torch.from_numpy(std).to(device),
        fingerprint=_fingerprint(*arrays),
    )


def load_test(spec: DataSpec, device: str = "cpu") -> Split:
    """The test data of `spec`, the same whatever its seed and sizes; only a confirmation may ask for it."""
    spec.check()
    return _split(*_read(spec, "test"), device)


def _read(spec: DataSpec, part: str) -> tuple[NDArray[Any], NDArray[Any]]:
    if spec.name == "digits":
        return _read_digits(part)
    return torchvision_files.read(spec.name, part, spec.path)


def _read_digits(part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    source = load_digits()
    images = np.round(source.images * (255 / 16)).astype(np.uint8)[:, None]
    targets = source.target.astype(np.int64)
    search, test = splits.held_out(targets)
    index = test if part == "test" else search
    return images[index], targets[index]


def _split(inputs: NDArray[Any], targets: NDArray[Any], device: str) -> Split:
    return Split(*(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in (inputs, targets)))


def _statistics(inputs: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each channel (of inputs / 255) or feature, float32, never 0."""
    if inputs.dtype == np.uint8:
        # Counted, not summed: exact, and no float copy of the images.
        counts = np.stack([np.bincount(inputs[:, c].ravel(), minlength=256) for c in range(inputs.shape[1])])
        shares, values = counts / counts.sum(1, keepdims=True), np.arange(256) / 255
        mean = shares @ values
        std = np.sqrt((shares * (values - mean[:, None]) ** 2).sum(1))
    else:
        mean, std = inputs.mean(0, dtype=np.float64), inputs.std(0, dtype=np.float64)
    return mean.astype(np.float32), np.where(std > 0, std, 1).astype(np.float32)


def _fingerprint(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
