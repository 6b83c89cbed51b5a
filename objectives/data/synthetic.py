"""Data made here, the same points for every study: moons, circles, spirals, two regressions. Only noise is a choice."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.float32], NDArray[Any]]


def two_moons(count: int, test: bool, noise: float | None, random: np.random.Generator) -> Arrays:
    """Return two half circles that hold each other's ends, from two distributions one after the other, as in system D.

    The first half is turned by 10 degrees about the origin with noise 0.2, the second by 50 degrees and noisier by a
    quarter; the test's are turned by 40 degrees and noisier by half. Returns points float32 (count, 2) and which moon
    each is of, int64 (count,).
    """
    second = np.arange(count) >= count / 2
    turns = np.deg2rad(np.full(count, 40) if test else np.where(second, 50, 10))
    spread = (0.2 if noise is None else noise) * (np.full(count, 1.5) if test else np.where(second, 1.25, 1.0))
    moons = np.arange(count) % 2
    angle = random.uniform(0, np.pi, count)
    upper = np.stack([np.cos(angle), np.sin(angle)], 1)
    points = np.where(moons[:, None] == 0, upper, [1, 0.5] - upper) + random.normal(0, spread[:, None], (count, 2))
    return _turned(points, turns), moons


def circles(count: int, test: bool, noise: float | None, random: np.random.Generator) -> Arrays:
    """Return a disc of radius 1/2 (class 0) in a ring from 0.7 to 1; noise 0.05. Float32 (count, 2), int64 (count,)."""
    rings = np.arange(count) % 2
    radius = np.where(rings == 0, 0.5 * np.sqrt(random.uniform(0, 1, count)), random.uniform(0.7, 1, count))
    return _curled(radius, random.uniform(0, 2 * np.pi, count), noise, random), rings


def spirals(count: int, test: bool, noise: float | None, random: np.random.Generator) -> Arrays:
    """Return two arms of 1.75 turns; noise 0.05. Points float32 (count, 2), and the arm of each int64 (count,)."""
    arms = np.arange(count) % 2
    along = random.uniform(0, 1, count)
    return _curled(along, 1.75 * 2 * np.pi * along + np.pi * arms, noise, random), arms


def regression_1d(count: int, test: bool, noise: float | None, random: np.random.Generator) -> Arrays:
    """Return a line under noise as large as its rise, y = 2x + 2 N(0, 1) with x in 0 to 1. Both float32 (count, 1)."""
    x = random.uniform(0, 1, (count, 1))
    y = 2 * x + random.normal(0, 2.0 if noise is None else noise, x.shape)
    return x.astype(np.float32), y.astype(np.float32)


def regression_100d(count: int, test: bool, noise: float | None, random: np.random.Generator) -> Arrays:
    """Return Friedman's first function of 5 features among 100, brought to mean 0 and deviation 1; noise 0.2.

    Features float32 (count, 100) are uniform in 0 to 1, targets float32 (count, 1). J. H. Friedman, "Multivariate
    Adaptive Regression Splines", Annals of Statistics 19 (1991), equation 61.
    """
    x = random.uniform(0, 1, (count, 100))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y = (y - 14.41) / 4.88 + random.normal(0, 0.2 if noise is None else noise, count)
    return x.astype(np.float32), y.astype(np.float32)[:, None]


MAKERS: dict[str, Callable[[int, bool, float | None, np.random.Generator], Arrays]] = {
    "two_moons": two_moons,
    "circles": circles,
    "spirals": spirals,
    "regression_1d": regression_1d,
    "regression_100d": regression_100d,
}


def make(name: str, count: int, test: bool, noise: float | None) -> Arrays:
    """Return the first `count` examples of a data set made here, of its search or of its test part."""
    return MAKERS[name](count, test, noise, np.random.default_rng([*name.encode(), test]))


def _turned(points: NDArray[np.float64], turns: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the points (count, 2), each turned about the origin by its angle, against the clock."""
    (x, y), cos, sin = points.T, np.cos(turns), np.sin(turns)
    return np.stack([cos * x - sin * y, sin * x + cos * y], 1).astype(np.float32)


def _curled(
    radius: NDArray[np.float64], angle: NDArray[np.float64], noise: float | None, random: np.random.Generator
) -> NDArray[np.float32]:
    """Return points float32 (count, 2) at these distances and angles, with noise."""
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return (points + random.normal(0, 0.05 if noise is None else noise, points.shape)).astype(np.float32)
