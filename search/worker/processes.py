"""Operating-system matters of a worker's two processes."""

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(sent: signal.Signals) -> None:
    """Send this process a signal whatever its parent dies of: by the kernel on Linux, by looking elsewhere."""
    parent = os.getppid()
    if sys.platform != "linux":
        threading.Thread(target=watch_parent, args=(parent, sent), daemon=True).start()
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(sent), 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel knew
        os.kill(os.getpid(), sent)


def watch_parent(parent: int, sent: signal.Signals) -> None:
    """Look every second whether the parent is still this one; send ourselves the signal when it is not."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), sent)


def kill_group(process_id: int) -> None:
    """Kill a process and all that it started, if it leads a group of its own."""
    try:
        os.killpg(process_id, signal.SIGKILL)
    except ProcessLookupError:
        return
