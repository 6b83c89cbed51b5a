"""The fork server: a process that has imported what workers and trainers import, and forks them.

A fleet so imports torch once. The server's one thread does nothing but this, so that nothing is halfway where a fork
takes it over, and what it forks gets arguments, environment, files, cores and a process group of its own, as from a
command. Only what libraries read of the environment when they are loaded is the server's.
"""

import ctypes
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing import connection
from pathlib import Path

from winnow.search.worker.forking import Request
from winnow.search.worker.processes import die_with_parent, module_command

LONGEST_REQUEST = 2**20
MOST_FILES = 16
ASK_TO_LEAVE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Server:
    """The server: who asks, and what runs of what was asked for."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._forked: dict[int, tuple[int, socket.socket]] = {}
        """By handle: the process, and where its end is told."""

    def serve(self, seconds: float | None) -> Callable[[], None] | None:
        """Do what is asked, until nothing was for so long; returns in each forked process, with what that is to run."""
        while ready := connection.wait([self._requests, *self._forked], seconds):
            for handle in ready:
                if isinstance(handle, int):
                    self._tell_end(handle)
            if self._requests in ready and (run := self._answer()) is not None:
                return run
        return None

    def _answer(self) -> Callable[[], None] | None:
        content, received, _, _ = socket.recv_fds(self._requests, LONGEST_REQUEST, MOST_FILES)
        request = Request(**json.loads(content))
        gc.freeze()  # or each would copy what a collection marks
        process = _fork() if len(received) == 1 + len(request.files) and not _has_left(received[0]) else None
        if process == 0:
            os.close(received[0])
            return self._become(request, received[1:])
        for file in received[1:]:
            os.close(file)
        if process is not None:
            self._tell_begin(process, socket.socket(fileno=received[0]))
        elif received:  # who asked is told why when it tries by itself
            os.close(received[0])
        return None

    def _tell_begin(self, process: int, asker: socket.socket) -> None:
        try:
            handle = os.pidfd_open(process)
        except OSError:  # no room for another file
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            asker.close()
            return
        self._forked[handle] = process, asker
        try:
            socket.send_fds(asker, [str(process).encode()], [handle])
        except OSError:  # who asked has waited too long, or is gone
            os.kill(process, signal.SIGKILL)

    def _tell_end(self, handle: int) -> None:
        process, asker = self._forked.pop(handle)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        os.close(handle)
        with asker, suppress(OSError):
            asker.send(str(status).encode())

    def _become(self, request: Request, files: Sequence[int]) -> Callable[[], None]:
        """Make this process, which was forked, the one that was asked for."""
        if request.leads_group:
            os.setsid()
        self._requests.close()
        for handle, (_, asker) in self._forked.items():
            os.close(handle)
            asker.close()
        _renumber(files, request.files)
        os.sched_setaffinity(0, request.cores)
        os.environ.clear()
        os.environ.update(request.environment)
        gc.enable()
        _draw_anew()
        module = import_module(request.module)
        if hasattr(module, "__path__"):  # a package, whose `__main__` a command runs
            module = import_module(f"{request.module}.__main__")
        sys.argv = [str(module.__file__), *request.arguments]
        sys.orig_argv = module_command(request.module, *request.arguments)
        _show(sys.orig_argv)
        run: Callable[[], None] = module.main
        return run


def _fork() -> int | None:
    try:
        return os.fork()
    except OSError:  # no room for another process
        return None


def _has_left(asker: int) -> bool:
    """Return whether who asked, and who says nothing more, has waited too long: it has started a process itself."""
    return bool(connection.wait([asker], 0.0))


def _draw_anew() -> None:
    """Have random numbers begin elsewhere than in every other fork; Python's own do so by themselves."""
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.seed()


def _renumber(files: Sequence[int], numbers: Sequence[int]) -> None:
    """Have open files by other numbers."""
    beyond = max(*files, *numbers) + 1
    for place, file in enumerate(files):
        os.dup2(file, beyond + place)
        os.close(file)
    for place, number in enumerate(numbers):
        os.dup2(beyond + place, number)
        os.close(beyond + place)


def _show(command: Sequence[str]) -> None:
    """Have `ps`, and whoever else reads /proc/PID/cmdline, see another command than the one that this process had."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    except OSError:  # no /proc, so nobody looks either
        return
    start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end: proc_pid_stat(5)
    if start < end:  # gVisor says 0 of both
        words = os.fsencode("\0".join(command))[: end - start - 1]
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, words, len(words))


def main() -> None:
    """Import groups of modules, and serve until the fleet ends this process or has ended itself."""
    parent, descriptor, *groups = sys.argv[1:]
    die_with_parent(int(parent), signal.SIGKILL)
    # What a signal to all means, those decide who ask, and those whom this forks: none sent to them is lost meanwhile.
    signal.pthread_sigmask(signal.SIG_BLOCK, ASK_TO_LEAVE)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whoever ignores it, as a parent's parent may, is told no status
    gc.disable()  # a million objects are made, and none is garbage
    server = Server(socket.socket(fileno=int(descriptor)))
    run = None
    for group in groups:
        for module in group.split(","):
            with suppress(Exception):  # whoever needs it says what is wrong with it
                import_module(module)
        if run := server.serve(0.0):  # a worker has much to do before its trainer is started
            break
    run = run or server.serve(None)
    assert run is not None
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASK_TO_LEAVE)
    run()


if __name__ == "__main__":
    main()
