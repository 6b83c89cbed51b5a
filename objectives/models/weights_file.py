"""A file of trained weights, known by its SHA-256: later work on a study trains from the same file or says why not."""

import hashlib
from pathlib import Path

from winnow.objectives.errors import ObjectiveError


def digest(path: str) -> str:
    """Return the file's SHA-256 in hexadecimal digits; empty where there is no such file to read."""
    try:
        with Path(path).expanduser().open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def refuse_another(path: str, known: str) -> None:
    """Raise ObjectiveError where the file is there and is not the `known` one; where none is known, any will do."""
    found = digest(path)
    if known and found and found != known:
        raise ObjectiveError(
            f"weights = {path!r} is another file than before: its SHA-256 is {found[:12]}…, not {known[:12]}…",
            "bring back that file, or begin a new study",
        )
