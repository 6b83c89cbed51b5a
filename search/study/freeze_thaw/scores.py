"""Values as scores that a Gaussian process can model: more is better, whatever the scale."""

import numpy as np
from scipy.special import ndtri

from winnow.search.study.encoding import Floats

NEAREST = 0.03
"""Of the distance from the best to the median: closer than this to the best, values are much the same."""
FURTHEST = 4.0
"""In the same unit: what is further off is just bad."""
MAGNITUDES = 100.0
"""Losses of which the largest is more than so many times the smallest count by their logarithm."""
_USUAL = 2.5
"""Standard deviations above the mean from which on scores grow by their logarithm: no model is led by one outlier."""


def scores(values: Floats) -> Floats:
    """Return scores of finite values of which more is better. Their mean is about 0, as is their deviation about 1.

    A score is the rank as a normal deviate, which no scale can spoil, plus the logarithm of the distance to the best,
    which tells the good apart.
    """
    values = _by_magnitude(values)
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    rank = ndtri((np.cumsum(count) - 0.5 * count) / len(values))[place]
    best = values.max()
    unit = best - np.median(values)
    away = (best - values) / unit if unit > 0 else (values < best) * FURTHEST
    found = rank - np.log(np.minimum(away, FURTHEST) + NEAREST)
    found = (found - found.mean()) / max(float(found.std()), 1e-9)
    bounded: Floats = np.where(found > _USUAL, _USUAL + np.log1p(np.maximum(found - _USUAL, 0)), found)
    return bounded


def _by_magnitude(values: Floats) -> Floats:
    """Return losses over orders of magnitude by their logarithm: beside early ones all late ones are as near to 0."""
    if values.max() < 0 and values.min() < MAGNITUDES * values.max():
        return np.asarray(-np.log(-values))
    return values
