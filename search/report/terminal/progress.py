"""What a person sees while a search runs: a live table in a terminal, plain lines elsewhere."""

import errno
import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.text import Text

from winnow.search.analysis.formatting import counted
from winnow.search.analysis.status import Status
from winnow.search.report.terminal.status_screen import WorkersTable
from winnow.storage.activity import State

LINE_SECONDS = 10.0


class Progress:
    """Shows one Status after another. A context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._printed = 0.0
        self._best = ""
        self._line = ""

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, status: Status) -> None:
        """Bring the display up to date."""
        if self._live is not None:
            self._live.update(self._picture(status))
            return
        due = time.monotonic() - self._printed >= LINE_SECONDS
        line = self.line(status)
        if due or status.best_words != self._best or (status.is_done and line != self._line):
            self._printed, self._best, self._line = time.monotonic(), status.best_words, line
            try:
                self.console.print(line, highlight=False, soft_wrap=True)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):  # a full disk ends no search
                    raise

    def line(self, status: Status) -> str:
        """Return trials, best value, workers and time left in one line."""
        total = status.spent.budget.trials
        parts = [
            f"{status.looked_at}{f' of {total}' if total else ''} trials",
            f"{status.states.get('PRUNED', 0)} pruned",
            *([f"{status.paused} paused"] if status.paused else []),
            *([f"{status.states['FAIL']} failed"] if status.states.get("FAIL") else []),
            status.best_words or "no result yet",
            "paused" if status.state is State.PAUSED else counted(len(status.workers), "worker"),
            *([status.time_left] if status.time_left else []),
        ]
        return "  ".join(parts)

    def _picture(self, status: Status) -> RenderableType:
        total = status.spent.budget.trials
        head = Text.assemble((status.study, "bold"), f"  {self.line(status)}")
        bar = ProgressBar(total=total, completed=status.looked_at, width=min(60, self.console.width - 2))
        return Group(head, Padding(bar, (0, 0, 1, 0)), WorkersTable(status.workers))
