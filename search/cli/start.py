"""Start and end of the command, for which a person waits: nothing but imports, and the freeing of what they made."""

import atexit
import gc
import os
import signal
from types import FrameType


def begin() -> None:
    """Begin the imports: Ctrl-C ends the process at once, without a word, and no garbage is looked for."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave_at_once)
    gc.disable()  # a million objects are made, and none is garbage: to look is a tenth of it all
    # The first that is registered is called last. What is frozen the interpreter does not free piece by piece before
    # the kernel frees it whole, which would take a third of a second, or two.
    atexit.register(gc.freeze)


def imported() -> None:
    """End the imports: from here on Ctrl-C is a KeyboardInterrupt, and garbage is looked for among what is new."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    if signal.getsignal(signal.SIGINT) is _leave_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)
