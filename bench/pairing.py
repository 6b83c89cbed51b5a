"""Two ways of doing one thing, timed in turns in one run, so that their ratio owes little to what else runs."""

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from winnow.search.worker.trainer_process import ALLOCATOR

HEADER = f"{'':<52} {'usual/s':>10} {'ours/s':>12}   ratio: median (least to most)"


def as_in_a_trainer() -> None:
    """Begin this program again under a trainer's allocator, unless it runs so; both ways of a comparison then do."""
    if not ALLOCATOR.items() <= os.environ.items():
        sys.stdout.flush()
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **ALLOCATOR})


@dataclass(frozen=True)
class Ratio:
    """How many times the usual way's rate ours had, at each repetition."""

    name: str
    usual: Sequence[float]
    """Units (images, steps) a second."""
    ours: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """One a repetition."""
        return [ours / usual for usual, ours in zip(self.usual, self.ours, strict=True)]

    def __str__(self) -> str:
        digits = 1 if max(self.ratios) >= 10 else 2
        median, least, most = (f"{each(self.ratios):.{digits}f}" for each in (statistics.median, min, max))
        spread = f"{median:>6}x ({least} to {most})"
        return (
            f"{self.name:<52} {statistics.median(self.usual):>10,.0f} {statistics.median(self.ours):>12,.0f}   {spread}"
        )


def compare(name: str, usual: Callable[[], int], ours: Callable[[], int], repetitions: int = 7) -> Ratio:
    """Run both in turns after one turn that does not count; each call returns how many units it did."""
    rates = [(rate(usual), rate(ours)) for _ in range(repetitions + 1)][1:]
    return Ratio(name, [usual for usual, _ in rates], [ours for _, ours in rates])


def rate(work: Callable[[], int]) -> float:
    """Units a second of this process's time on the CPU: what other processes take from it does not count."""
    started = time.process_time()
    units = work()
    return units / (time.process_time() - started)
