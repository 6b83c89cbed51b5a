"""How far results hold for data not seen yet: seeds and test examples are both draws, of trainings and of data.

Of each model it takes one number an example (whether it was right, what it lost). On the very same examples only the
seeds vary; a new data set would bring other examples too, and with few of them that is most of the uncertainty.
"""

import math

import numpy as np
from numpy.typing import NDArray

from winnow.search.analysis import quantiles
from winnow.search.analysis.statistics import Sample

Array = NDArray[np.float64]


def interval(results: Array, seeds: Sample, error: float, resampled: bool = False) -> tuple[float, float]:
    """Return the interval of the mean over all seeds and examples, of which `results` (seeds, examples) are drawn.

    Two crossed random effects (Owen, 2007, "The pigeonhole bootstrap", section 3) whose intervals are joined as the
    root of the sum of their squares (MOVER: Zou and Donner, 2008). That of the seeds is the interval of `seeds`, their
    scores on these very examples; that of the examples is normal, without the residual that both count, of no less
    than one example makes, and shifted by Johnson's (1978) term where scores have a worse side. So it always holds the
    interval of the seeds alone. `resampled`: the columns are no examples but draws of as many, with replacement, and
    `results` the metric over each (Efron, 1979). Infinite with fewer than two seeds or columns.
    """
    count, columns = results.shape
    if min(count, columns) < 2:
        return -math.inf, math.inf
    by_seed, by_column = results.mean(axis=1), results.mean(axis=0)
    residual = results - by_seed[:, None] - by_column + results.mean()
    of_both = float((residual**2).sum()) / ((count - 1) * (columns - 1)) / count
    step = seeds.scale.step
    of_examples = float(by_column.var(ddof=1)) - of_both
    of_examples = max(of_examples, step**2) if resampled else max(of_examples, step) / columns
    quantile = quantiles.normal(1 - error / 2)
    # A difference of equals is skewed towards its own mean.
    tilt = _tilt(by_column, quantile) if seeds.scale.worse and not resampled else 0.0
    low, high = seeds.interval_at(error)
    below, above = ((1 - side * tilt) * quantile * math.sqrt(of_examples) for side in (1, -1))
    least, most = seeds.bounds
    return (
        max(least, seeds.mean - math.hypot(seeds.mean - low, below)),
        min(most, seeds.mean + math.hypot(high - seeds.mean, above)),
    )


def _tilt(values: Array, quantile: float) -> float:
    """Return by how much of itself an interval of the mean shifts towards the longer tail (Johnson, 1978).

    It is at most a half.
    """
    deviations = values - values.mean()
    spread = float(np.sqrt(np.mean(deviations**2)))
    skewness = float(np.mean(deviations**3)) / spread**3 if spread > 0 else 0.0
    shift = skewness * (1 + 2 * quantile**2) / (6 * math.sqrt(len(values)) * quantile)
    return min(0.5, max(-0.5, shift))
