"""What repeated measurements allow to say: intervals, looks at data that still grow, the group of the best.

Every interval here is Student's, over seeds: one number a seed, and the seeds are independent draws. Two
configurations are compared by their differences, seed by seed, so that what a seed does to both falls out.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

ERROR = 0.05
"""An interval may miss the truth so often: 95 % intervals."""

Name = TypeVar("Name")


@dataclass(frozen=True)
class Sample:
    """Scores of one configuration over seeds, or differences of two."""

    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean; NaN with none."""
        return statistics.fmean(self.scores) if self.scores else math.nan

    @property
    def deviation(self) -> float:
        """Their standard deviation; NaN with fewer than two."""
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean; infinite with fewer than two scores."""
        return self.interval_at(ERROR)

    def interval_at(self, error: float) -> tuple[float, float]:
        """The interval of the mean that misses it with probability `error` (Student, 1908)."""
        if len(self.scores) < 2:
            return -math.inf, math.inf
        half = float(stdtrit(len(self.scores) - 1, 1 - error / 2)) * self.deviation / math.sqrt(len(self.scores))
        return self.mean - half, self.mean + half

    def as_dict(self) -> dict[str, Any] | None:
        """Return the sample as JSON has it; None without a score."""
        if not self.scores:
            return None
        interval = [finite(bound) for bound in self.interval]
        return {"mean": self.mean, "deviation": finite(self.deviation), "interval": interval, "scores": self.scores}


def finite(value: float) -> float | None:
    """Return the number, or None for what JSON cannot hold."""
    return value if math.isfinite(value) else None


def paired(scores: Sequence[float], others: Sequence[float]) -> Sample:
    """The differences `scores` minus `others`; both are in the same order of seeds."""
    return Sample(tuple(a - b for a, b in zip(scores, others, strict=True)))


def error_of_look(look: int, error: float = ERROR) -> float:
    """What the interval of look 1, 2, … may spend of `error`: half of what is left, 2.5 %, 1.25 %, and so on.

    Repeated confidence intervals (Jennison and Turnbull, 1989) by the union bound: all looks together miss the truth
    with probability `error` at most, whatever is decided at each of them, and however many follow. So seeds may be
    added until an effect is clear, and an ablation may go on with a larger budget.
    """
    return error * 0.5**look


def seeds_at_look(look: int, first: int) -> int:
    """How many seeds look 1, 2, … has: twice as many each time."""
    return first << (look - 1)


def possibly_best(scores: Mapping[Name, Sequence[float]]) -> list[Name]:
    """Those that may be the best, the highest mean first: a set that holds the truly best 95 times of 100.

    Subset selection (Gupta, 1965) with paired t tests: one is left out where another beats it at the one-sided level
    of 5 % divided by the number of its rivals (Bonferroni). `scores` hold one number a seed, in the same order of
    seeds, the higher the better. With fewer than two seeds all may be the best.
    """
    names = sorted(scores, key=lambda name: -statistics.fmean(scores[name]))
    rivals = max(1, len(names) - 1)
    return [
        name
        for name in names
        if all(
            paired(scores[rival], scores[name]).interval_at(2 * ERROR / rivals)[0] <= 0
            for rival in names
            if rival != name
        )
    ]


def proportion_interval(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `hits` of `trials` were seen (Wilson, 1927)."""
    from scipy.stats import binomtest

    found = binomtest(hits, trials).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def worse_fence(values: NDArray[np.float64], direction: str) -> float:
    """Where hopeless values begin: three interquartile ranges beyond the worse quartile (Tukey, 1977)."""
    lower, upper = np.quantile(values, [0.25, 0.75])
    reach = 3.0 * (upper - lower)
    return float(lower - reach if direction == "maximize" else upper + reach)
