"""Where checkpoints and artifacts lie: a folder that all workers reach, or S3 through Optuna's artifact store.

A file has a name with slashes, appears whole or not at all, and is checked against its SHA-256 whenever it is read.
"""

import hashlib
import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from sqlalchemy import URL

from winnow.storage.errors import FileDamaged, StorageError
from winnow.storage.files import read_checked, write_whole

if TYPE_CHECKING:
    from optuna.artifacts import Boto3ArtifactStore

S3 = "s3://"
CONNECT_SECONDS = 5
SILENCE_SECONDS = 30
# After a write that failed, S3 is asked for none for so many times as long as that took: training waits for each.
LEAVES_ALONE = 4


def files_of(url: URL) -> Path:
    """Return the folder of files of the storage at a URL: WINNOW_FILES unless that is on S3, or beside an SQLite file.

    What waits for the database and logs always lie there.
    """
    given = os.environ.get("WINNOW_FILES", "")
    beside = f"{url.database}.files" if url.get_backend_name() == "sqlite" else "winnow.files"
    return Path(beside if not given or given.startswith(S3) else given)


class Store(Protocol):
    """What both kinds can do. A name's parts are folders; where writing fails, OSError says why."""

    @property
    def place(self) -> str:
        """Where it is, for people to read."""

    def write(self, name: str, content: bytes) -> str:
        """Write a file; returns its SHA-256 in hex; raises OSError."""

    def read(self, name: str, sha256: str) -> bytes:
        """Return the bytes of a file; raises FileDamaged where they are not those that were written, or not there.

        Raises OSError where the store does not answer: the file may be there all the same.
        """

    def remove(self, name: str) -> None:
        """Remove a file, if it is there; raises OSError."""

    def names(self, beginning: str, torn: bool = False) -> list[str]:
        """Return the names of all files that begin so, sorted; raises OSError.

        With `torn`, of what is being written, or was when its writer was killed.
        """

    def has_lost(self, folder: str) -> str:
        """Return the path of a folder that was written to, where it is not there; empty on S3, which has none."""


def of(url: URL) -> Store:
    """Return the store of the storage at a URL; raises StorageError where that cannot be."""
    given = os.environ.get("WINNOW_FILES", "")
    return at(given if given.startswith(S3) else str(files_of(url)))


def at(place: str) -> Store:
    """Return the store at a path or at s3://BUCKET/PREFIX; raises StorageError where that cannot be."""
    return _bucket(place) if place.startswith(S3) else Folder(Path(place))


class Folder:
    """A folder on this machine, or on one that all workers see."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def place(self) -> str:
        """As Store's."""
        return str(self.home)

    def write(self, name: str, content: bytes) -> str:
        """Behave as Store's."""
        return write_whole(self.home / name, content)

    def read(self, name: str, sha256: str) -> bytes:
        """Behave as Store's."""
        return read_checked(self.home / name, sha256)

    def remove(self, name: str) -> None:
        """Behave as Store's."""
        (self.home / name).unlink(missing_ok=True)

    def names(self, beginning: str, torn: bool = False) -> list[str]:
        """Behave as Store's; `beginning` has its folder in full."""
        folder, skipped = self.home / beginning.rpartition("/")[0], len(str(self.home)) + 1
        files = ((below, name) for below, _, names in os.walk(folder) for name in names if name.startswith(".") is torn)
        found = (f"{below}/{name}"[skipped:] for below, name in files)
        return sorted(name for name in found if name.startswith(beginning))

    def has_lost(self, folder: str) -> str:
        """Behave as Store's."""
        path = (self.home / folder).absolute()
        return "" if path.is_dir() else str(path)


class Bucket:
    """An S3 bucket, or what speaks as one (AWS_ENDPOINT_URL), with the credentials that boto3 finds."""

    def __init__(self, store: "Boto3ArtifactStore", prefix: str) -> None:
        self.store = store
        self.prefix = prefix
        self._next_write = 0.0

    @property
    def place(self) -> str:
        """As Store's."""
        return f"{S3}{self.store.bucket}/{self.prefix}"

    def write(self, name: str, content: bytes) -> str:
        """Behave as Store's: S3 itself shows an object whole or not at all."""
        began = time.monotonic()
        if began < self._next_write:
            raise OSError(f"S3 was silent; it is asked again in {self._next_write - began:.0f} s")
        try:
            with _as_os_errors(name):
                self.store.write(self.prefix + name, io.BytesIO(content))
        except OSError:
            self._next_write = time.monotonic() + LEAVES_ALONE * (time.monotonic() - began)
            raise
        return hashlib.sha256(content).hexdigest()

    def read(self, name: str, sha256: str) -> bytes:
        """Behave as Store's."""
        from optuna.artifacts.exceptions import ArtifactNotFound

        try:
            with _as_os_errors(name), self.store.open_reader(self.prefix + name) as body:
                content = body.read()
        except ArtifactNotFound as error:
            raise FileDamaged(f"the file {self.prefix}{name} cannot be read: {error}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise FileDamaged(f"the file {self.prefix}{name} does not hold the bytes that were written")
        return content

    def remove(self, name: str) -> None:
        """Behave as Store's."""
        with _as_os_errors(name):
            self.store.remove(self.prefix + name)

    def names(self, beginning: str, torn: bool = False) -> list[str]:
        """Behave as Store's. Optuna's store keeps no list, its client does."""
        if torn:
            return []
        pages = self.store.client.get_paginator("list_objects_v2")
        with _as_os_errors(beginning):
            keys = [
                str(item["Key"])
                for page in pages.paginate(Bucket=self.store.bucket, Prefix=self.prefix + beginning)
                for item in page.get("Contents", [])
            ]
        return sorted(key.removeprefix(self.prefix) for key in keys)

    def has_lost(self, folder: str) -> str:
        """Behave as Store's."""
        return ""


def _bucket(place: str) -> Bucket:
    try:
        import boto3
        from botocore.config import Config
        from optuna.artifacts import Boto3ArtifactStore
    except ImportError:
        raise StorageError("files on S3 need boto3", "pip install 'winnow-hpo[s3]'") from None
    parts = urlsplit(place)
    if not parts.netloc:
        raise StorageError(f"{place} names no bucket", "write s3://BUCKET/PREFIX")
    config = Config(connect_timeout=CONNECT_SECONDS, read_timeout=SILENCE_SECONDS, retries={"max_attempts": 3})
    prefix = parts.path.strip("/")
    with _as_storage_error(place):
        client: Any = boto3.client("s3", config=config)
    return Bucket(Boto3ArtifactStore(parts.netloc, client), f"{prefix}/" if prefix else "")


@contextmanager
def _as_storage_error(place: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError

    try:
        yield
    except (BotoCoreError, ValueError) as error:
        raise StorageError(f"{place} cannot be used: {error}", "set AWS_DEFAULT_REGION, or AWS_ENDPOINT_URL") from None


@contextmanager
def _as_os_errors(name: str) -> Iterator[None]:
    """Let S3's troubles look like those of a disk: who writes a file need not know where it lies."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise OSError(f"S3 did not take or give {name}: {error}") from error
