"""A worker's share of its device: beside others, or alone for a trial that did not fit beside them.

Two files of the machine are locked for it, which the system unlocks when a worker dies. Whoever has a trainer shares
the device's lock. Whoever wants to be alone closes the gate first, so that no one else comes, and waits until all have
left: at the gate, each ends its trainer after its trial.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from winnow.search.worker.devices import Device

LOOK_SECONDS = 0.2


class DeviceShare:
    """One worker's hold on its device, among the workers of this machine and user."""

    def __init__(self, device: Device, folder: Path | None = None) -> None:
        folder = folder or Path(tempfile.gettempdir()) / f"winnow-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        name = device.key.replace("/", "-").replace(":", "-")
        self._gate = (folder / f"{name}.gate").open("w")
        self._device = (folder / f"{name}.device").open("w")
        self._joined = False

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits to be alone on the device."""
        if not _locked(self._gate, fcntl.LOCK_SH):
            return True
        fcntl.flock(self._gate, fcntl.LOCK_UN)
        return False

    def join(self, keep_waiting: Callable[[], bool]) -> bool:
        """Share the device with others, once nobody wants it alone; False where the caller waits no longer."""
        if not self._joined:
            if not _wait(lambda: _locked(self._gate, fcntl.LOCK_SH), keep_waiting):
                return False
            self._joined = _wait(lambda: _locked(self._device, fcntl.LOCK_SH), keep_waiting)
            fcntl.flock(self._gate, fcntl.LOCK_UN)
        return self._joined

    def leave(self) -> None:
        """Give the device up; the caller's trainer has ended."""
        fcntl.flock(self._device, fcntl.LOCK_UN)
        self._joined = False

    @contextmanager
    def alone(self, keep_waiting: Callable[[], bool]) -> Iterator[bool]:
        """Have the device alone; yields False where the caller waits no longer. Afterwards it is shared again."""
        fcntl.flock(self._device, fcntl.LOCK_UN)
        try:
            yield _wait(lambda: _locked(self._gate, fcntl.LOCK_EX), keep_waiting) and _wait(
                lambda: _locked(self._device, fcntl.LOCK_EX), keep_waiting
            )
        finally:
            fcntl.flock(self._device, fcntl.LOCK_UN)
            fcntl.flock(self._gate, fcntl.LOCK_UN)
            self._joined = False

    def close(self) -> None:
        """Give everything up."""
        self._gate.close()
        self._device.close()


def _locked(file: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(condition: Callable[[], bool], keep_waiting: Callable[[], bool]) -> bool:
    while not condition():
        if not keep_waiting():
            return False
        time.sleep(LOOK_SECONDS)
    return True
