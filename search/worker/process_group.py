"""A process with all that it starts, which end together, and with the process that started it."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress

from winnow.exit_status import ending
from winnow.search.worker.forking import ForkServer, Process
from winnow.search.worker.processes import module_command


class ProcessGroup:
    """A process that leads a group of its own, which is killed whole: by `kill`, or when this process is gone.

    The second is a shell's work that waits beside it for this process's end of a pipe to close, whatever closes it.
    """

    def __init__(
        self, module: str, descriptor: int, environment: Mapping[str, str], fork_server: ForkServer | None = None
    ) -> None:
        """Start a module of Winnow's, which inherits the file `descriptor` and is told its number."""
        arguments = [str(descriptor)]
        files = {each: each for each in (0, 1, 2, descriptor)}
        forked = fork_server and fork_server.fork(module, arguments, environment, files, leads_group=True)
        self._leader: Process = forked or subprocess.Popen(
            module_command(module, *arguments), pass_fds=[descriptor], env=environment, start_new_session=True
        )
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
        self._leader.kill()  # which may have been about to make its group
        self._leader.wait()
        self._guard.kill()
        self._guard.communicate()
