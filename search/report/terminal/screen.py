"""Where commands print to: a console as wide as its terminal, and tables that fit it; in a pipe nothing is cut."""

import os
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 10_000
NARROW = 60
"""Columns of a terminal that has no room for wide tables."""


def screen(*, stderr: bool = False) -> Console:
    """Return a console whose sentences break between words, with nothing coloured that does not say so."""
    found = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not found.is_terminal and not found.is_jupyter and "COLUMNS" not in os.environ:
        found.width = PIPE_WIDTH
    return found


class FittingTable(Table):
    """A table; on a narrow screen that has no room for it, one line for each of its cells."""

    def __init__(self, *texts: str, numbers: Iterable[str] = ()) -> None:
        """Give it columns of `texts` on the left, and of `numbers` on the right of these."""
        super().__init__(*texts, box=None, pad_edge=False, header_style="dim")
        for heading in numbers:
            self.add_column(heading, justify="right")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Cut no heading and no number."""
        wanted = Measurement.get(console, options.update(max_width=PIPE_WIDTH), self).maximum
        if options.max_width >= NARROW or wanted <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        for row in zip(*(column.cells for column in self.columns), strict=True):
            yield row[0]
            cells = zip(self.columns[1:], row[1:], strict=True)
            yield from (Text(f"  {column.header}: {cell}") for column, cell in cells if cell)
