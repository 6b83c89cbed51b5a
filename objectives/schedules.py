"""Schedules: what the learning rate is multiplied by at each step, from nothing but the progress of the training.

Step, exponential and plateau change at the end of an epoch, cosine and one cycle with every step.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from winnow.objectives.definition import Hyperparameter
from winnow.objectives.registry import schedule

ONE_CYCLE_START = 1 / 25
ONE_CYCLE_END = 1e-4
"""Of the start: the last learning rate of one cycle."""

Factor = Annotated[
    float, Hyperparameter("what the learning rate is multiplied by at each drop", low=0, high=1, method="schedule")
]
Epochs = Annotated[
    int,
    Hyperparameter(
        "from drop to drop; of plateau, how many without a better validation score are borne", unit="epochs", low=1
    ),
]


@dataclass(frozen=True)
class Progress:
    """Where a training stands before a step."""

    step: int
    """Counted from 0 over the whole training."""
    steps: int
    """Of the whole training."""
    epoch: int
    """Counted from 0."""
    scores: Sequence[float]
    """Validation scores of the epochs so far, the higher the better."""


@schedule("constant")
def constant(progress: Progress) -> float:
    """Leave the learning rate as it is."""
    return 1.0


@schedule("step")
def step(progress: Progress, *, schedule_factor: Factor = 0.5, schedule_epochs: Epochs = 5) -> float:
    """Drop it every few epochs."""
    return schedule_factor ** (progress.epoch // schedule_epochs)


@schedule("exponential")
def exponential(progress: Progress, *, schedule_factor: Factor = 0.5) -> float:
    """Drop it after each epoch."""
    return schedule_factor**progress.epoch


@schedule("cosine")
def cosine(progress: Progress) -> float:
    """Let it fall to 0 along half a cosine (Loshchilov and Hutter, 2017, without restarts)."""
    return between(1.0, 0.0, progress.step / progress.steps)


@schedule("one_cycle")
def one_cycle(
    progress: Progress,
    *,
    warmup: Annotated[
        float, Hyperparameter("share of the steps in which the learning rate rises", low=0, high=1)
    ] = 0.3,
) -> float:
    """Let it rise and fall (Smith and Topin, 2018): both halves along a cosine, momentum as it is."""
    last, peak = progress.steps - 1, warmup * progress.steps - 1
    if progress.step < peak:
        return between(ONE_CYCLE_START, 1.0, progress.step / peak)
    return between(1.0, ONE_CYCLE_END * ONE_CYCLE_START, (progress.step - peak) / max(1.0, last - peak))


@schedule("plateau")
def plateau(progress: Progress, *, schedule_factor: Factor = 0.5, schedule_epochs: Epochs = 5) -> float:
    """Drop it where the validation score has not improved for some epochs."""
    return schedule_factor ** plateaus(progress.scores, schedule_epochs)


@schedule("milestones")
def milestones(
    progress: Progress,
    *,
    milestones: Annotated[
        tuple[float, ...], Hyperparameter("shares of the training at which it drops", low=0, high=1)
    ] = (0.5, 0.75),
    schedule_factor: Factor = 0.5,
) -> float:
    """Drop it at given shares of the training."""
    return schedule_factor ** sum(progress.step >= share * progress.steps for share in milestones)


def after_warmup(schedule: Callable[[Progress], float], progress: Progress, epochs: float, of: int) -> float:
    """Return what `schedule` gives when it begins after a linear warm-up over `epochs` of `of` epochs.

    The warm-up starts at one step's share, as a schedule of torch's LinearLR and another one after it.
    """
    steps = min(round(epochs * progress.steps / of), progress.steps - 1)
    if progress.step < steps:
        first = Progress(0, progress.steps - steps, 0, ())
        return schedule(first) * (1 / steps + (1 - 1 / steps) * progress.step / steps)
    rest = Progress(
        progress.step - steps, progress.steps - steps, max(0, progress.epoch - int(epochs)), progress.scores
    )
    return schedule(rest)


def between(first: float, second: float, share: float) -> float:
    """Return the point from `first` (share 0) to `second` (share 1) along half a cosine."""
    return second + (first - second) * (1 + math.cos(math.pi * share)) / 2


def plateaus(scores: Sequence[float], patience: int) -> int:
    """Count how often more than `patience` epochs in a row have brought no new best score."""
    best, waited, count = -math.inf, 0, 0
    for score in scores:
        waited = 0 if score > best else waited + 1
        best = max(best, score)
        if waited > patience:
            count, waited = count + 1, 0
    return count
