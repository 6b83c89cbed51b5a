"""A Gaussian process over configurations and epochs: what unfinished learning curves say of their ends.

    k = M(x, x') (a1 + a2 b b' + a3 e e') + v0 + v1 b b' + [same trial] (a4 + a5 b b') + [same observation] noise

M is a Matern 5/2 kernel with a length for each parameter, b falls from 1 after the first epoch to 0 after the last, by
the logarithm of the epoch, and e = 1 - b. A curve so is a function of the configuration that all of it follows, one
that fades, one that only its end shows, and what is the trial's own (Swersky, Snoek, Adams, "Freeze-Thaw Bayesian
Optimization", 2014, asked the same with another kernel). Without the third the end of a curve varies less than its
beginning and is known as soon as that is: where curves cross, a model that has seen ends in one corner alone is then
sure of all others, and wrong. Lengths, amplitudes and noise are where their posterior is highest.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from winnow.search.study.encoding import Floats

MOST_LEARNT = 80
"""Observations from which lengths, amplitudes and noise are learnt."""
_LEVEL, _RISE = 1.0, 1.0
"""Variances v0 and v1 of what all curves share."""
_AMPLITUDES = np.log([1.0, 1.0, 1.0, 0.1, 0.1, 0.02])


@dataclass(frozen=True)
class Observations:
    """Scores of trials after some epochs."""

    features: Floats
    remaining: Floats
    """b: 1 after the first epoch, 0 after the last."""
    trial: NDArray[np.int_]
    score: Floats

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: NDArray[np.int_]) -> "Observations":
        return Observations(self.features[rows], self.remaining[rows], self.trial[rows], self.score[rows])

    def excerpt(self, most: int) -> "Observations":
        """Return at most so many: half of them far along and good, the others evenly from the best left to the worst.

        The worse ones say where not to look again: without them a model takes what it has forgotten for unknown.
        """
        if len(self) <= most:
            return self
        order = np.argsort(2 * self.remaining - self.score, kind="stable")
        first, rest = order[: most // 2], order[most // 2 :]
        return self[np.concatenate([first, rest[np.linspace(0, len(rest) - 1, most - most // 2).round().astype(int)]])]

    def and_(self, more: "Observations") -> "Observations":
        """Return these and those of `more`."""
        return Observations(*map(np.concatenate, zip(vars(self).values(), vars(more).values(), strict=True)))


class CurveModel:
    """The process; `learn` fits its hyperparameters, `condition` its observations, and then it predicts."""

    def __init__(self, group: NDArray[np.int_]) -> None:
        self.group = group
        parameters = int(group.max()) + 1 if len(group) else 0
        self._prior = np.concatenate([np.full(parameters, np.log(0.7)), _AMPLITUDES])
        self._spread = np.concatenate([np.full(parameters, 0.8), np.ones(len(_AMPLITUDES))])
        self.theta = self._prior.copy()
        self._learnt_from = 0

    def learn(self, known: Observations) -> None:
        """Move lengths, amplitudes and noise to where the posterior is highest, once there is a fifth more to see."""
        total = len(known)
        if total < 1.2 * self._learnt_from:
            return
        known = known.excerpt(MOST_LEARNT)
        found = minimize(
            self._loss,
            self.theta,
            (known, (known.trial[:, None] == known.trial).astype(float)),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(self._prior - 4 * self._spread, self._prior + 4 * self._spread, strict=True)),
            options={"maxiter": 10 if self._learnt_from else 25},
        )
        self.theta, self._learnt_from = found.x, total

    def condition(self, known: Observations) -> None:
        """Take these observations for all that is known."""
        self._known = known
        lengths, (a1, a2, a3, a4, a5, noise) = self._hyperparameters(self.theta)
        begins, ends = _both(known.remaining)
        covariance = _matern(known.features, known.features, lengths) * (a1 + a2 * begins + a3 * ends)
        covariance += _LEVEL + _RISE * begins + (known.trial[:, None] == known.trial) * (a4 + a5 * begins)
        covariance[np.diag_indices(len(known))] += noise + 1e-6
        self._root = cholesky(covariance, lower=True, check_finite=False)
        self._weights = cho_solve((self._root, True), known.score, check_finite=False)

    def mean(self, features: Floats, trial: NDArray[np.int_] | None = None) -> Floats:
        """Return the expected score after the last epoch.

        `trial` says whose curve goes on, None stands for new ones.
        """
        mean: Floats = self._covariance(features, trial) @ self._weights
        return mean

    def predict(self, features: Floats, trial: NDArray[np.int_] | None = None) -> tuple[Floats, Floats]:
        """Return the mean and standard deviation of the score after the last epoch."""
        covariance = self._covariance(features, trial)
        _, (a1, _, a3, a4, _, _) = self._hyperparameters(self.theta)
        explained = solve_triangular(self._root, covariance.T, lower=True, check_finite=False)
        variance = a1 + a3 + _LEVEL + a4 - np.einsum("ij,ij->j", explained, explained)
        return covariance @ self._weights, np.sqrt(np.maximum(variance, 1e-9))

    def likeness(self, left: Floats, right: Floats) -> Floats:
        """Return how like the nearest of `right` the model thinks each of `left`: 1 where the same, 0 far off."""
        lengths = self._hyperparameters(self.theta)[0]
        left, right = left / lengths, right / lengths
        nearest = ((right * right).sum(1) - 2 * left @ right.T).min(1) + (left * left).sum(1)
        root = np.sqrt(5 * np.maximum(nearest, 0))
        alike: Floats = (1 + root + root * root / 3) * np.exp(-root)
        return alike

    def _covariance(self, features: Floats, trial: NDArray[np.int_] | None) -> Floats:
        lengths, (a1, _, a3, a4, _, _) = self._hyperparameters(self.theta)
        covariance: Floats = _matern(features, self._known.features, lengths)
        covariance *= a1 + a3 * (1 - self._known.remaining)
        covariance += _LEVEL
        if trial is not None:
            covariance += a4 * (trial[:, None] == self._known.trial)
        return covariance

    def _hyperparameters(self, theta: Floats) -> tuple[Floats, Floats]:
        lengths, amplitudes = np.split(np.exp(theta), [-len(_AMPLITUDES)])
        return lengths[self.group], amplitudes

    def _loss(self, theta: Floats, known: Observations, same: Floats) -> tuple[float, Floats]:
        """Return minus the logarithm of the posterior density, and its gradient."""
        lengths, (a1, a2, a3, a4, a5, noise) = self._hyperparameters(theta)
        scaled = known.features / lengths
        squares = (scaled * scaled).sum(1)
        root = np.sqrt(5 * np.maximum(squares[:, None] + squares - 2 * scaled @ scaled.T, 0))
        decay = np.exp(-root)
        matern, slope = (1 + root + root * root / 3) * decay, (-5 / 6) * (1 + root) * decay
        begins, ends = _both(known.remaining)
        amplitude = a1 + a2 * begins + a3 * ends
        covariance = matern * amplitude + _LEVEL + _RISE * begins + same * (a4 + a5 * begins)
        covariance[np.diag_indices(len(known))] += noise + 1e-6
        off = (theta - self._prior) / self._spread
        try:
            factor = cholesky(covariance, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        inverse = cho_solve((factor, True), np.eye(len(known)), check_finite=False)
        weights = inverse @ known.score
        loss = 0.5 * known.score @ weights + np.log(np.diag(factor)).sum() + 0.5 * off @ off
        pull = 0.5 * (inverse - np.outer(weights, weights))
        by_distance = pull * slope * amplitude
        columns = -4 * (
            (scaled * scaled * by_distance.sum(1)[:, None]).sum(0) - np.einsum("ij,ij->j", scaled, by_distance @ scaled)
        )
        by_length = np.bincount(self.group, columns, minlength=len(theta) - len(_AMPLITUDES))
        of_matern, of_same = pull * matern, pull * same
        by_amplitude = [
            a1 * of_matern.sum(),
            a2 * (of_matern * begins).sum(),
            a3 * (of_matern * ends).sum(),
            a4 * of_same.sum(),
            a5 * (of_same * begins).sum(),
            noise * np.trace(pull),
        ]
        return float(loss), np.concatenate([by_length, by_amplitude]) + off / self._spread


def _both(remaining: Floats) -> tuple[Floats, Floats]:
    """Return b b' and e e' of all pairs."""
    return np.outer(remaining, remaining), np.outer(1 - remaining, 1 - remaining)


def _matern(left: Floats, right: Floats, lengths: Floats) -> Floats:
    """Return Matern 5/2 of all pairs, in as few passes over them as it takes."""
    left, right = left / lengths, right / lengths
    found = left @ (-10 * right.T)
    found += 5 * (left * left).sum(1)[:, None]
    found += 5 * (right * right).sum(1)
    np.maximum(found, 0, out=found)
    root = np.sqrt(found)
    found /= 3
    found += root
    found += 1
    np.negative(root, out=root)
    np.exp(root, out=root)
    found *= root
    return found
