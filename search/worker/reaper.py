"""The reaper that needs no worker: for the server, where it brings back trials when the last worker has died too."""

import math
import threading
from collections.abc import Iterator

from winnow.storage import Storage, endings

LOOK_SECONDS = 1.0


def reap(storage: Storage, lease_seconds: float, every: float | None = None) -> Iterator[list[int]]:
    """Yield the numbers of the trials that went back to WAITING: once, or every so many seconds without end.

    It first keeps in touch with the database for one whole lease, so that after an outage the owners come first.
    """
    if every is not None:
        storage.database.patience = math.inf
    pause = threading.Event()
    while True:
        numbers = endings.reap(storage.database, None, lease_seconds)
        if storage.database.contact.seconds < lease_seconds:
            pause.wait(LOOK_SECONDS)
            continue
        yield numbers
        if every is None:
            return
        pause.wait(every)
