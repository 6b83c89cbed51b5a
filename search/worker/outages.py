"""Waiting for a disk or store that does not answer: what lies there, or is to, is worth more than the time."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

LOOK_SECONDS = 0.5
"""Between two tries."""
_log = logging.getLogger("winnow")
Result = TypeVar("Result")


def wait_out(work: Callable[[], Result], can_wait: Callable[[], bool], what: str) -> Result | None:
    """Do some work that is tried again while it raises OSError; None where nobody `can_wait` any longer.

    `what` begins the sentence that says so in the log: `trial 3 waits for its checkpoint`.
    """
    waits = False
    while can_wait():
        try:
            return work()
        except OSError as error:
            if not waits:
                _log.warning("%s: %s", what, error)
            waits = True
            time.sleep(LOOK_SECONDS)
    return None
