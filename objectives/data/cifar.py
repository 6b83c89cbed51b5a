"""The files of CIFAR-10 and CIFAR-100 as their authors and torchvision keep them: pickled batches of byte rows."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.objectives.errors import DataError


def read(files: Sequence[Path]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images uint8 (N, 3, 32, 32) and labels int64 (N,) of all `files` in their order; raises DataError.

    CIFAR-100's labels are the fine ones.
    """
    batches = [_read_batch(file) for file in files]
    return np.concatenate([images for images, _ in batches]), np.concatenate([labels for _, labels in batches])


def _read_batch(file: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        with file.open("rb") as opened:
            batch = _ArraysOnly(opened, encoding="latin1").load()
        labels = np.asarray(batch["fine_labels"] if "fine_labels" in batch else batch["labels"], np.int64)
        images = np.asarray(batch["data"], np.uint8).reshape(len(labels), 3, 32, 32)
    # A torn or foreign pickle can raise nearly anything.
    except Exception as error:
        raise DataError(
            f"{file} is no batch of CIFAR ({type(error).__name__}: {error})", "delete it and download it again"
        ) from error
    return images, labels


_ALLOWED: Mapping[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    # The function that rebuilds an array, by its names of before and since NumPy 2.
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    # How Python 3 writes bytes in the protocol of Python 2.
    ("_codecs", "encode"): lambda text, encoding: str.encode(text, encoding),
}


class _ArraysOnly(pickle.Unpickler):
    """Reads plain values and NumPy arrays; a pickle that asks for anything else could run code, and is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few callables of an array's pickle."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ALLOWED[module, name]
