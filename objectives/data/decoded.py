"""Decoded data kept on disk, so that one worker decodes and the others read.

A file is one line of JSON (what it holds, of which state of its sources, each array's type and shape, and the
SHA-256 of the bytes), then the arrays' bytes. It is believed only when all of that is true, and is never unpickled.
"""

import contextlib
import fcntl
import functools
import hashlib
import json
import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.objectives.data.rows import in_a_file

Arrays = tuple[NDArray[Any], ...]
Allocate = Callable[[tuple[int, ...], Any], NDArray[Any]]

logger = logging.getLogger("winnow")

_TYPES = ("|u1", "<i8", "<f4")


def cache_folder() -> Path:
    """Return where downloads and decoded data go: `WINNOW_CACHE`, else `winnow` in the user's cache folder."""
    if chosen := os.environ.get("WINNOW_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "winnow"


def read(what: str, sources: Iterable[Path], decode: Callable[[Allocate], Arrays]) -> Arrays:
    """Return what `decode` does, kept in the cache until a file of `sources` changes; `what` is its name there.

    `decode` is given what makes its large arrays, which need not fit in memory; those that come back lie in the file
    and cannot be written to. Processes that ask at the same time decode once. Without a cache folder to write to, every
    process decodes.
    """
    state = _state(sources)
    file = cache_folder() / "decoded" / f"{what.split()[0]}-{hashlib.sha256(what.encode()).hexdigest()[:16]}"
    kept = _read(file, what, state)
    if kept is not None:
        return kept
    with contextlib.ExitStack() as stack:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(file))
        except OSError as error:
            logger.warning("decoded data is not kept: %s", error)
            return decode(np.empty)
        kept = _read(file, what, state)
        if kept is None:
            kept = decode(functools.partial(in_a_file, file.parent))
            try:
                _write(file, what, state, kept)
                kept = _read(file, what, state) or kept
            except OSError as error:
                logger.warning("decoded data is not kept: %s", error)
        return kept


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that belongs to `path`; the kernel frees it when its holder dies. Raises OSError."""
    with open(f"{path}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _state(sources: Iterable[Path]) -> str:
    """Return a digest that changes when a file is added, taken away or written to."""
    digest = hashlib.sha256()
    for file in sources:
        facts = file.stat() if file.exists() else file.lstat()  # a link that leads nowhere
        digest.update(f"{file}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _write(file: Path, what: str, state: str, arrays: Arrays) -> None:
    arrays = tuple(np.ascontiguousarray(array) for array in arrays)
    header = {
        "what": what,
        "state": state,
        "arrays": [{"type": array.dtype.str, "shape": array.shape} for array in arrays],
        "sha256": _digest(arrays),
    }
    # The lock is held: nobody else writes under this name, and what a killed writer left is overwritten.
    partial = file.with_name(f"{file.name}.partial")
    try:
        with partial.open("wb") as written:
            written.write(json.dumps(header).encode() + b"\n")
            for array in arrays:
                written.write(array.data)
        partial.replace(file)
    except OSError:
        partial.unlink(missing_ok=True)  # a disk that is full has no room for half of it
        raise


def _read(file: Path, what: str, state: str) -> Arrays | None:
    """Return the arrays kept in `file`, or None where it holds something else, an older state, or is damaged."""
    try:
        with file.open("rb") as opened:
            header = json.loads(opened.readline())
            if (header["what"], header["state"]) != (what, state):
                return None
            arrays = tuple(_read_array(opened, **entry) for entry in header["arrays"])
            if not opened.read(1) and _digest(arrays) == header["sha256"]:
                return arrays
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        pass
    logger.warning("%s is damaged; it is decoded again", file)
    return None


def _read_array(file: Any, type: str, shape: list[int]) -> NDArray[Any]:
    if type not in _TYPES:
        raise ValueError(type)
    count = math.prod(shape)
    if not count:
        return np.empty(shape, type)
    start = file.tell()
    array = np.memmap(file, type, "r", start, (count,)).reshape(shape)
    file.seek(start + array.nbytes)
    return array


def _digest(arrays: Iterable[NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.data)
    return digest.hexdigest()
