"""The outbox: epochs of an attempt that could not be delivered yet, kept on disk until the database has them.

If the worker dies before it could deliver them, whoever claims the trial next finds them here (where the files are
shared) and delivers them in its own name: nothing that was trained is thrown away.
"""

import json
import logging
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from winnow.records import Epoch
from winnow.storage.checkpoints import Stored
from winnow.storage.leases import Lease

_log = logging.getLogger("winnow")


class Outbox:
    """The epochs of one attempt that wait for the database, in order."""

    def __init__(self, folder: Path, lease: Lease) -> None:
        self.path = _path(folder, lease, lease.claim)
        self._claim = lease.claim
        self._unwritten: list[str] = []
        self._size = 0

    def keep(self, epoch: Epoch, checkpoint: Stored | None = None) -> None:
        """Write an epoch down, with its checkpoint, so that it outlives this process; raise OSError.

        What could not be written comes before the next.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = {"claim": self._claim, "epoch": asdict(epoch), "checkpoint": checkpoint and asdict(checkpoint)}
        self._unwritten.append(json.dumps(line) + "\n")
        with self.path.open("ab") as file:
            file.truncate(self._size)  # of a line that a full disk has torn
            file.write("".join(self._unwritten).encode())
            file.flush()
            os.fsync(file.fileno())
            self._size = file.tell()
        self._unwritten.clear()

    def clear(self) -> None:
        """Forget what was delivered or refused."""
        self._unwritten.clear()
        self._size = 0
        _remove(self.path)


def leftovers(folder: Path, lease: Lease) -> list[tuple[Epoch, Stored | None]]:
    """Return what earlier attempts of a trial left undelivered, oldest first.

    A torn last line is left out; a line of another attempt, in a file that was copied or renamed, is refused.
    """
    found: list[tuple[Epoch, Stored | None]] = []
    for claim in lease.earlier_claims:
        path = _path(folder, lease, claim)
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                content = json.loads(line)
            except ValueError:
                break
            if content["claim"] != claim:
                _log.warning("trial %d: %s holds epochs of another trial; they are left out", lease.number, path)
                break
            stored = content["checkpoint"]
            found.append((Epoch(**content["epoch"]), stored and Stored(**stored)))
    return found


def clear_leftovers(folder: Path, lease: Lease) -> None:
    """Forget what earlier attempts left."""
    for claim in lease.earlier_claims:
        _remove(_path(folder, lease, claim))


def _remove(path: Path) -> None:
    with suppress(OSError):  # what stays, on a read-only disk, is delivered a second time, which changes nothing
        path.unlink(missing_ok=True)


def _path(folder: Path, lease: Lease, claim: str) -> Path:
    return folder / lease.home / "outbox" / f"{lease.number:06d}-{claim}.jsonl"
