"""Keep one worker at work in the place that an engine gave.

`python -m winnow.search.launch.engines.keeper STUDY --device cuda`.

An engine restarts what dies with a machine; a worker that dies alone is started again here, at once and on the device
that it had. Nothing heavy is imported: this process waits, and a worker beside it does the work.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

from winnow.search.launch.fleet import FLEET
from winnow.search.worker.processes import die_with_parent

LOOK_SECONDS = 0.2
MOST_CRASHES = 4
"""A worker that dies so often in a row is not started again."""
CALM_SECONDS = 600.0
"""A worker that lived for so long begins a new row."""
BAD_INPUT = 2
"""The exit status of a worker that would be refused again."""


class Keeper:
    """Runs `winnow work` with the arguments given, again when it dies, until nothing is left to do."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments = list(arguments)
        self.stopped = False
        """Whether it was told to stop, by SIGTERM or SIGINT."""

    def run(self) -> int:
        """An exit status: 0 when nothing is left to do or after a stop, else that of a worker that cannot be kept."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        crashes = 0
        while not self.stopped:
            started = time.monotonic()
            status = self._work()
            if self.stopped or status in (0, BAD_INPUT):
                return 0 if self.stopped else status
            crashes = 1 if time.monotonic() - started > CALM_SECONDS else crashes + 1
            if crashes == MOST_CRASHES:
                _say(f"the worker died {crashes} times in a row, at last with status {status}; it is given up")
                return 1
            _say(f"the worker died with status {status}; it is started again")
            self._pause(2.0**crashes)
        return 0

    def _work(self) -> int:
        """One worker from start to end. It hands its trial back when this process is told to stop, or is gone."""
        worker = subprocess.Popen(
            [sys.executable, "-m", "winnow", "work", *self.arguments],
            env={**os.environ, FLEET: "1"},
            stdin=subprocess.DEVNULL,
        )
        told = False
        while (status := worker.poll()) is None:
            if self.stopped and not told:
                worker.terminate()
                told = True
            time.sleep(LOOK_SECONDS)
        return status

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.stopped:
            time.sleep(LOOK_SECONDS)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True


def _say(sentence: str) -> None:
    print(f"winnow: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    if os.environ.get(FLEET):
        die_with_parent(signal.SIGTERM)
    sys.exit(Keeper(sys.argv[1:]).run())
