"""Operating-system matters of a worker's two processes."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(sent: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent dies, however it dies. Linux only; elsewhere a no-op.

    A trainer elsewhere ends when its pipe closes, which it notices at its next report.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(sent), 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel knew
        os.kill(os.getpid(), sent)


def kill_group(process_id: int) -> None:
    """Kill a process and all that it started, if it leads a group of its own."""
    try:
        os.killpg(process_id, signal.SIGKILL)
    except ProcessLookupError:
        return
