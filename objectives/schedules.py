"""Learning rates: what each schedule gives for each step, as a function of nothing but the config and the curve."""

import math
from collections.abc import Sequence

from winnow.objectives.hyperparameters import Config

ONE_CYCLE_START = 1 / 25
ONE_CYCLE_END = 1e-4
"""Of the start: the last learning rate of one cycle."""


def learning_rate(config: Config, step: int, steps_per_epoch: int, scores: Sequence[float]) -> float:
    """The learning rate of `step`, counted from 0 over the whole training.

    `scores` are the validation scores of the epochs so far, the higher the better. Step, exponential and plateau
    change at the end of an epoch, cosine (Loshchilov and Hutter, 2017, without restarts) and one cycle (Smith and
    Topin, 2018, both halves along a cosine, momentum as it is) with every step.
    """
    epoch, last = step // steps_per_epoch, config.epochs * steps_per_epoch - 1
    match config.schedule:
        case "step":
            return config.lr * config.schedule_factor ** (epoch // config.schedule_epochs)
        case "exponential":
            return config.lr * config.schedule_factor**epoch
        case "plateau":
            return config.lr * config.schedule_factor ** plateaus(scores, config.schedule_epochs)
        case "cosine":
            return between(config.lr, 0.0, step / (last + 1))
        case "one_cycle":
            start, peak = ONE_CYCLE_START * config.lr, config.warmup * (last + 1) - 1
            if step < peak:
                return between(start, config.lr, step / peak)
            return between(config.lr, ONE_CYCLE_END * start, (step - peak) / max(1.0, last - peak))
    return config.lr


def between(first: float, second: float, share: float) -> float:
    """From `first` (share 0) to `second` (share 1) along half a cosine."""
    return second + (first - second) * (1 + math.cos(math.pi * share)) / 2


def plateaus(scores: Sequence[float], patience: int) -> int:
    """How often more than `patience` epochs in a row have brought no new best score."""
    best, waited, count = -math.inf, 0, 0
    for score in scores:
        waited = 0 if score > best else waited + 1
        best = max(best, score)
        if waited > patience:
            count, waited = count + 1, 0
    return count
