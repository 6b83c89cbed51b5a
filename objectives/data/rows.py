"""Rows of an array that lies in a file and is read where it is used: what need not fit in memory."""

import logging
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger("winnow")

CHUNK_BYTES = 8 << 20
"""So much is read at once where all rows are wanted in turn: counting them takes eight times as much."""


@dataclass(frozen=True)
class Rows:
    """Some rows of `array`, in the order of `index`; nothing of it is copied before it is asked for."""

    array: NDArray[Any]
    index: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array that held these rows alone."""
        return (len(self.index), *self.array.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the array."""
        return self.array.dtype

    @property
    def nbytes(self) -> int:
        """What these rows take in memory."""
        return len(self.index) * self.array[:1].nbytes

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, chosen: NDArray[np.int64]) -> "Rows":
        return Rows(self.array, self.index[chosen])

    def read(self, start: int = 0, end: int | None = None) -> NDArray[Any]:
        """Return the rows from `start` to before `end` in memory."""
        return self.array[self.index[start:end]]


def chunks(inputs: NDArray[Any] | Rows) -> Iterator[NDArray[Any]]:
    """Yield all rows in their order: an array whole, rows of a file a chunk after the other."""
    if not isinstance(inputs, Rows):
        yield inputs
        return
    step = max(1, CHUNK_BYTES // max(1, inputs.array[:1].nbytes))
    for start in range(0, len(inputs), step):
        yield inputs.read(start, start + step)


def in_a_file(folder: Path, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an array whose bytes lie in a file of `folder` that nobody else sees, and that ends with it.

    Where that cannot be written or has no room, it is in memory.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # a disk that fills up later would end the process by SIGBUS
                os.posix_fallocate(file.fileno(), 0, max(1, math.prod(shape) * np.dtype(dtype).itemsize))
            return np.memmap(file, dtype, "w+", shape=shape)
    except OSError as error:
        logger.warning("data is held in memory, for %s does not take it: %s", folder, error.strerror)
        return np.empty(shape, dtype)
