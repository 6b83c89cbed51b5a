"""What a trial prints: passed on to the worker's log, and its end kept, so that the trial's page can show it."""

import sys
from contextlib import suppress
from typing import Any, TextIO

MOST = 4000
"""Characters that are kept of a trial's output."""


class Printed:
    """Stands for a text stream of this process: what is written to it goes on, and its end is kept."""

    def __init__(self, stream: TextIO | None, kept: list[str]) -> None:
        """Without a stream, as where a process was started with it closed, what is written is only kept."""
        self._stream = stream
        self._kept = kept

    def write(self, text: str) -> int:
        """Write as the stream does; what a full disk does not take of the log ends no trial."""
        self._kept[0] = (self._kept[0] + text)[-MOST:]
        if self._stream is not None:
            with suppress(OSError):
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream, if there is one."""
        if self._stream is not None:
            with suppress(OSError):
                self._stream.flush()

    def close(self) -> None:
        """Leave the stream open, which is the next trial's too."""
        self.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Output:
    """The standard output and error of this process, kept from one trial's begin to its end."""

    def __init__(self) -> None:
        """Stand in for both streams from now on: before an objective is imported that takes hold of them."""
        self._kept = [""]
        self._streams = Printed(sys.stdout, self._kept), Printed(sys.stderr, self._kept)
        sys.stdout, sys.stderr = self._streams

    def take(self) -> str:
        """Return the end of what was printed since the last time; a stream that a trial has shut is there again."""
        for name, stream in zip(("stdout", "stderr"), self._streams, strict=True):
            now = getattr(sys, name)  # which may be somebody's own that writes to ours
            if now is None or getattr(now, "closed", False):
                setattr(sys, name, stream)
        kept, self._kept[0] = self._kept[0], ""
        return kept
