"""Files of MNIST and CIFAR as torchvision keeps them, written for a test."""

import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np


def write_idx(path: Path, array: np.ndarray[Any, Any]) -> None:
    """An idx file of bytes, gzipped where its name says so."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_batch(path: Path, images: np.ndarray[Any, Any], labels: list[int], key: str, protocol: int = 2) -> None:
    """A batch of CIFAR."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps({"data": images.reshape(len(images), -1), key: labels}, protocol))
