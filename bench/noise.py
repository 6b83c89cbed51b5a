"""Noise as trainings have it, planted and real: what a seed makes of a true value."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, bool], Array]
SIZE = 0.01
"""The standard deviation between seeds, where a family has one: what trainings on digits show."""
LONG_ABOVE = "right-skewed (exponential)"
"""A long tail on the better side: a little less than is promised is held of it (docs/conclusions.md says how much)."""
REAL = Path(__file__).parent / "real_noise.json"


@dataclass(frozen=True)
class Family:
    """Scores of trainings around a true value."""

    name: str
    draw: Draw
    """(seeds,) deviations from the truth; with True, of a method that makes trainings uneven."""
    examples: int = 0
    """On so many a score is counted; 0 where it is not counted."""
    centre: float = 0.8
    """Where its scores lie."""
    split: float = 0.6
    """By how many of its deviations a seed moves all configurations alike."""


def families() -> list[Family]:
    """All of them: the last two are real trainings, drawn with replacement."""
    return [
        Family("normal", lambda r, n, _: r.normal(0, SIZE, n)),
        Family("left-skewed (gamma 1.5)", lambda r, n, _: -SIZE * (r.gamma(1.5, 1, n) - 1.5) / 1.5**0.5),
        Family(LONG_ABOVE, lambda r, n, _: SIZE * (r.exponential(size=n) - 1)),
        Family("bounded near 1 (beta)", lambda r, n, _: r.beta(198, 2, n) - 0.99, centre=0.99, split=0.0),
        Family("counted on 50", lambda r, n, _: r.binomial(50, 0.96, n) / 50 - 0.96, 50, 0.96, 0.0),
        Family("counted on 100", lambda r, n, _: r.binomial(100, 0.97, n) / 100 - 0.97, 100, 0.97, 0.0),
        Family("counted on 360", lambda r, n, _: r.binomial(360, 0.998, n) / 360 - 0.998, 360, 0.998, 0.0),
        Family("counted on 10,000", lambda r, n, _: r.binomial(10_000, 0.98, n) / 10_000 - 0.98, 10_000, 0.98, 0.0),
        Family("heavy tails (t3)", lambda r, n, _: SIZE * r.standard_t(3, n) / 3**0.5),
        Family("2 % break down", lambda r, n, _: r.normal(0, SIZE, n) - 0.3 * (r.random(n) < 0.02)),
        Family("10 % break down", lambda r, n, _: r.normal(0, SIZE, n) - 0.3 * (r.random(n) < 0.1)),
        Family("one arm five times as wide", lambda r, n, uneven: r.normal(0, SIZE if uneven else SIZE / 5, n)),
        Family("one arm skewed, others tight", _uneven),
        Family("one arm breaks down in 7 %", _breaking),
        Family("seeds share a split", lambda r, n, _: r.normal(0, SIZE, n), split=3.0),
        *(_real(name) for name in sorted(real())),
    ]


def kept_apart() -> list[Family]:
    """Kinds that nothing was chosen on: what is promised is judged by them."""
    return [
        Family("two modes", lambda r, n, _: SIZE * (r.normal(0, 0.5, n) + np.where(r.random(n) < 0.3, -1.4, 0.6))),
        Family("triangular", lambda r, n, _: SIZE * (r.triangular(-4, 1, 1, n) + 2 / 3)),
        Family("Weibull (shape 1.2)", lambda r, n, _: SIZE * (math.gamma(1 + 1 / 1.2) - r.weibull(1.2, n))),
        Family("counted on 700", lambda r, n, _: r.binomial(700, 0.95, n) / 700 - 0.95, 700, 0.95, 0.0),
        Family("arms skewed in opposite ways", _opposite),
    ]


@cache
def real() -> dict[str, tuple[int, tuple[int, ...]]]:
    """By data set: the validation examples, and how many of them each training of one configuration got right."""
    kept = json.loads(REAL.read_text())
    return {each["data"]: (each["examples"], tuple(each["correct"])) for each in kept}


def _uneven(random: np.random.Generator, seeds: int, uneven: bool) -> Array:
    return -2 * SIZE * (random.exponential(size=seeds) - 1) if uneven else random.normal(0, SIZE / 5, seeds)


def _opposite(random: np.random.Generator, seeds: int, uneven: bool) -> Array:
    return (-1 if uneven else 1) * SIZE * (random.exponential(size=seeds) - 1)


def _breaking(random: np.random.Generator, seeds: int, uneven: bool) -> Array:
    fall = 0.6 * (random.random(seeds) < 0.07) if uneven else np.zeros(seeds)
    return random.normal(0, SIZE, seeds) - fall


def _real(name: str) -> Family:
    examples, right = real()[name]
    scores = np.array(right) / examples
    centre = float(scores.mean())
    return Family(f"real: {name}", lambda r, n, _: r.choice(scores, n) - centre, examples, centre, 0.0)


def plain_width(scores: Sequence[float] | Array) -> float:
    """The width of Student's interval of these scores."""
    from scipy.special import stdtrit

    return 2 * float(stdtrit(len(scores) - 1, 0.975) * np.std(scores, ddof=1) / len(scores) ** 0.5)
