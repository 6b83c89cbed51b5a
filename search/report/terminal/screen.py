"""Where commands print to: a console as wide as its terminal; in a pipe nothing is wrapped or cut."""

import os

from rich.console import Console

PIPE_WIDTH = 10_000
NARROW = 60
"""Columns of a terminal that has no room for wide tables."""


def screen(*, stderr: bool = False) -> Console:
    """Return a console whose sentences break between words, with nothing coloured that does not say so."""
    found = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not found.is_terminal and not found.is_jupyter and "COLUMNS" not in os.environ:
        found.width = PIPE_WIDTH
    return found
