"""Which workers have died on this machine: each locks a file of its name, and the system unlocks it when it is gone.

So nobody need go by a process id, which another may have by now, nor by a host's name, which another may have too: a
worker that is frozen, or runs on another host or in another container, keeps its lock or has no file here.
"""

import fcntl
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from winnow.storage import endings, identities
from winnow.storage.database import Database

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def folder_of_machine() -> Path:
    """Return the folder of what the workers of this machine and user lock; raises OSError."""
    folder = Path(tempfile.gettempdir()) / f"winnow-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@contextmanager
def shown(database: Database, worker: str) -> Iterator[None]:
    """Show this machine for the time of a block that a worker lives, where it can be shown."""
    with ExitStack() as ends:
        with suppress(OSError):  # who is not known to be dead is waited for until its leases have run out
            folder, beginning = _of_database(database)
            folder.mkdir(exist_ok=True)
            file = ends.enter_context((folder / f"{beginning}{worker}").open("x"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def requeue_of_dead(database: Database) -> list[int]:
    """Return the trials of workers that have died on this machine to WAITING; gives their numbers."""
    numbers: list[int] = []
    with suppress(OSError):  # none was here, or another process has just done the same
        folder, beginning = _of_database(database)
        for path in folder.glob(f"{beginning}{platform.node()}:*"):
            with suppress(BlockingIOError), path.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                numbers += endings.requeue_of(database, path.name.removeprefix(beginning))
                path.unlink()
    return numbers


def _of_database(database: Database) -> tuple[Path, str]:
    """Return where the workers of a database lock files, and how those of this boot begin; raises OSError.

    Where several kernels see the folder, one may not see the locks of another.
    """
    return folder_of_machine() / "workers", f"{database.read(identities.of_database)}-{_BOOT.read_text().strip()}-"
