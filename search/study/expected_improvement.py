"""By how much the best next trial is expected to be better: a Gaussian process over the trials so far."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from scipy import linalg, optimize, stats

Array = NDArray[np.float64]
Space = Mapping[str, BaseDistribution]
MOST_TRIALS = 300
"""The time grows with the cube of their number; the latest are taken."""
CANDIDATES = 2048


def expected_improvement(space: Space, parameters: Sequence[Mapping[str, Any]], values: Sequence[float]) -> float:
    """The largest expected improvement (Jones et al., 1998) anywhere in `space`, in the unit of `values`.

    The higher a value the better. As values are noisy, improvement counts over the best mean of the process at a
    trial, not over the luckiest value (Picheny et al., 2013). Every trial holds every parameter of `space`.
    """
    points = np.array([encode(space, trial) for trial in parameters[-MOST_TRIALS:]])
    observed = np.array(values[-MOST_TRIALS:], dtype=np.float64)
    middle, spread = float(observed.mean()), float(observed.std())
    if spread == 0:
        return 0.0
    process = _fit(points, (observed - middle) / spread)
    best = float(process.predict(points)[0].max())
    mean, deviation = process.predict(_candidates(space, points))
    ahead = mean - best
    score = ahead / deviation
    improvement = ahead * stats.norm.cdf(score) + deviation * stats.norm.pdf(score)
    return spread * float(improvement.max())


def encode(space: Space, parameters: Mapping[str, Any]) -> list[float]:
    """Parameters as coordinates from 0 to 1: numbers on their own scale, each choice as one of several corners."""
    coordinates: list[float] = []
    for name, distribution in space.items():
        value = parameters[name]
        if isinstance(distribution, CategoricalDistribution):
            # Two different choices are as far apart as the two ends of a range.
            coordinates += [math.sqrt(0.5) * (value == choice) for choice in distribution.choices]
        elif isinstance(distribution, FloatDistribution | IntDistribution):
            low, high, at = float(distribution.low), float(distribution.high), float(value)
            if distribution.log:
                low, high, at = math.log(low), math.log(high), math.log(at)
            coordinates.append((at - low) / (high - low) if high > low else 0.0)
    return coordinates


def _candidates(space: Space, points: Array) -> Array:
    """Points drawn over the whole space, and near each trial."""
    random = np.random.default_rng(0)
    columns: list[Array] = []
    for distribution in space.values():
        if isinstance(distribution, CategoricalDistribution):
            drawn = random.integers(len(distribution.choices), size=CANDIDATES)
            columns.append(math.sqrt(0.5) * np.eye(len(distribution.choices))[drawn])
        else:
            columns.append(random.random((CANDIDATES, 1)))
    anywhere = np.concatenate(columns, axis=1)
    near = np.clip(points + random.normal(0, 0.05, points.shape), 0, 1)
    return np.concatenate([anywhere, near])


@dataclass(frozen=True)
class _Process:
    """A Gaussian process with Matérn's kernel of smoothness 5/2, unit variance and noise, fitted to points."""

    points: Array
    length: float
    factor: tuple[Array, bool]
    weights: Array

    def predict(self, at: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the function (without the noise of a measurement)."""
        shared = _matern(at, self.points, self.length)
        explained = np.einsum("ij,ji->i", shared, linalg.cho_solve(self.factor, shared.T))
        return shared @ self.weights, np.sqrt(np.maximum(1 - explained, 1e-12))


def _fit(points: Array, values: Array) -> _Process:
    """The length scale and noise of the largest marginal likelihood."""

    def cost(logarithms: Array) -> float:
        length, noise = np.exp(logarithms)
        process = _process(points, values, float(length), float(noise))
        half_determinant = float(np.log(np.diag(process.factor[0])).sum())
        return 0.5 * float(values @ process.weights) + half_determinant

    starts = [(math.log(length), math.log(noise)) for length in (0.2, 1.0) for noise in (0.01, 0.3)]
    bounds = [(math.log(0.05), math.log(10.0)), (math.log(1e-4), math.log(2.0))]
    found = min(
        (optimize.minimize(cost, start, bounds=bounds, method="L-BFGS-B") for start in starts),
        key=lambda result: float(result.fun),
    )
    length, noise = np.exp(found.x)
    return _process(points, values, float(length), float(noise))


def _process(points: Array, values: Array, length: float, noise: float) -> _Process:
    covariance = _matern(points, points, length) + (noise + 1e-8) * np.eye(len(points))
    factor = linalg.cho_factor(covariance, lower=True)
    return _Process(points, length, factor, linalg.cho_solve(factor, values))


def _matern(a: Array, b: Array, length: float) -> Array:
    squared = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T, 0)
    distance = np.sqrt(5 * squared) / length
    kernel: Array = (1 + distance + distance**2 / 3) * np.exp(-distance)
    return kernel
