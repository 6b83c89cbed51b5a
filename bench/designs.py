"""Designs of searches: where the trials of each lie, what they gave, and which of them the pruner stopped."""

import itertools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from bench.noise import Array, Family
from winnow.records import Epoch
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.study.fast_tpe import QuickTPESampler

NAMES = ("x", "y", "z", "w")
"""Four hyperparameters, each from 0 to 1."""
SHARES = {"x": 0.85, "y": 0.15}
"""What of the variance of `sloped` each makes up, noise apart; the others make nothing of it."""
RUNGS = {2: 0.6, 6: 0.85}
"""The epochs at which a pruner judges, and what part of its last value a training shows there on the mean."""
Value = Callable[[Array], Array]
"""What trainings at (trials, 4) give at their end, noise and all."""


@dataclass(frozen=True)
class Searched:
    """The trials of a search, in order."""

    unit: Array
    """(trials, 4) from 0 to 1."""
    values: Array
    """(trials,): what each gives when it is trained to its end."""
    cut: Array
    """(trials,): after how many epochs a pruner would stop each; 0 where it would not."""
    audited: NDArray[np.bool_]
    """(trials,): whether it finishes all the same."""

    @property
    def completed(self) -> NDArray[np.bool_]:
        """(trials,): whether each was trained to its end."""
        return np.asarray(self.cut == 0) | self.audited


def random_search(random: np.random.Generator, value: Value) -> Searched:
    """Eighty trials anywhere."""
    return _completed(unit := random.random((80, 4)), value(unit))


def grid(random: np.random.Generator, value: Value) -> Searched:
    """Three values of each."""
    return _completed(unit := np.array(list(itertools.product((0.1, 0.5, 0.9), repeat=4))), value(unit))


def coordinate(random: np.random.Generator, value: Value) -> Searched:
    """One hyperparameter at a time, ten trials each, twice around; on from the best of the ten."""
    base, rows, values = np.full(4, 0.5), [], []
    for axis in [0, 1, 2, 3] * 2:
        tried = np.tile(base, (10, 1))
        tried[:, axis] = random.random(10)
        rows.append(tried)
        values.append(value(tried))
        base = tried[int(np.argmax(values[-1]))]
    return _completed(np.concatenate(rows), np.concatenate(values))


def freeze_thaw(random: np.random.Generator, value: Value) -> Searched:
    """Many begun, and the third that looked best after a fifth of their epochs trained to the end."""
    unit = random.random((240, 4))
    early = 0.6 * value(unit) + random.normal(0, 0.05, 240)
    cut = np.full(240, 2)
    cut[np.argsort(-early)[:80]] = 0
    return Searched(unit, value(unit), cut, np.zeros(240, bool))


def tpe(
    random: np.random.Generator,
    value: Value,
    trials: int = 60,
    pruner: optuna.pruners.BasePruner | None = None,
    audit: float = 0.0,
    early: float = 0.05,
) -> Searched:
    """Winnow's own TPE, one trial after the other; of those that the pruner stops a share is let finish.

    `early` is the standard deviation of what an epoch shows before the last.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = QuickTPESampler(multivariate=True, seed=int(random.integers(10**9)))
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner or optuna.pruners.NopPruner())
    rows, values, cut, audited = [], [], np.zeros(trials, int), random.random(trials) < audit
    for number in range(trials):
        trial = study.ask()
        rows.append([trial.suggest_float(name, 0, 1) for name in NAMES])
        values.append(float(value(np.array(rows[-1:]))[0]))
        for epoch, part in RUNGS.items():
            trial.report(part * values[-1] + random.normal(0, early), epoch)
            if not cut[number] and trial.should_prune():
                cut[number] = epoch
                if not audited[number]:
                    break
        stopped = cut[number] and not audited[number]
        study.tell(trial, None if stopped else values[-1], state=optuna.trial.TrialState.PRUNED if stopped else None)
    return Searched(np.array(rows), np.array(values), cut, audited)


ASHA = optuna.pruners.SuccessiveHalvingPruner(min_resource=min(RUNGS), reduction_factor=3)
DESIGNS: dict[str, Callable[[np.random.Generator, Value], Searched]] = {
    "random": random_search,
    "grid": grid,
    "coordinate": coordinate,
    "TPE": tpe,
    "TPE + ASHA": partial(tpe, pruner=ASHA),
    "freeze-thaw": freeze_thaw,
}


SAMPLERS = {"random": "random", "grid": "grid", "coordinate": "coordinate", "freeze-thaw": "freeze_thaw"}
"""By design the sampler that a spec would name; TPE otherwise."""


VALUES: dict[str, Callable[[np.random.Generator], NDArray[np.int64]]] = {
    "random, 40 of 6 values": lambda random: random.integers(0, (6, 3, 2, 2), (40, 4)),
    "random, 24 of 4 values": lambda random: random.integers(0, (4, 3, 2, 2), (24, 4)),
    "random, 20 of 10 values": lambda random: random.integers(0, (10, 1, 1, 1), (20, 4)),
    "grid, 6 values by 2": lambda _: np.array(list(itertools.product(range(6), range(2), [0], [0]))),
    "grid, 6 values by 3": lambda _: np.array(list(itertools.product(range(6), range(3), [0], [0]))),
}
"""Designs whose values are compared: (trials, 4) of few values each; the first is what is asked about."""


def values_compared(random: np.random.Generator, family: Family, design: str, gain: float) -> StudyRecord:
    """Return a study in which value 1 makes trainings uneven and gains so much, and nothing else does anything."""
    rows = VALUES[design](random)
    noise = (family.draw(random, len(rows), uneven) for uneven in (True, False))
    scores = family.centre - gain * (rows[:, 0] != 1) + np.where(rows[:, 0] == 1, *noise)
    kinds = dict.fromkeys(NAMES, CategoricalDistribution(range(10)))
    return record(_completed(rows.astype(np.float64), scores), design.partition(",")[0], kinds, family.examples)


def record(
    searched: Searched,
    design: str = "TPE",
    kinds: Mapping[str, BaseDistribution] = dict.fromkeys(NAMES, FloatDistribution(0.0, 1.0)),
    examples: int = 0,
) -> StudyRecord:
    """Return the study as Winnow's analyses read it."""
    trials = []
    for number, completed in enumerate(searched.completed):
        value, cut = float(searched.values[number]), int(searched.cut[number])
        epochs = 10 if completed else cut
        trials.append(
            TrialRecord(
                number=number,
                state="COMPLETE" if completed else "PRUNED",
                value=value * (1.0 if completed else RUNGS[cut]),
                parameters=dict(zip(NAMES, searched.unit[number].tolist(), strict=True)),
                distributions=kinds,
                config={"epochs": 10},
                reason="",
                baseline=False,
                feasible=True,
                started=None,
                ended=None,
                worker="",
                host="",
                device="",
                seconds=float(epochs),
                curve=tuple(Epoch(epoch, value) for epoch in range(1, epochs + 1)),
                training={"validation_examples": examples},
                would_prune=cut if cut and completed else None,
            )
        )
    metric = "validation accuracy" if examples else "score"
    return StudyRecord("planted", "maximize", metric, tuple(trials), SAMPLERS.get(design, "tpe"))


def _completed(unit: Array, values: Array) -> Searched:
    return Searched(unit, values, np.zeros(len(unit), int), np.zeros(len(unit), bool))


def value(random: np.random.Generator, together: float, unit: Array) -> Array:
    """A hill, a slope, a knee, one that does nothing, and two together; one training in twenty breaks down."""
    x, y, z, _ = unit.T
    true = -3 * (x - 0.6) ** 2 + 0.5 * y - 0.3 * np.exp(-8 * z) + together * (x - 0.5) * (y - 0.5)
    noisy: Array = true + random.normal(0, 0.05, len(unit)) - (random.random(len(unit)) < 0.05)
    return noisy


def sloped(random: np.random.Generator, family: Family, unit: Array) -> Array:
    """SHARES of a variance six times as large as the noise has it, which is another in half of the last one's range."""
    x, y, _, w = unit.T
    slopes = 0.3 * 12**0.5 * (SHARES["x"] ** 0.5 * x + SHARES["y"] ** 0.5 * y)
    noise = (family.draw(random, len(unit), uneven) for uneven in (True, False))
    sloping: Array = slopes + 5 * np.where(w > 0.5, *noise)
    return sloping
