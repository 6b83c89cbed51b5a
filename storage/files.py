"""Files that are whole or not there, and whose bytes are checked whenever they are read."""

import errno
import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from winnow.storage.errors import FileDamaged

# What says of a file that it is not there, or not for this user: any other error is its disk's, and may pass.
_NOT_THERE = (
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
    *(errno.EACCES, errno.EPERM),
)


def write_whole(path: Path, content: bytes) -> str:
    """Write a file so that it appears complete or not at all, even through a power cut; returns its SHA-256 in hex.

    Where a link stands, what it leads to is written; what is no file, as /dev/stdout, is written as it is.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return hashlib.sha256(content).hexdigest()
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")  # not by `tempfile`, whose files are their owner's
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):  # as of a disk that has become read-only, where there is none
            beside.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return hashlib.sha256(content).hexdigest()


def read_checked(path: Path, sha256: str) -> bytes:
    """Return the bytes of a file; raises FileDamaged where they are not those that were written, or not there.

    Raises OSError where its disk does not give them, and may yet.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        raise FileDamaged(f"the file {path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise FileDamaged(f"the file {path} does not hold the bytes that were written")
    return content
