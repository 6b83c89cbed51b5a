"""What a worker could not deliver yet: epochs of an attempt, kept on disk until the database has them.

If the worker dies before it could deliver them, whoever claims the trial next finds them here (where the files are
shared) and delivers them in its own name: nothing that was trained is thrown away.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from winnow.records import Epoch
from winnow.storage.checkpoints import Stored
from winnow.storage.leases import Lease


class Outbox:
    """The epochs of one attempt that wait for the database, in order."""

    def __init__(self, folder: Path, lease: Lease) -> None:
        self.path = _home(folder) / f"{lease.trial_id:08d}-{lease.token:03d}.jsonl"

    def keep(self, epoch: Epoch, checkpoint: Stored | None = None) -> None:
        """Write an epoch down, with its checkpoint, so that it outlives this process; raise OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps({"epoch": asdict(epoch), "checkpoint": checkpoint and asdict(checkpoint)}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def clear(self) -> None:
        """Forget what was delivered or refused."""
        _remove(self.path)


def leftovers(folder: Path, lease: Lease) -> list[tuple[Epoch, Stored | None]]:
    """Return what earlier attempts of a trial left undelivered, oldest first. A torn last line is left out."""
    found: list[tuple[Epoch, Stored | None]] = []
    for path in _earlier(folder, lease):
        for line in path.read_text().splitlines():
            try:
                content = json.loads(line)
            except ValueError:
                break
            stored = content["checkpoint"]
            found.append((Epoch(**content["epoch"]), stored and Stored(**stored)))
    return found


def clear_leftovers(folder: Path, lease: Lease) -> None:
    """Forget what earlier attempts left."""
    for path in _earlier(folder, lease):
        _remove(path)


def _remove(path: Path) -> None:
    with suppress(OSError):  # what stays, on a read-only disk, is delivered a second time, which changes nothing
        path.unlink(missing_ok=True)


def _earlier(folder: Path, lease: Lease) -> list[Path]:
    paths = sorted(_home(folder).glob(f"{lease.trial_id:08d}-*.jsonl"))
    return [path for path in paths if int(path.stem.rpartition("-")[2]) < lease.token]


def _home(folder: Path) -> Path:
    return folder / "outbox"
