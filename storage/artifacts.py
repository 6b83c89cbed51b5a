"""Artifacts: files that outlive their trial (weights, for one), named by the SHA-256 of their bytes."""

import hashlib
from pathlib import Path

from storage.files import read_checked, write_whole


def write(folder: Path, content: bytes) -> str:
    """Keep some bytes; returns their name."""
    name = hashlib.sha256(content).hexdigest()
    path = folder / "artifacts" / name
    if not path.exists():
        write_whole(path, content)
    return name


def read(folder: Path, name: str) -> bytes:
    """The bytes of an artifact; raises FileDamaged where they are not whole or not there."""
    return read_checked(folder / "artifacts" / name, name)
