"""Starting processes that no file of the user's folder can disturb, and that end with the process that started them."""

import ctypes
import os
import signal
import sys
import threading
import time

from winnow.errors import WinnowError

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(4 * 2**30), "MALLOC_TRIM_THRESHOLD_": str(8 * 2**30)}
"""What glibc reads when a process starts: keep freed blocks of any size for the next step. By default it gives those
beyond 32 MiB back to the kernel each time, and each new one faults page by page. A trainer so stays at its peak."""
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of Winnow.

    `-P` keeps the current folder off the path: a `logging.py` or `winnow.py` that lies there is not ours to import.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def refuse_deleted_folder() -> None:
    """Raise WinnowError where the current folder was deleted: neither oneMKL nor a user's module is loaded there."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise WinnowError("the folder that this was started in is deleted", "start it in one that is there") from None


def die_with_parent(parent: int, sent: signal.Signals) -> None:
    """Have this process sent a signal when the process `parent` ends, or now where it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(sent), 0, 0, 0)
        if os.getppid() != parent:  # it ended before the kernel was told
            os.kill(os.getpid(), sent)
    else:
        threading.Thread(target=watch_parent, args=(parent, sent), daemon=True).start()


def watch_parent(parent: int, sent: signal.Signals) -> None:
    """Look every second whether the parent is still this one; send ourselves the signal when it is not."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), sent)
