"""Where commands write: refused before anything is computed where it cannot be, and said in a sentence if it fails."""

import errno
import os
from pathlib import Path

from winnow.errors import WinnowError

# What a file's place is at fault with, and not Winnow, and what to do about it.
_FAULTS = {
    errno.EISDIR: "name a file in it",
    errno.ENOENT: "name a place that is there",
    errno.ENOTDIR: "a file is where a folder is needed, so name another place",
    errno.EEXIST: "a file is where a folder is needed, so name another place",
    errno.EACCES: "name a place where this user may read and write",
    errno.EPERM: "name a place where this user may read and write",
    errno.EROFS: "name a place where this user may read and write",
    errno.ENOSPC: "make room there, or name another place",
    errno.EDQUOT: "make room there, or name another place",
    errno.ENAMETOOLONG: "name it in fewer letters",
}


def fault(error: Exception) -> WinnowError | None:
    """Return what is wrong with the place of a file; None of any other error."""
    if not isinstance(error, OSError) or error.errno not in _FAULTS:
        return None
    return WinnowError(f"{error.filename or 'a file'}: {error.strerror}", _FAULTS[error.errno])


def writable(path: Path, *, folder: bool = False) -> Path:
    """Return where a file, or with `folder` a whole folder, can be written; raises WinnowError where none can."""
    try:
        _try(path, folder)
    except OSError as error:
        raise fault(error) or error from None
    return path


def _try(path: Path, folder: bool) -> None:
    try:
        path.stat()
    except FileNotFoundError:
        holds = next(each for each in path.resolve().parents if each.exists())
    else:
        if path.is_dir() is not folder:
            raise _error(errno.ENOTDIR if folder else errno.EISDIR, path)
        # A file is replaced in its folder; what is no file, as /dev/stdout, is written as it is.
        holds = path.resolve().parent if path.is_file() else path
    if not os.access(holds, os.W_OK):
        raise _error(errno.EACCES, holds)


def _error(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))
