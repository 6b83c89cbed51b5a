"""What an ablation asks, each question as a weighted sum of trainings that share a seed.

A training is a set of methods that are on (the others are as in the baseline). Whatever is asked (a method alone,
removed, together with another, in any order) is then one number a seed: a weighted sum over sets. All questions are
answered by the same statistics, and share the trainings that they have in common.
"""

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

MethodSet = frozenset[str]
"""The methods that are on."""
Kind = Literal["whole", "alone", "removed", "path", "together", "order"]
Weights = Mapping[MethodSet, float]
MOST_SETS = 64
"""Up to so many sets of methods, every one is trained; with more, orders are sampled."""


@dataclass(frozen=True)
class Contrast:
    """One number that repeated trainings can tell."""

    kind: Kind
    name: str
    """Of the method, or of two as `A and B`."""
    weights: Callable[[int], Weights]
    """By seed: what each set's result counts. Sampled orders differ from seed to seed."""


def whole(methods: Sequence[str]) -> Contrast:
    """Return what all methods do together."""
    return _difference("whole", "all together", frozenset(methods), frozenset())


def alone(methods: Sequence[str]) -> list[Contrast]:
    """Return what each method does when it is added to the baseline: add one in."""
    return [_difference("alone", method, frozenset([method]), frozenset()) for method in methods]


def removed(methods: Sequence[str]) -> list[Contrast]:
    """Return what each method does when all others are there: leave one out."""
    everything = frozenset(methods)
    return [_difference("removed", method, everything, everything - {method}) for method in methods]


def path(order: Sequence[str]) -> list[Contrast]:
    """Return what each method does when it is added after those before it in `order` (Fawcett and Hoos, 2016)."""
    return [
        _difference("path", method, frozenset(order[: step + 1]), frozenset(order[:step]))
        for step, method in enumerate(order)
    ]


def together(methods: Sequence[str]) -> list[Contrast]:
    """Return what each two methods do together beyond the sum of what each does alone."""
    none: MethodSet = frozenset()
    return [
        Contrast(
            "together",
            pair_name(a, b),
            _constant({frozenset([a, b]): 1.0, frozenset([a]): -1.0, frozenset([b]): -1.0, none: 1.0}),
        )
        for a, b in itertools.combinations(methods, 2)
    ]


def pair_name(first: str, second: str) -> str:
    """Return what two methods are called together."""
    return f"{first} and {second}"


def order(methods: Sequence[str]) -> list[Contrast]:
    """Return each method's Shapley value (1953): the mean of what it adds, over all orders of adding the methods.

    Exact over all 2ⁿ sets where they are at most MOST_SETS; else each seed draws one order and takes its reverse too
    (antithetic orders, as Mitchell et al., 2022, do), which is right on average over seeds.
    """
    exact = 2 ** len(methods) <= MOST_SETS
    return [
        Contrast("order", method, _constant(_over_all_orders(method, methods)) if exact else _sampled(method, methods))
        for method in methods
    ]


def _constant(weights: Weights) -> Callable[[int], Weights]:
    return lambda seed: weights


def _sampled(method: str, methods: Sequence[str]) -> Callable[[int], Weights]:
    return lambda seed: _over_sampled_orders(method, methods, seed)


def _difference(kind: Kind, name: str, on: MethodSet, off: MethodSet) -> Contrast:
    return Contrast(kind, name, _constant({on: 1.0, off: -1.0}))


def _over_all_orders(method: str, methods: Sequence[str]) -> Weights:
    others = [other for other in methods if other != method]
    weights: dict[MethodSet, float] = {}
    for size in range(len(others) + 1):
        share = math.factorial(size) * math.factorial(len(others) - size) / math.factorial(len(methods))
        for before in itertools.combinations(others, size):
            weights[frozenset(before) | {method}] = share
            weights[frozenset(before)] = -share
    return weights


def _over_sampled_orders(method: str, methods: Sequence[str], seed: int) -> Weights:
    drawn = list(methods)
    random.Random(seed).shuffle(drawn)
    weights: dict[MethodSet, float] = {}
    for sequence in (drawn, drawn[::-1]):
        before = frozenset(sequence[: sequence.index(method)])
        for on, weight in ((before | {method}, 0.5), (before, -0.5)):
            weights[on] = weights.get(on, 0.0) + weight
    return weights
