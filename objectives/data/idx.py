"""The idx files of MNIST and Fashion-MNIST: a short header and bytes (the format is Yann LeCun's)."""

import gzip
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from winnow.objectives.errors import DataError


def read(files: Sequence[Path]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images uint8 (N, 1, H, W) and labels int64 (N,) of a file of each, gzipped or not; raises DataError."""
    images, labels = files
    pixels, classes = read_bytes(images), read_bytes(labels)
    if pixels.ndim != 3 or classes.shape != pixels.shape[:1]:
        raise DataError(f"{images} and {labels} do not belong together", "delete them and download them again")
    return pixels[:, None], classes.astype(np.int64)


def read_bytes(path: Path) -> NDArray[np.uint8]:
    """Return the array of bytes in one idx file, gzipped or not; raises DataError if it is not whole."""
    remedy = "delete it and download it again"
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = bytearray(file.read())
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error})", remedy) from error
    # Two zero bytes, 8 for unsigned bytes, the number of dimensions, then each of them in four bytes.
    start = 4 + 4 * content[3] if content[:3] == b"\0\0\x08" and len(content) > 4 else len(content) + 1
    shape = [int(extent) for extent in np.frombuffer(content[4:start], ">u4")] if start <= len(content) else []
    if not shape or start + math.prod(shape) != len(content):
        raise DataError(f"{path} is no whole idx file of bytes", remedy)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
