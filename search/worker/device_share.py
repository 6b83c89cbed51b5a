"""A worker's share of its device: beside others, or alone for a trial that did not fit beside them.

Two files of the machine are locked for it, which the system unlocks when a worker dies. Whoever has a trainer shares
the device's lock. Whoever wants to be alone closes the gate first, so that no one else comes, and waits until all have
left: at the gate, each ends its trainer after its trial.
"""

import fcntl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from winnow.search.worker.devices import Device
from winnow.search.worker.liveness import folder_of_machine

LOOK_SECONDS = 0.2


class DeviceShare:
    """One worker's hold on its device, among the workers of this machine and user."""

    def __init__(self, device: Device, folder: Path | None = None) -> None:
        folder = folder or folder_of_machine()
        names = [key.replace("/", "-").replace(":", "-") for key in device.keys]
        self._gate = [(folder / f"{name}.gate").open("w") for name in names]
        self._device = [(folder / f"{name}.device").open("w") for name in names]
        self._joined = False
        self._alone = False  # or about to be: other threads of this process are not to touch its locks
        self._touching = threading.Lock()

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits to be alone on the device, or is, another thread of this worker included."""
        with self._touching:
            if self._alone or not _locked(self._gate, fcntl.LOCK_SH):
                return True
            _unlock(self._gate)
            return False

    def join(self, keep_waiting: Callable[[], bool]) -> bool:
        """Share the device with others, once nobody wants it alone; False where the caller waits no longer."""
        return _wait(self._shared, keep_waiting)

    def _shared(self) -> bool:
        with self._touching:
            if not self._joined and not self._alone and _locked(self._gate, fcntl.LOCK_SH):
                self._joined = _locked(self._device, fcntl.LOCK_SH)
                _unlock(self._gate)
            return self._joined

    def leave(self) -> None:
        """Give the device up; the caller's trainer has ended."""
        _unlock(self._device)
        self._joined = False

    @contextmanager
    def alone(self, keep_waiting: Callable[[], bool]) -> Iterator[bool]:
        """Have the device alone; yields False where the caller waits no longer. Afterwards it is shared again."""
        with self._touching:
            _unlock(self._device)
            self._joined, self._alone = False, True
        try:
            yield _wait(lambda: _locked(self._gate, fcntl.LOCK_EX), keep_waiting) and _wait(
                lambda: _locked(self._device, fcntl.LOCK_EX), keep_waiting
            )
        finally:
            with self._touching:
                _unlock(self._device)
                _unlock(self._gate)
                self._alone = False

    def close(self) -> None:
        """Give everything up."""
        for file in [*self._gate, *self._device]:
            file.close()


def _locked(files: Sequence[TextIO], kind: int) -> bool:
    """Lock all of them, or none: all processes take those of several devices in one order."""
    for file in files:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            _unlock(files)
            return False
    return True


def _unlock(files: Sequence[TextIO]) -> None:
    for file in files:
        fcntl.flock(file, fcntl.LOCK_UN)


def _wait(condition: Callable[[], bool], keep_waiting: Callable[[], bool]) -> bool:
    while not condition():
        if not keep_waiting():
            return False
        time.sleep(LOOK_SECONDS)
    return True
