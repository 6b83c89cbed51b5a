"""How many trials a worker trains at once where `fuse = "auto"`: as many as pay on its device, and why not more."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import optuna

from winnow.objectives.space import baseline, shaping, suggest
from winnow.objectives.training_objective import TrainingObjective
from winnow.search.study.encoding import Encoding
from winnow.search.study.objective import Objective
from winnow.search.study.samplers import GridSampler
from winnow.search.study.spec import Spec

MOST = 8
"""Trials at once that `auto` takes at most."""
TRIALS_EACH = 8
"""So many trials must a search have for each at once: with fewer they know too little of each other."""

SHAPES = 20
"""So many shapes at least does a search of several look at: with fewer it would know too little of them."""
ROW_GAIN = 1.5
"""What a stack is to gain whose trials are asked for in one shape: rows of four cost a search what a third more epochs
bring (bench/README.md)."""

DRAWN = 2
"""So many shapes of a search are measured beside its baseline's: the same ones by every worker."""


class Fusing(NamedTuple):
    """How many trials at once, and in words why; without words where a person has said it."""

    trials: int
    why: str = ""


def in_a_row(spec: Spec, fuse: int) -> int:
    """Return how many new trials in a row of a worker have one shape, where it trains so many at once."""
    if not spec.sampler.shares_shapes:
        return 1
    trials = spec.storage_budget.trials
    return fuse if trials is None else max(1, min(fuse, trials // SHAPES))


def at_once(asked: int | Literal["auto"], spec: Spec, objective: Objective) -> Fusing:
    """Return how many trials a worker trains at once; `auto`: the best stack of their shape, or of a middle one.

    The middle one is by what their stacks gain: the baseline's shape and `DRAWN` others, where shapes are searched.
    """
    if not isinstance(objective, TrainingObjective):
        return Fusing(1, "" if asked == 1 else "one trial at a time: an objective of one's own is no stack")
    if asked == 1 or spec.fleet.devices_per_trial > 1:
        return Fusing(1)
    values = baseline(spec.space, spec.fixed, spec.baseline)[1]
    apart = objective.apart_because(values) if ":" in str(values.get("model")) else ""
    apart = f", each network called by itself: {apart}" if apart else ""
    if asked != "auto":
        return Fusing(asked, f"{asked} trials at a time{apart}" if apart else "")
    by_shape = isinstance(spec.sampler, GridSampler) and spec.sampler.by_shape
    searched = [] if by_shape else shaping(spec.space)
    if searched and not spec.sampler.shares_shapes:
        return Fusing(
            1,
            f"one trial at a time: {searched[0]} is searched, only trials of one shape are a stack, and the sampler "
            f"{spec.sampler.name} is not asked for several of one",
        )
    trials = spec.storage_budget.trials
    most = MOST if trials is None else min(MOST, trials // TRIALS_EACH)
    if searched:
        most = in_a_row(spec, most)
    precision = values.get("precision") or objective.calibrate(values)
    shapes = [values, *(_drawn(spec) if searched else ())]
    measured = [objective.stack_size({"precision": precision, **each}, most) for each in shapes]
    found = sorted(measured, key=lambda each: each.gain)[len(measured) // 2]
    if found.tried == 1:
        return Fusing(1, f"one trial at a time: of {trials} in all, several would know too little of each other")
    gains = f"trains {found.gain:.2f} times as many a second"
    if searched and found.gain < ROW_GAIN:
        less = f"{searched[0]} is searched, and to ask for several of one shape costs as much"
        of = f"of the middle one of {len(measured)} shapes "
        return Fusing(1, f"one trial at a time: {less} as a stack of {found.tried} {of}brings, which {gains}")
    if found.size == 1:
        return Fusing(1, f"one trial at a time: a stack of {found.tried} {gains}")
    return Fusing(found.size, f"{found.size} trials at a time: their stack {gains}{apart}")


def _drawn(spec: Spec) -> Iterator[dict[str, Any]]:
    """Yield what some trials of the search might train."""
    encoding = Encoding(spec.space)
    for point in encoding.draw(DRAWN, np.random.default_rng(spec.seed)):
        trial = optuna.trial.FixedTrial(encoding.parameters(point))
        yield suggest(trial, spec.space, spec.fixed)
