"""The reaper, which brings back the trials of workers that are gone: in each worker, and on a server without any."""

import math
import threading
from collections.abc import Iterator

from winnow.search.worker import liveness
from winnow.storage import Storage, endings
from winnow.storage.database import Database

LOOK_SECONDS = 1.0


def bring_back(database: Database, study_id: int | None, lease_seconds: float) -> list[int]:
    """Return the trials to WAITING whose leases ran out, and those of workers that are known to have died here.

    Gives their numbers. Of the first see `endings.reap`.
    """
    return [*liveness.requeue_of_dead(database), *endings.reap(database, study_id, lease_seconds)]


def reap(storage: Storage, lease_seconds: float, every: float | None = None) -> Iterator[list[int]]:
    """Yield the numbers of the trials that went back to WAITING: once, or every so many seconds without end.

    It first keeps in touch with the database for one whole lease, so that after an outage the owners come first.
    """
    if every is not None:
        storage.database.patience = math.inf
    pause, numbers = threading.Event(), list[int]()
    while True:
        numbers += bring_back(storage.database, None, lease_seconds)
        if storage.database.contact.seconds < lease_seconds:
            pause.wait(LOOK_SECONDS)
            continue
        yield numbers
        if every is None:
            return
        numbers = []
        pause.wait(every)
