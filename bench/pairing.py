"""Ways of doing one thing, timed in turns in one run, so that their ratios owe little to what else runs."""

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from winnow.search.worker.processes import ALLOCATOR

HEADER = f"{'':<52} {'theirs/s':>10} {'ours/s':>12}   ratio: median (least to most)"


def as_in_a_trainer() -> None:
    """Begin this program again under a trainer's allocator, unless it runs so; both ways of a comparison then do."""
    if not ALLOCATOR.items() <= os.environ.items():
        sys.stdout.flush()
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **ALLOCATOR})


@dataclass(frozen=True)
class Ratio:
    """How many times another way's rate ours had, at each repetition."""

    name: str
    theirs: Sequence[float]
    """Units (images, steps) a second."""
    ours: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """One a repetition."""
        return [ours / theirs for theirs, ours in zip(self.theirs, self.ours, strict=True)]

    def __str__(self) -> str:
        digits = 1 if max(self.ratios) >= 10 else 2
        median, least, most = (f"{each(self.ratios):.{digits}f}" for each in (statistics.median, min, max))
        spread = f"{median:>6}x ({least} to {most})"
        rates = f"{statistics.median(self.theirs):>10,.0f} {statistics.median(self.ours):>12,.0f}"
        return f"{self.name:<52} {rates}   {spread}"


def compare(name: str, theirs: Callable[[], int], ours: Callable[[], int], repetitions: int = 7) -> Ratio:
    """Two ways, each of which returns how many units a call did."""
    return Ratio(name, *in_turns([partial(rate, theirs), partial(rate, ours)], repetitions))


def in_turns(ways: Sequence[Callable[[], float]], repetitions: int = 7) -> list[list[float]]:
    """Each way's rates, all ways in turns, after one turn that does not count."""
    turns = [[way() for way in ways] for _ in range(repetitions + 1)][1:]
    return [list(rates) for rates in zip(*turns, strict=True)]


def rate(work: Callable[[], int]) -> float:
    """Units a second of this process's time on the CPU: what other processes take from it does not count."""
    started = time.process_time()
    units = work()
    return units / (time.process_time() - started)
