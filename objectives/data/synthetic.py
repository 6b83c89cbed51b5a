"""Data made here, the same points for every study: two moons and two regressions. Only noise is a choice."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.float32], NDArray[Any]]


def two_moons(count: int, test: bool, noise: float | None, random: np.random.Generator) -> Arrays:
    """Two half circles that hold each other's ends, turned by 30 degrees; noise 0.2.

    The test's are turned by 45 degrees and noisier by half: another distribution, as system D asks. Returns points
    float32 (count, 2) and which moon each is of, int64 (count,).
    """
    noise = (0.2 if noise is None else noise) * (1.5 if test else 1)
    turn = np.deg2rad(45 if test else 30)
    moons = np.arange(count) % 2
    angle = random.uniform(0, np.pi, count)
    upper = np.stack([np.cos(angle), np.sin(angle)], 1)
    points = np.where(moons[:, None] == 0, upper, [1, 0.5] - upper) - [0.5, 0.25]
    points += random.normal(0, noise, points.shape)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return (points @ rotation).astype(np.float32), moons


def regression_1d(count: int, test: bool, noise: float | None, random: np.random.Generator) -> Arrays:
    """A wave on a slope, y = sin(pi x) + x / 2 with x in -2 to 2; noise 0.2. Both float32 (count, 1)."""
    x = random.uniform(-2, 2, (count, 1))
    y = np.sin(np.pi * x) + x / 2 + random.normal(0, 0.2 if noise is None else noise, x.shape)
    return x.astype(np.float32), y.astype(np.float32)


def regression_100d(count: int, test: bool, noise: float | None, random: np.random.Generator) -> Arrays:
    """Friedman's first function of 5 features among 100, brought to mean 0 and deviation 1; noise 0.2.

    Features float32 (count, 100) are uniform in 0 to 1, targets float32 (count, 1). J. H. Friedman, "Multivariate
    Adaptive Regression Splines", Annals of Statistics 19 (1991), equation 61.
    """
    x = random.uniform(0, 1, (count, 100))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y = (y - 14.41) / 4.88 + random.normal(0, 0.2 if noise is None else noise, count)
    return x.astype(np.float32), y.astype(np.float32)[:, None]


MAKERS: dict[str, Callable[[int, bool, float | None, np.random.Generator], Arrays]] = {
    "two_moons": two_moons,
    "regression_1d": regression_1d,
    "regression_100d": regression_100d,
}


def make(name: str, count: int, test: bool, noise: float | None) -> Arrays:
    """The first `count` examples of a data set made here, of its search or of its test part."""
    return MAKERS[name](count, test, noise, np.random.default_rng([*name.encode(), test]))
