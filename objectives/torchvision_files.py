"""MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100 as torchvision keeps them on disk: found, downloaded, decoded."""

import gzip
import logging
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectives.errors import DataError

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]
logger = logging.getLogger("winnow")

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts the original files."""

_FOLDERS = {
    "mnist": "MNIST/raw",
    "fashion_mnist": "FashionMNIST/raw",
}
_FILES = {"train": "train", "test": "t10k"}
_CLASSES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}


def cache_folder() -> Path:
    """Where downloads and decoded data go: `WINNOW_CACHE`, or `winnow` in the user's cache folder."""
    if chosen := os.environ.get("WINNOW_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "winnow"


def read(name: str, part: str, path: str | None) -> Arrays:
    """The images uint8 (N, C, H, W) and labels int64 (N,) of `part` (`train` or `test`).

    Reads `path` where one is given, else the cache folder or Debian's package; downloads what is in none of them.
    Raises DataError where that fails too.
    """
    files = find(name, part, path)
    if files is None:
        download(name, Path(path).expanduser() if path else cache_folder() / "data")
        files = find(name, part, path)
    if files is None:
        raise DataError(f"the download of {name} brought no {part} files", "give data.path a folder that has them")
    images, labels = (read_idx(file) for file in files)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise DataError(f"{files[0]} and {files[1]} do not belong together", "delete them and download again")
    return images[:, None], labels.astype(np.int64)


def find(name: str, part: str, path: str | None) -> tuple[Path, ...] | None:
    """The files of one part, images before labels, or None where no folder has them all."""
    roots = [Path(path).expanduser()] if path else [cache_folder() / "data"]
    folders = [folder for root in roots for folder in (root / _FOLDERS[name], root)]
    if name == "fashion_mnist" and not path:
        folders.append(DEBIAN)
    for folder in folders:
        found = tuple(
            next((file for file in (folder / stem, folder / f"{stem}.gz") if file.is_file()), None)
            for stem in (f"{_FILES[part]}-images-idx3-ubyte", f"{_FILES[part]}-labels-idx1-ubyte")
        )
        if None not in found:
            return found  # type: ignore[return-value]
    return None


def download(name: str, folder: Path) -> None:
    """Let torchvision download `name` into `folder`; raises DataError where it cannot."""
    import torchvision.datasets

    logger.info("downloading %s to %s", name, folder)
    try:
        getattr(torchvision.datasets, _CLASSES[name])(folder, download=True)
    except (OSError, RuntimeError) as error:
        package = " or install Debian's package dataset-fashion-mnist," if name == "fashion_mnist" else ""
        raise DataError(
            f"{name} is not in {folder} and cannot be downloaded ({_first_line(error)})",
            f"connect this machine,{package} or give data.path a folder that has it as torchvision keeps it",
        ) from error


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of bytes in an idx file (LeCun's format of MNIST), gzipped or not; raises DataError if it is none."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read()
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({_first_line(error)})", "delete it and download it again") from error
    dimensions = content[3] if len(content) > 4 else 0
    shape = tuple(np.frombuffer(content, ">u4", dimensions, 4)) if len(content) >= 4 + 4 * dimensions else ()
    if content[:3] != b"\0\0\x08" or len(content) != 4 + 4 * dimensions + np.prod(shape, dtype=int):
        raise DataError(f"{path} is no whole idx file of bytes", "delete it and download it again")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
