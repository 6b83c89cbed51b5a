"""How many trials a worker trains at once where `fuse = "auto"`: as many as pay on its device, and why not more."""

from typing import Literal, NamedTuple

from winnow.objectives.hyperparameters import DEFINITIONS
from winnow.objectives.space import baseline, hyperparameter
from winnow.objectives.training_objective import TrainingObjective
from winnow.search.study.objective import Objective
from winnow.search.study.spec import Spec

MOST = 8
"""Trials at once that `auto` takes at most."""
TRIALS_EACH = 8
"""So many trials must a search have for each at once: with fewer they know too little of each other."""


class Fusing(NamedTuple):
    """How many trials at once, and in words why; without words where a person has said it."""

    trials: int
    why: str = ""


def at_once(asked: int | Literal["auto"], spec: Spec, objective: Objective) -> Fusing:
    """Return how many trials a worker trains at once; `auto` is the baseline's best stack, if all are of its shape."""
    if not isinstance(objective, TrainingObjective) or spec.fleet.devices_per_trial > 1:
        return Fusing(1)
    if asked != "auto":
        return Fusing(asked)
    shaping = [name for name in spec.search if not DEFINITIONS[hyperparameter(name)].stacks]
    if shaping:
        return Fusing(1, f"one trial at a time: {shaping[0]} is searched, and only trials of one shape are a stack")
    trials = spec.storage_budget.trials
    most = MOST if trials is None else min(MOST, trials // TRIALS_EACH)
    values = baseline(spec.space, spec.fixed, spec.baseline)[1]
    precision = values.get("precision") or objective.calibrate(values)
    found = objective.stack_size({**values, "precision": precision}, most)
    if found.tried == 1:
        return Fusing(1, f"one trial at a time: of {trials} in all, several would know too little of each other")
    gains = f"trains {found.gain:.2f} times as many a second"
    if found.size == 1:
        return Fusing(1, f"one trial at a time: a stack of {found.tried} {gains}")
    return Fusing(found.size, f"{found.size} trials at a time: their stack {gains}")
