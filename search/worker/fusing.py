"""How many trials a worker trains at once where `fuse = "auto"`: as many as pay on its device, and why not more."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from winnow.objectives.space import baseline, shaping
from winnow.objectives.training_objective import TrainingObjective
from winnow.search.study.objective import Objective
from winnow.search.study.samplers import GridSampler
from winnow.search.study.spec import Spec

MOST = 8
"""Trials at once that `auto` takes at most."""
LEAST = 4
"""Fewer at once are no stack that `auto` tries."""
TRIALS_EACH = 8
"""So many trials must a search have for each at once: with fewer they know too little of each other."""

SHAPES = 20
"""So many shapes at least does a search of several look at: with fewer it would know too little of them."""
ROW_GAIN = 1.5
"""What a stack is to gain whose trials are asked for in one shape: rows of four cost a search what a third more epochs
bring (bench/README.md)."""


class Fusing(NamedTuple):
    """How many trials at once, and in words why; without words where a person has said it."""

    trials: int
    why: str = ""
    by_shape: bool = False
    """Whether it is measured of each shape, when its first trial comes, how many; `trials` is then the most."""


def in_a_row(spec: Spec, fuse: int) -> int:
    """Return how many new trials in a row of a worker have one shape, where it trains so many at once."""
    if not spec.sampler.shares_shapes:
        return 1
    trials = spec.storage_budget.trials
    return fuse if trials is None else max(1, min(fuse, trials // SHAPES))


def at_once(asked: int | Literal["auto"], spec: Spec, objective: Objective) -> Fusing:
    """Return how many trials a worker trains at once; `auto`: the best stack of their shape, be it searched or not."""
    if not isinstance(objective, TrainingObjective):
        return Fusing(1, "" if asked == 1 else "one trial at a time: an objective of one's own is no stack")
    if asked == 1 or spec.fleet.devices_per_trial > 1:
        return Fusing(1)
    values = baseline(spec.space, spec.fixed, spec.baseline)[1]
    apart = objective.apart_because(values) if ":" in str(values.get("model")) else ""
    apart = f", each network called by itself: {apart}" if apart else ""
    if asked != "auto":
        return Fusing(asked, f"{asked} trials at a time{apart}" if apart else "")
    searched = shaping(spec.space)
    ordered = isinstance(spec.sampler, GridSampler) and spec.sampler.by_shape
    if searched and not (ordered or spec.sampler.shares_shapes):
        return Fusing(
            1,
            f"one trial at a time: {searched[0]} is searched, only trials of one shape are a stack, and the sampler "
            f"{spec.sampler.name} is not asked for several of one",
        )
    trials = spec.storage_budget.trials
    most = MOST if trials is None else min(MOST, trials // TRIALS_EACH)
    if searched and not ordered:
        most = in_a_row(spec, most)
    if most < LEAST:
        return Fusing(1, f"one trial at a time: of {trials} in all, several would know too little of each other")
    if searched:
        pays = "trains more a second" if ordered else f"trains at least {ROW_GAIN:g} times as many a second"
        return Fusing(most, f"up to {most} trials at a time: those of one shape, where their stack {pays}", True)
    found = of_shape(spec, objective, {"precision": objective.calibrate(values), **values}, most)
    return found._replace(why=found.why + apart) if found.trials > 1 else found


def of_shape(spec: Spec, objective: TrainingObjective, values: Mapping[str, Any], most: int) -> Fusing:
    """Return how many trials of the shape of these values, up to `most`, a worker trains at once."""
    found = objective.stack_size(values, most)
    if found.tried == 1:
        return Fusing(1, "one trial at a time: it is too large for a stack to gain anything")
    gains = f"trains {found.gain:.2f} times as many a second"
    if found.size == 1:
        return Fusing(1, f"one trial at a time: a stack of {found.tried} {gains}")
    searched = shaping(spec.space)
    if searched and spec.sampler.shares_shapes and found.gain < ROW_GAIN:
        less = f"{searched[0]} is searched, and to ask for several of one shape costs as much"
        return Fusing(1, f"one trial at a time: {less} as a stack of {found.tried} brings, which {gains}")
    return Fusing(found.size, f"{found.size} trials at a time: their stack {gains}")
