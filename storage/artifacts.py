"""Artifacts: files that outlive their trial (weights, for one), named by their study and the SHA-256 of their bytes."""

import hashlib

from winnow.storage.errors import StorageError
from winnow.storage.stores import Store


def write(store: Store, home: str, content: bytes) -> str:
    """Keep some bytes for the study with this home (see `identities`); return their name; raise OSError."""
    name = f"{home}/artifacts/{hashlib.sha256(content).hexdigest()}"
    store.write(name, content)
    return name


def read(store: Store, name: str) -> bytes:
    """Return the bytes of an artifact; raise FileDamaged where they are not whole or not there, or StorageError."""
    try:
        return store.read(name, name.rpartition("/")[2])
    except OSError as error:
        raise StorageError(f"{store.place} does not give {name}: {error}", "try again when it does") from error


def remove(store: Store, name: str) -> None:
    """Forget an artifact, if it is there; raise OSError."""
    store.remove(name)


def names(store: Store, home: str) -> list[str]:
    """Return the names of all artifacts that are kept of a study; raise OSError."""
    return store.names(f"{home}/artifacts/")
