"""Artifacts: files that outlive their trial (weights, for one), named by their study and the SHA-256 of their bytes."""

import hashlib

from winnow.storage.stores import Store


def write(store: Store, study_id: int, content: bytes) -> str:
    """Keep some bytes; returns their name; raises OSError."""
    name = f"{study_id}/{hashlib.sha256(content).hexdigest()}"
    store.write(_path(name), content)
    return name


def read(store: Store, name: str) -> bytes:
    """The bytes of an artifact; raises FileDamaged where they are not whole or not there."""
    return store.read(_path(name), name.rpartition("/")[2])


def remove(store: Store, name: str) -> None:
    """Forget an artifact, if it is there; raises OSError."""
    store.remove(_path(name))


def names(store: Store, study_id: int) -> list[str]:
    """All artifacts that are kept of a study; raises OSError."""
    return [name.removeprefix("artifacts/") for name in store.names(_path(f"{study_id}/"))]


def _path(name: str) -> str:
    return f"artifacts/{name}"
