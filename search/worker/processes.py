"""Starting processes that no file of the user's folder can disturb, and that end with the process that started them."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of Winnow.

    `-P` keeps the current folder off the path: a `logging.py` or `winnow.py` that lies there is not ours to import.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def ending(status: int) -> str:
    """Say how a process ended, by its status as `subprocess` gives it."""
    if status >= 0:
        return f"ended with status {status}"
    known = {each.value: each.name for each in signal.Signals}  # those of real time have numbers only
    return f"was killed by {known.get(-status, f'signal {-status}')}"


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


class ProcessGroup:
    """A process that leads a group of its own, which is killed whole: by `kill`, or when this process is gone.

    The second is a shell's work that waits beside it for this process's end of a pipe to close, whatever closes it.
    """

    def __init__(self, command: list[str], environment: dict[str, str], descriptor: int) -> None:
        """Start `command`, which inherits the file `descriptor`."""
        self._leader = subprocess.Popen(command, pass_fds=[descriptor], env=environment, start_new_session=True)
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", f"read -r _; kill -s KILL -- -{self._leader.pid}"],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def process_id(self) -> int:
        """The id of the leader and of its group."""
        return self._leader.pid

    @property
    def alive(self) -> bool:
        """Whether the leader still runs."""
        return self._leader.poll() is None

    def how_it_ended(self) -> str:
        """Wait a moment for the leader, which has closed its pipe, and say how it ended."""
        try:
            status = self._leader.wait(5.0)
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        return ending(status)

    def kill(self) -> None:
        """End the leader and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._leader.pid, signal.SIGKILL)
        self._leader.wait()
        self._guard.kill()
        self._guard.communicate()
