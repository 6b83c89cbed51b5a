"""Schedulers: which trial a worker goes on with, or begins, and until which epoch, before it pauses at its checkpoint.

A scheduler is a pure function of the trials as they stand: it keeps nothing between two calls, so that every worker
asks one of its own, and a simulation the same as a worker. Who asks for a trial that another worker has meanwhile
taken asks again (see `winnow.storage.claims.claim`).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import count, pairwise
from typing import Any, Literal, Protocol

from numpy.random import Generator

ANY: Mapping[str, Any] = {}
"""Of the shape of a trial: as good as another."""


class Standing(Enum):
    """Where a trial is."""

    QUEUED = "queued"
    """A person or the study's start asked for it, and nobody has begun it: the next `Begin` begins it."""
    RUNNING = "running"
    """Held by a worker, or left by one that died and about to be taken up again."""
    PAUSED = "paused"
    """At its checkpoint: it may go on."""
    COMPLETE = "complete"
    PRUNED = "pruned"
    """Ended early: by divergence, as infeasible, or because the study has nothing left for it."""
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether the trial reports nothing more."""
        return self in (Standing.COMPLETE, Standing.PRUNED, Standing.FAILED)


@dataclass(frozen=True)
class Outline:
    """A trial as a scheduler sees it."""

    number: int
    standing: Standing
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """By Optuna's names and values; those that the trial has drawn so far."""
    curve: Sequence[tuple[int, float]] = ()
    """(epoch, value), in order of epochs; a value may be NaN."""
    until: int | None = None
    """The epoch at which it is to pause next, or has; None: it trains to its end."""
    baseline: bool = False
    """Whether it is the search's baseline, which never pauses."""

    @property
    def epoch(self) -> int:
        """The last epoch that it has reported; 0 before the first."""
        return self.curve[-1][0] if self.curve else 0

    def value_at(self, epoch: int) -> float | None:
        """Return its value at the first report from `epoch` on; None where it has not come so far."""
        return next((value for reached, value in self.curve if reached >= epoch), None)


@dataclass(frozen=True)
class Begin:
    """Begin a new trial (or the first that is queued, with the parameters that it was queued with)."""

    until: int | None
    """Pause at this epoch; None trains to the end. So does an epoch that is the trial's last."""
    parameters: Mapping[str, Any] | None = None
    """What the trial takes, by Optuna's names; what is missing, or all, is drawn by the study's sampler."""


@dataclass(frozen=True)
class GoOn:
    """Go on with a paused trial from its checkpoint."""

    number: int
    until: int | None
    """As in `Begin`."""
    others: Sequence[int] = field(default=(), compare=False)
    """Those that may as well go on to the same epoch: a worker may take one of the shape that it trains."""


Decision = Begin | GoOn | None
"""None: there is nothing to do before a trial that runs reports."""


class Scheduler(Protocol):
    """Decides what a worker does next."""

    def next(
        self, trials: Sequence[Outline], random: Generator, may_begin: bool = True, shape: Mapping[str, Any] = ANY
    ) -> Decision:
        """Decide from all trials of the study, by number. `may_begin` is False once the budget has no new trial left.

        `shape` are parameters that a trial is to begin with, where the scheduler chooses them and is beyond its start.
        The draws of `random` are the study's own: the same for the same number of trials begun and of times asked.
        """


Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class AsynchronousHalving:
    """Asynchronous successive halving with promotion (ASHA, Li et al. 2020, algorithm 2).

    A trial pauses at each rung. It goes on when it is among the best of `1 / factor` of all that have come as far,
    however late that turns out; a new trial begins where none may go on.
    """

    rungs: tuple[int, ...]
    """Epochs at which trials pause, ascending; from the last a trial goes on to its end."""
    factor: int
    direction: Direction

    def next(
        self, trials: Sequence[Outline], random: Generator, may_begin: bool = True, shape: Mapping[str, Any] = ANY
    ) -> Decision:
        """Promote from the highest rung that has one to promote, or begin a trial."""
        for rung, higher in reversed([*pairwise([*self.rungs, None])]):
            assert rung is not None
            came = best_first([trial for trial in trials if trial.value_at(rung) is not None], rung, self.direction)
            if (promoted := _first_paused(came[: len(came) // self.factor], higher)) is not None:
                return promoted
        return Begin(self.rungs[0]) if may_begin else None


@dataclass(frozen=True)
class SynchronousHyperband:
    """Hyperband (Li et al. 2018, algorithm 1): brackets of successive halving, each rung judged once it is whole.

    The brackets follow one another, from the one with most trials and shortest first rung to the one that trains all
    to their end, and then again. A worker for which the bracket under way has nothing to do begins with the next.
    """

    least: int
    """Epochs before the first rung of the widest bracket."""
    most: int
    """Epochs of a whole training."""
    factor: int
    direction: Direction

    def next(
        self, trials: Sequence[Outline], random: Generator, may_begin: bool = True, shape: Mapping[str, Any] = ANY
    ) -> Decision:
        """Promote in the oldest bracket that may, or begin a trial in the first that is not full."""
        begun = [trial for trial in trials if not trial.baseline and trial.standing is not Standing.QUEUED]
        start = 0
        for size, rungs in self.brackets():
            members = begun[start : start + size]
            start += size
            full = len(members) == size
            if (full or not may_begin) and (promoted := self._promoted(members, rungs)) is not None:
                return promoted
            if not full:
                return Begin(rungs[0]) if may_begin else None
        return None

    def brackets(self) -> Iterator[tuple[int, tuple[int | None, ...]]]:
        """Yield the number of trials and the rungs of each bracket, for ever; the last rung is None, the end."""
        deepest = 0
        while self.least * self.factor ** (deepest + 1) <= self.most:
            deepest += 1
        for turn in count():
            depth = deepest - turn % (deepest + 1)
            size = math.ceil((deepest + 1) / (depth + 1) * self.factor**depth)
            yield size, (*(max(1, self.most // self.factor ** (depth - rung)) for rung in range(depth)), None)

    def _promoted(self, members: Sequence[Outline], rungs: tuple[int | None, ...]) -> GoOn | None:
        """Return the best trial that may go on from a whole rung of a bracket, from the highest rung down."""
        place, whole = list(members), []
        for rung, higher in pairwise(rungs):
            assert rung is not None
            if not all(trial.standing.ended or trial.value_at(rung) is not None for trial in place):
                break
            came = [trial for trial in place if trial.value_at(rung) is not None]
            place = best_first(came, rung, self.direction)[: len(place) // self.factor]
            whole.append((place, higher))
        return next((found for best, higher in reversed(whole) if (found := _first_paused(best, higher))), None)


def _first_paused(trials: Sequence[Outline], until: int | None) -> GoOn | None:
    """Return the first of these trials that are paused and may go on until an epoch; None where none is."""
    may = [t.number for t in trials if t.standing is Standing.PAUSED and (until is None or t.epoch < until)]
    return GoOn(may[0], until, may[1:]) if may else None


def best_first(trials: Sequence[Outline], epoch: int, direction: Direction) -> list[Outline]:
    """Return trials that came to an epoch by their value there: NaN is last, and of equals the older is first."""
    sign = -1.0 if direction == "maximize" else 1.0

    def rank(trial: Outline) -> tuple[bool, float, int]:
        value = trial.value_at(epoch)
        if value is None or math.isnan(value):
            return True, 0.0, trial.number
        return False, sign * value, trial.number

    return sorted(trials, key=rank)


def rungs_between(least: int, most: int, factor: int) -> tuple[int, ...]:
    """Return the epochs `least`, `least * factor`, … that lie before `most`."""
    rungs = [least]
    while rungs[-1] * factor < most:
        rungs.append(rungs[-1] * factor)
    return tuple(rungs)
