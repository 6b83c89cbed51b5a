"""Schedulers without a storage: whole searches simulated on known curves."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from winnow.search.study.schedulers import (
    AsynchronousHalving,
    Begin,
    GoOn,
    Outline,
    Scheduler,
    Standing,
    SynchronousHyperband,
    best_first,
    rungs_between,
)

EPOCHS = 27
Curve = Callable[[int, int], float]


def rising(number: int, epoch: int) -> float:
    """The higher a trial's place in a fixed shuffle, the better it is at every epoch."""
    return (number * 37 % 101) * epoch / EPOCHS


def simulate(scheduler: Scheduler, most: int, curve: Curve = rising, workers: int = 1) -> list[Outline]:
    """Run a study of `most` trials to where nothing is left to do; every worker trains one epoch in turn."""
    trials: list[Outline] = []
    under_way: list[int] = []
    random = np.random.default_rng(0)
    while True:
        while len(under_way) < workers:
            match scheduler.next(trials, random, may_begin=len(trials) < most):
                case Begin(until):
                    trials.append(Outline(len(trials), Standing.RUNNING, until=until))
                    under_way.append(len(trials) - 1)
                case GoOn(number, until):
                    trial = trials[number]
                    assert trial.standing is Standing.PAUSED
                    assert until is None or until > trial.epoch
                    trials[number] = Outline(number, Standing.RUNNING, {}, trial.curve, until)
                    under_way.append(number)
                case None:
                    break
        if not under_way:
            return trials
        number = under_way.pop(0)
        trial = trials[number]
        points = [*trial.curve, (trial.epoch + 1, curve(number, trial.epoch + 1))]
        epoch = points[-1][0]
        standing = Standing.COMPLETE if epoch == EPOCHS else Standing.RUNNING
        if standing is Standing.RUNNING and epoch == trial.until:
            standing = Standing.PAUSED
        trials[number] = Outline(number, standing, {}, points, trial.until)
        if standing is Standing.RUNNING:
            under_way.append(number)


def asha() -> AsynchronousHalving:
    return AsynchronousHalving(rungs_between(3, EPOCHS, 3), 3, "maximize")


def test_rungs_lie_before_the_end() -> None:
    assert rungs_between(3, 27, 3) == (3, 9)
    assert rungs_between(2, 30, 3) == (2, 6, 18)
    assert rungs_between(30, 30, 3) == (30,)


@pytest.mark.parametrize("workers", [1, 8])
def test_asha_goes_on_with_a_third_at_each_rung(workers: int) -> None:
    trials = simulate(asha(), 54, workers=workers)
    came = [sum(trial.epoch >= rung for trial in trials) for rung in (3, 9, EPOCHS)]
    assert came[0] == 54
    # A trial that was promoted early may be overtaken; it has been promoted nonetheless.
    assert 18 <= came[1] <= 27
    assert 6 <= came[2] <= 12
    best = max(trials, key=lambda trial: rising(trial.number, EPOCHS))
    assert best.standing is Standing.COMPLETE


def test_asha_promotes_late_what_turns_out_to_be_good() -> None:
    """What pruning for ever cannot do: the first trial is the best of three only once two others are there."""
    trials = [Outline(n, Standing.PAUSED, {}, [(3, value)], 3) for n, value in enumerate([0.9, 0.1])]
    random = np.random.default_rng(0)
    assert asha().next(trials, random) == Begin(3)
    trials.append(Outline(2, Standing.PAUSED, {}, [(3, 0.2)], 3))
    assert asha().next(trials, random) == GoOn(0, 9)
    assert asha().next(trials[:2], random, may_begin=False) is None


def test_nan_and_failures_are_never_promoted() -> None:
    values = [math.nan, 0.1, 0.2, math.nan, 0.3, 0.05]
    trials = [Outline(n, Standing.PAUSED, {}, [(3, value)], 3) for n, value in enumerate(values)]
    trials[4] = Outline(4, Standing.FAILED, {}, [(3, 0.3)], 3)
    random = np.random.default_rng(0)
    assert asha().next(trials, random) == GoOn(2, 9)
    assert [trial.number for trial in best_first(trials, 3, "minimize")] == [5, 1, 2, 4, 0, 3]


def test_the_brackets_of_hyperband_are_those_of_its_paper() -> None:
    """Li et al. 2018, table 1: R = 81, factor 3."""
    brackets = SynchronousHyperband(1, 81, 3, "maximize").brackets()
    assert [next(brackets) for _ in range(6)] == [
        (81, (1, 3, 9, 27, None)),
        (34, (3, 9, 27, None)),
        (15, (9, 27, None)),
        (8, (27, None)),
        (5, (None,)),
        (81, (1, 3, 9, 27, None)),
    ]


@pytest.mark.parametrize("workers", [1, 4])
def test_hyperband_judges_whole_rungs_only(workers: int) -> None:
    scheduler = SynchronousHyperband(1, EPOCHS, 3, "maximize")
    trials = simulate(scheduler, 27, workers=workers)
    by_value = sorted(trials, key=lambda trial: -rising(trial.number, EPOCHS))
    assert [trial.epoch for trial in by_value] == [27] + [9] * 2 + [3] * 6 + [1] * 18


def test_hyperband_does_not_wait_for_a_trial_that_failed() -> None:
    scheduler = SynchronousHyperband(1, 3, 3, "maximize")
    trials = [Outline(n, Standing.PAUSED, {}, [(1, float(n))], 1) for n in range(3)]
    trials[2] = Outline(2, Standing.FAILED)
    random = np.random.default_rng(0)
    assert scheduler.next(trials, random) == GoOn(1, None)


def test_the_baseline_and_queued_trials_have_no_place_in_a_bracket() -> None:
    scheduler = SynchronousHyperband(1, 3, 3, "maximize")
    running = Outline(0, Standing.RUNNING, {}, [(1, 9.0)], 1, baseline=True)
    trials = [running, *(Outline(n, Standing.PAUSED, {}, [(1, float(n))], 1) for n in (1, 2, 3))]
    random = np.random.default_rng(0)
    assert scheduler.next([*trials, Outline(4, Standing.QUEUED)], random) == GoOn(3, None)
    assert scheduler.next([*trials[:3], Outline(3, Standing.QUEUED)], random) == Begin(1)
