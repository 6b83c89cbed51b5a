"""How far results hold for data not seen yet: seeds and test examples are both draws, of trainings and of data.

Of each model it takes whether it was right, example by example. On the very same examples only the seeds vary; a new
data set would bring other examples too, and with few of them that is most of the uncertainty.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from winnow.search.analysis.statistics import ROOM, Scale

Array = NDArray[np.float64]


def interval(results: Array, scale: Scale, error: float) -> tuple[float, float]:
    """The interval of the mean over all seeds and all examples, of which `results` (seeds, examples) are a draw each.

    Two crossed random effects: the variance of the mean is that of the seeds' means, and that of the examples' means,
    less what both count (the residual; Owen, 2007, "The pigeonhole bootstrap", section 3); its degrees of freedom are
    Satterthwaite's (1946). The seeds' share has the room that `Sample.interval_at` gives; neither share is smaller than
    one example makes it. Infinite with fewer than two seeds or examples.
    """
    seeds, examples = results.shape
    if min(seeds, examples) < 2:
        return -math.inf, math.inf
    mean, by_seed, by_example = float(results.mean()), results.mean(axis=1), results.mean(axis=0)
    residual = results - by_seed[:, None] - by_example + mean
    of_both = float((residual**2).sum()) / ((seeds - 1) * (examples - 1)) / (seeds * examples)
    of_seeds = max(float(by_seed.var(ddof=1)), (0.5 / examples) ** 2) / seeds
    of_examples = max(float(by_example.var(ddof=1)), 1 / examples) / examples
    variance = max(of_seeds + of_examples - of_both, of_seeds, of_examples)
    freedom = (of_seeds + of_examples) ** 2 / (of_seeds**2 / (seeds - 1) + of_examples**2 / (examples - 1))
    quantile = float(stdtrit(freedom, 1 - error / 2))
    share = of_examples / (of_seeds + of_examples)
    tilt = _tilt(by_example, quantile) if scale.worse else 0.0  # a difference of equals is skewed towards its own mean
    below, above = (1 + ROOM / 2 * (1 - share) - side * share * tilt for side in (1, -1))
    half = quantile * math.sqrt(variance)
    return max(scale.low, mean - below * half), min(scale.high, mean + above * half)


def _tilt(values: Array, quantile: float) -> float:
    """By how much of itself an interval of the mean shifts towards the longer tail (Johnson, 1978); at most a half."""
    deviations = values - values.mean()
    spread = float(np.sqrt(np.mean(deviations**2)))
    skewness = float(np.mean(deviations**3)) / spread**3 if spread > 0 else 0.0
    shift = skewness * (1 + 2 * quantile**2) / (6 * math.sqrt(len(values)) * quantile)
    return min(0.5, max(-0.5, shift))
