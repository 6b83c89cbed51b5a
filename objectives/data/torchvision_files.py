"""MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100 where torchvision keeps them: found, downloaded, read."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from winnow.objectives.data import cifar, decoded, idx
from winnow.objectives.errors import DataError

logger = logging.getLogger("winnow")

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts the original files."""


@dataclass(frozen=True)
class Layout:
    """How torchvision keeps a data set below its root."""

    torchvision_class: str
    folder: str
    read: Callable[[Sequence[Path]], tuple[NDArray[np.uint8], NDArray[np.int64]]]
    train: tuple[str, ...]
    test: tuple[str, ...]


_IDX_TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
_IDX_TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
LAYOUTS = {
    "mnist": Layout("MNIST", "MNIST/raw", idx.read, _IDX_TRAIN, _IDX_TEST),
    "fashion_mnist": Layout("FashionMNIST", "FashionMNIST/raw", idx.read, _IDX_TRAIN, _IDX_TEST),
    "cifar10": Layout("CIFAR10", "cifar-10-batches-py", cifar.read, _BATCHES, ("test_batch",)),
    "cifar100": Layout("CIFAR100", "cifar-100-python", cifar.read, ("train",), ("test",)),
}


def read(name: str, part: str, path: str | None) -> decoded.Arrays:
    """Return the images uint8 (N, C, H, W) and labels int64 (N,) of `part` (`train` or `test`).

    They come from `path` where one is given, else from the cache folder or Debian's package; what is in none of
    them is downloaded. Raises DataError where that fails too.
    """
    files = find(name, part, path) or _download(name, part, path)
    return decoded.read(f"{name} {part} {files[0].parent.resolve()}", files, lambda _: LAYOUTS[name].read(files))


def find(name: str, part: str, path: str | None) -> list[Path] | None:
    """Return the files of one part; None where no folder has them all.

    `path` is torchvision's root, or the files' own folder.
    """
    layout, root = LAYOUTS[name], _root(path)
    folders = [root / layout.folder, root]
    if name == "fashion_mnist" and path is None:
        folders.append(DEBIAN)
    for folder in folders:
        names = layout.train if part == "train" else layout.test
        found = [next(filter(Path.is_file, (folder / name, folder / f"{name}.gz")), None) for name in names]
        if None not in found:
            return [file for file in found if file]
    return None


def _root(path: str | None) -> Path:
    return Path(path).expanduser() if path else decoded.cache_folder() / "data"


def _download(name: str, part: str, path: str | None) -> list[Path]:
    """Let torchvision download `name`, once for all workers that wait for it; raises DataError where it cannot."""
    import torchvision.datasets

    root = _root(path)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with decoded.locked(root / f".{name}"):
            if find(name, part, path) is None:
                logger.info("downloading %s to %s", name, root)
                getattr(torchvision.datasets, LAYOUTS[name].torchvision_class)(root, download=True)
    except (OSError, RuntimeError) as error:
        package = "or install Debian's package dataset-fashion-mnist, " if name == "fashion_mnist" else ""
        raise DataError(
            f"{name} is not in {root} and could not be downloaded ({' '.join(str(error).split())})",
            f"connect this machine, {package}or name in data.path a folder that has it as torchvision keeps it",
        ) from error
    files = find(name, part, path)
    if files is None:
        raise DataError(f"the download of {name} to {root} is not whole", "delete it there and start again")
    return files
