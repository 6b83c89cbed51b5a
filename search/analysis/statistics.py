"""What repeated measurements allow to say: intervals, looks at data that still grow, the group of the best.

One number a seed, and the seeds are independent draws. Two configurations are compared by their differences, seed by
seed, so that what a seed does to both falls out. Student's interval is the core of all; what real scores are beside
normal (bounded, skewed, counted, broken down) is met by four rules, each said where it stands.
"""

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from winnow.search.analysis import quantiles
from winnow.search.analysis.json_numbers import finite

ERROR = 0.05
"""An interval may miss the truth so often: 95 % intervals."""
ROOM = 0.58
"""By how much the two halves of an interval together are longer than Student's, so that skewed scores are held too."""
_FROM_ONE_SIDE_TO_THE_OTHER = 1.6
"""A sample skewness that moves all of the room from one side to the other; that of an exponential is 2."""
_SHOW_SKEWNESS = 5
"""With fewer seeds, which show next to nothing of a skewness, the room begins on the side of the worse scores."""
_SKEWED = 1.5
"""By how much an interval is longer than Student's for each unit of a skewness that is known, over √seeds.

The Cornish-Fisher term (Johnson, 1978; Hall, 1992) is a third of the normal quantile; with few seeds its further terms
make that a half, here of the quantile 3, at which the questions of an ablation are tested.
"""
_FAR = 8.0
"""So many spreads beyond the median, no score is like the others: an exponential's is once in ten thousand."""
_FEWEST_SETS = 8
"""Of fewer sets of scores nobody knows the spread: by that of two, five normal seeds broke down 2 times of 100."""
_BREAK_DOWN = 1e-4
"""A seed is said to have broken down where so few draws of the others' normal distribution would be as bad."""
_DEVIATIONS = 12.0
"""And only so many deviations below the others: without that, of twenty draws of an exponential the worst would have
broken down 7 times of 100, and with it goes what makes the mean an honest one."""

Name = TypeVar("Name")


@dataclass(frozen=True)
class Scale:
    """What scores can be."""

    low: float = -math.inf
    high: float = math.inf
    step: float = 0.0
    """The finest difference of two scores: 1 / examples of an accuracy; 0 where there is none, or it is unknown."""
    worse: Literal[-1, 0, 1] = 0
    """Whether seeds that break down score low (-1) or high (1); 0 where neither side is the worse."""

    @property
    def differences(self) -> "Scale":
        """The scale of differences of two scores."""
        return Scale(self.low - self.high, self.high - self.low, self.step)

    @property
    def negative(self) -> "Scale":
        """The scale of the scores' negatives."""
        worse: dict[int, Literal[-1, 0, 1]] = {-1: 1, 0: 0, 1: -1}
        return Scale(-self.high, -self.low, self.step, worse[self.worse])


ANY = Scale()
"""Nothing is known of the scores."""


def scale_of(metric: str, direction: str, examples: int = 0, seen: Sequence[float] = ()) -> Scale:
    """Return the scale of a metric by its name (`validation accuracy`), counted on so many examples where known.

    Values that were `seen` above 1 are taken for per cent, and beyond 0 to 100 for a metric of another kind. Where half
    of ten and more stand where others do, the metric is counted, in steps of the smallest of their differences.
    """
    values = sorted({0.0, *seen})
    if metric.endswith(("accuracy", "F1", "AUROC")) and values[0] >= 0 and values[-1] <= 100:
        whole = 1.0 if values[-1] <= 1 else 100.0
        return Scale(0.0, whole, whole / examples if examples else _step(seen), worse=-1)
    if direction == "maximize":
        return Scale(step=_step(seen), worse=-1)
    positive = metric.endswith(("loss", "error")) and values[0] >= 0
    return Scale(low=0.0 if positive else -math.inf, step=_step(seen), worse=1)


def _step(seen: Sequence[float]) -> float:
    """Return the smallest difference of ten or more values of which half at least are not alone; 0 elsewhere."""
    many = Counter(round(value, 9) for value in seen)
    shared = sum(count for count in many.values() if count > 1)
    gaps = [after - before for before, after in itertools.pairwise(sorted(many))]
    return min(gaps, default=0.0) if len(seen) >= 10 and 2 * shared >= len(seen) else 0.0


@dataclass(frozen=True)
class Sample:
    """Scores of one configuration over seeds, or differences of two.

    Seeds that broke down are kept apart: mean, deviation and interval are those of the others, and how many broke down
    is said beside them. Hardly any interval of a few seeds could hold both: of five seeds of which one in ten breaks
    down, three samples of five show no break-down at all.
    """

    scores: tuple[float, ...]
    scale: Scale = ANY
    skewness: float | None = None
    """Of one score, where more than these scores tell it: the interval then has room on that side alone."""

    @cached_property
    def kept(self) -> tuple[float, ...]:
        """The scores without those that broke down, in their order.

        Extreme studentised deviates on the worse side (Rosner, 1983), one by one a t test of the worst against the
        rest; more than half are kept, and nothing is told of fewer than five.
        """
        broken = broken_down(self.scores, self.scale)
        return tuple(score for score, breaks in zip(self.scores, broken, strict=True) if not breaks)

    @property
    def broken(self) -> int:
        """How many seeds broke down."""
        return len(self.scores) - len(self.kept)

    @cached_property
    def mean(self) -> float:
        """Their mean; NaN with none."""
        return statistics.fmean(self.kept) if self.kept else math.nan

    @cached_property
    def deviation(self) -> float:
        """Their standard deviation; NaN with fewer than two."""
        return float(np.std(self.kept, ddof=1)) if len(self.kept) > 1 else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean; infinite with fewer than two scores."""
        return self.interval_at(ERROR)

    def interval_at(self, error: float) -> tuple[float, float]:
        """Return the interval of the mean that misses it with probability `error`, within what the metric can take.

        Student's (1908), with ROOM for skewness on the side of the longer tail, and of a deviation of half a step at
        least: a few seeds that count the same do not prove that all would.
        """
        if len(self.kept) < 2:
            return -math.inf, math.inf
        below, above = self._tails
        half = quantiles.student(len(self.kept) - 1, 1 - error / 2) * self._standard_error
        low, high = self.bounds
        return max(low, self.mean - below * half), min(high, self.mean + above * half)

    @property
    def bounds(self) -> tuple[float, float]:
        """What the mean can be: anything where scores lie beyond, as those of one's own metric of a known name may."""
        low, high = self.scale.low, self.scale.high
        inside = not self.kept or (low <= min(self.kept) and max(self.kept) <= high)
        return (low, high) if inside else (-math.inf, math.inf)

    @cached_property
    def p(self) -> float:
        """The smallest error at which the interval does not hold zero; 1 with fewer than two scores."""
        if len(self.kept) < 2:
            return 1.0
        if self._standard_error == 0:
            return float(self.mean == 0)
        below, above = self._tails
        distance = abs(self.mean) / self._standard_error / (below if self.mean > 0 else above)
        return 2 * quantiles.below(len(self.kept) - 1, -distance)

    def p_if_doubled(self, luck: float) -> float:
        """Return the p of twice as many scores, were they to show this mean and so many standard errors more."""
        if len(self.kept) < 2 or self._standard_error == 0:
            return self.p
        below, above = self._tails
        distance = math.sqrt(2) * (abs(self.mean) / self._standard_error + luck) / (below if self.mean > 0 else above)
        return 2 * quantiles.below(2 * len(self.kept) - 1, -distance)

    @cached_property
    def _standard_error(self) -> float:
        step = self.scale.step
        if not step and self.deviation == 0 and self.scale.high < math.inf:
            step = 1 / Fraction(self.mean).limit_denominator(10_000).denominator
        return max(self.deviation, step / 2) / math.sqrt(len(self.kept))

    @cached_property
    def _tails(self) -> tuple[float, float]:
        """How many times as long as Student's the interval is below and above the mean."""
        if self.skewness is not None:
            longer = 1 + _SKEWED * abs(self.skewness) / math.sqrt(len(self.kept))
            return (longer, 1.0) if self.skewness < 0 else (1.0, longer)
        deviations = np.array(self.kept) - self.mean
        spread = float(np.sqrt(np.mean(deviations**2)))
        skewness = float(np.mean(deviations**3)) / spread**3 if spread > 0 else 0.0
        worse = self.scale.worse if len(self.kept) < _SHOW_SKEWNESS else 0
        below = (1 - worse) / 2 - skewness / _FROM_ONE_SIDE_TO_THE_OTHER
        below = min(1.5, max(-0.5, below))  # beyond 1 the other side is shorter than Student's
        return 1 + ROOM * below, 1 + ROOM * (1 - below)

    def as_dict(self) -> dict[str, Any] | None:
        """Return the sample as JSON has it; None without a score."""
        if not self.scores:
            return None
        interval = [finite(bound) for bound in self.interval]
        known = {"mean": self.mean, "deviation": finite(self.deviation), "interval": interval, "scores": self.scores}
        return {**known, "broken_down": self.broken}


def broken_down(scores: Sequence[float], scale: Scale, spread: float = math.inf) -> list[bool]:
    """Return which of the scores broke down (see `Sample.kept`); none where the scale knows no worse side.

    Those too that lie eight times `spread`, the largest of all sets of scores like these, beyond their median (Hampel's
    identifier: Davies and Gather, 1993): of five seeds of which two broke down, neither is told by the others.
    """
    losses = [scale.worse * score for score in scores]
    if losses and scale.worse and spread < math.inf:
        far = [loss > statistics.median(losses) + _FAR * spread for loss in losses]
        near = iter(broken_down([score for score, is_far in zip(scores, far, strict=True) if not is_far], scale))
        return [is_far or next(near) for is_far in far]
    order = sorted(range(len(losses)), key=lambda index: -losses[index])
    found = 0
    for many in range(1, (len(losses) - 3) // 2 + 1 if scale.worse else 1):
        rest = [losses[index] for index in order[many:]]
        spread = max(float(np.std(rest, ddof=1)), scale.step / 2) * math.sqrt(1 + 1 / len(rest))
        excess = losses[order[many - 1]] - statistics.fmean(rest)
        limit = max(_DEVIATIONS, quantiles.student(len(rest) - 1, 1 - _BREAK_DOWN / (len(rest) + 1)))
        found = many if excess > limit * spread else found
    broken = set(order[:found])
    return [index in broken for index in range(len(scores))]


def largest_spread(sets: Iterable[Sequence[float]], scale: Scale) -> float:
    """Return the largest spread of the sets of five scores or more, infinite where there are fewer than eight.

    A spread is the median absolute deviation, as a standard deviation, and of half a step at least.
    """
    spreads = []
    for scores in sets:
        if len(scores) >= 5:
            middle = statistics.median(scores)
            spread = 1.4826 * statistics.median(abs(score - middle) for score in scores)
            spreads.append(max(spread, scale.step / 2))
    return max(spreads) if len(spreads) >= _FEWEST_SETS else math.inf


def paired(scores: Sequence[float], others: Sequence[float], scale: Scale = ANY) -> Sample:
    """Return `scores` minus `others`, in the same order of seeds, without those on which either broke down."""
    broken = zip(broken_down(scores, scale), broken_down(others, scale), strict=True)
    pairs = zip(scores, others, broken, strict=True)
    return Sample(tuple(a - b for a, b, breaks in pairs if not any(breaks)), scale.differences)


def error_of_look(look: int) -> float:
    """Return what look 1, 2, … may spend of ERROR: three tenths twice, a fifth, then half of what is left each time.

    Repeated confidence intervals (Jennison and Turnbull, 1989) by the union bound: all looks together miss the truth
    with that probability at most, whatever is decided at each of them, and however many follow. So seeds may be
    added until an effect is clear, and an ablation may go on with a larger budget.
    """
    return ERROR * ((0.3, 0.3, 0.2)[look - 1] if look <= 3 else 0.2 * 0.5 ** (look - 3))


def seeds_at_look(look: int, first: int) -> int:
    """Return how many seeds look 1, 2, … has: twice as many each time."""
    return first << (look - 1)


def possibly_best(scores: Mapping[Name, Sequence[float]], scale: Scale = ANY) -> list[Name]:
    """Return those that may be the best, the highest mean first: a set that holds the truly best 95 times of 100.

    Subset selection (Gupta, 1965) by paired intervals: one is left out where another's interval of 5 %, divided by the
    number of its rivals (Bonferroni), lies above it. So one of two equals is called better than the other 5 times of
    100, not 10. `scores` hold one number a seed, in the same order of seeds, the higher the better, as `scale` says.
    With fewer than two seeds all may be the best.
    """
    names = sorted(scores, key=lambda name: -Sample(tuple(scores[name]), scale).mean)
    error = ERROR / max(1, len(names) - 1)

    def beaten(name: Name, rival: Name) -> bool:
        return paired(scores[rival], scores[name], scale).interval_at(error)[0] > 0

    return [name for name in names if not any(beaten(name, rival) for rival in names if rival != name)]


def proportion_interval(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of which `hits` of `trials` were seen (Wilson, 1927)."""
    from scipy.stats import binomtest

    found = binomtest(hits, trials).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def worse_fence(values: NDArray[np.float64], direction: str) -> float:
    """Return where hopeless values begin: three interquartile ranges beyond the worse quartile (Tukey, 1977)."""
    lower, upper = np.quantile(values, [0.25, 0.75])
    reach = 3.0 * (upper - lower)
    return float(lower - reach if direction == "maximize" else upper + reach)


def fenced(values: NDArray[np.float64], direction: str) -> NDArray[np.float64]:
    """Return the values, hopeless ones as `worse_fence`: or a few trainings that broke down are all a forest sees."""
    better = np.maximum if direction == "maximize" else np.minimum
    kept: NDArray[np.float64] = better(values, worse_fence(values, direction))
    return kept
