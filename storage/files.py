"""Files that are whole or not there, and whose bytes are checked whenever they are read."""

import hashlib
import os
import tempfile
from pathlib import Path

from winnow.storage.errors import FileDamaged


def write_whole(path: Path, content: bytes) -> str:
    """Write a file so that it appears complete or not at all, even through a power cut; returns its SHA-256 in hex."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return hashlib.sha256(content).hexdigest()


def read_checked(path: Path, sha256: str) -> bytes:
    """Return the bytes of a file; raises FileDamaged where they are not those that were written, or not there."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileDamaged(f"the file {path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise FileDamaged(f"the file {path} does not hold the bytes that were written")
    return content
