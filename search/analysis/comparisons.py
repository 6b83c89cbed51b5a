"""What a search's own trials say of its hyperparameters, where their design allows it: values side by side.

A grid trains every value with every setting of the others, so values are compared setting by setting; random draws are
independent, so values are compared by their means. Trials that a sampler drew towards the best allow neither.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution

from winnow.objectives.space import hyperparameter, label
from winnow.search.analysis import quantiles
from winnow.search.analysis.effects import Effect
from winnow.search.analysis.formatting import counted, listed, number, score
from winnow.search.analysis.statistics import ERROR, ROOM, Sample
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.study.questions import Question

DESIGNED = ("grid", "random")
"""Samplers whose trials may be compared with each other."""
_MOST_VALUES = 5
"""A hyperparameter that was drawn from more values than these is not adjusted for."""
Setting = tuple[Any, ...]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """The trials with one setting of some hyperparameters, those that completed or diverged."""

    setting: Setting
    trials: tuple[TrialRecord, ...]
    values: Sample
    """Their results; of one that diverged, the worst that any training of the study reported."""

    @property
    def name(self) -> str:
        """The setting, as people read it."""
        return " and ".join(number(value) for value in self.setting)

    @property
    def diverged(self) -> bool:
        """Whether every one diverged, or was ended at chance: there is no mean."""
        return all(trial.diverged for trial in self.trials)

    @property
    def mixed(self) -> bool:
        """Whether some diverged, and some did not: their mean counts both."""
        return not self.diverged and any(trial.diverged for trial in self.trials)

    @property
    def parameters(self) -> float:
        """The mean number of weights; NaN where none was recorded."""
        return _mean([trial.training.get("parameters") for trial in self.trials])

    @property
    def seconds(self) -> float:
        """The mean training time."""
        return _mean([trial.seconds for trial in self.trials])


def searched(record: StudyRecord) -> list[str]:
    """Return the hyperparameters that took several values, in order; several ranges of one are one."""
    names = dict.fromkeys(hyperparameter(name) for name in record.parameter_names)
    return [name for name in names if len({setting(trial, [name]) for trial in _used(record)}) > 1]


def decided(record: StudyRecord) -> list[str]:
    """Return those of `searched` that no trial drew: each had one value to every setting of others (`when`)."""
    kinds = [each for trial in record.trials for each in trial.distributions.items()]
    drawn = {hyperparameter(name) for name, kind in kinds if not kind.single()}
    return [name for name in searched(record) if name not in drawn]


def comparisons_asked(record: StudyRecord, questions: Sequence[Question]) -> int:
    """Return of how many hyperparameters (and of how many parts of the trials) all questions of a study want verdicts.

    They share one error. What is asked twice counts once.
    """
    every = any(each.kind == "methods" for each in questions)
    whole = {name for name in searched(record) if every and name not in decided(record)}
    whole |= {each.of for each in questions if each.kind == "compare" and not each.across}
    parts = {(each.of, tuple(each.across)) for each in questions if each.kind == "compare" and each.across}
    return len(whole) + sum(len(groups(record, across)) for _, across in parts)


def untold(record: StudyRecord, sampler: str) -> str:
    """Say why the trials of a search allow no comparison, in words that end a sentence; empty where they do.

    A pruner spares the lucky: where a fourth of 80 trials was stopped, intervals of what the others show missed what
    all would have shown 19 to 31 times of 100.
    """
    if sampler not in DESIGNED:
        return f"the trials of {sampler} were drawn towards the best, so they cannot be compared with each other"
    if stopped := sum(trial.cut_short for trial in record.trials):
        return f"the pruner stopped {counted(stopped, 'trial')}, and those that it spared do not speak for them"
    return ""


def worst_counts(record: StudyRecord, known: Sequence[Group] | None = None) -> str:
    """Say what trainings without a result count as, in these groups' means (by default in all); empty if none does."""
    counted_in = [group.trials for group in known if group.mixed] if known is not None else [_used(record)]
    diverged = sum(trial.diverged for trials in counted_in for trial in trials)
    stopped = sum(trial.cut_short for trial in record.trials)
    said = []
    if diverged:
        which = "it" if diverged == 1 else "each"
        said.append(
            f"{counted(diverged, 'training')} ended without a result, diverged or at chance: {which} counts as the "
            f"worst value that any training reported, {score(_worst(record))}."
        )
    if stopped:
        said.append(f"{counted(stopped, 'training')} that the pruner stopped count nowhere, which flatters the others.")
    return " ".join(said)


def flattered(built_in: bool, names: Sequence[str]) -> str:
    """Say what betters a value on validation data whether or not it betters the model; empty where nothing does."""
    if not built_in or "patience" not in names:
        return ""
    return "With patience a training is worth its best epoch on validation data, without it its last: that flatters it."


def company(record: StudyRecord, name: str) -> str:
    """Say which others differ with a hyperparameter, and cannot be told from it; empty where there are none."""
    known, given = groups(record, [name]), decided(record)
    first, others = first_of(record, known), [other for other in searched(record) if other != name]
    drawn = {other: [group.name for group in known if _drawn(group.trials, other)] for other in others}
    partly = [other for other in others if other not in given and 0 < len(drawn[other]) < len(known)]
    apart = [
        other
        for other in others
        if other not in partly and not all(_settings(first, other) & _settings(group, other) for group in known)
    ]
    said = [f"{other} was searched with {listed(drawn[other])} alone, whose mean over it counts." for other in partly]
    if apart:
        said.append(f"Not told apart from {name} is what differs with it: {listed(apart)}.")
    return " ".join(said)


def first_of(record: StudyRecord, known: Sequence[Group]) -> Group:
    """Return the group that the others are compared with: the baseline's, or the first."""
    return next((group for group in known if record.baseline in group.trials), known[0])


def _drawn(trials: Sequence[TrialRecord], name: str) -> list[TrialRecord]:
    """Return the trials that drew a hyperparameter, under whichever condition."""
    return [trial for trial in trials if name in map(hyperparameter, trial.parameters)]


def _settings(group: Group, name: str) -> set[Setting]:
    return {setting(trial, [name]) for trial in group.trials}


def setting(trial: TrialRecord, names: Sequence[str]) -> Setting:
    """Return what a trial trained with, of these hyperparameters; lists as labels."""
    return tuple(label(trial.setting(name)) for name in names)


def groups(record: StudyRecord, names: Sequence[str]) -> list[Group]:
    """Return the finished trials by their setting of these hyperparameters, numbers in order, choices as they came.

    Where the first is drawn under conditions, those trials that drew it: of the others it is a default without a part.
    """
    trials = _used(record)
    if names and names[0] not in decided(record):
        trials = _drawn(trials, names[0]) or trials
    worst, scale = _worst(record), replace(record.scale, worse=0)  # they differ by more than seeds: none broke down
    found: dict[Setting, list[TrialRecord]] = {}
    for trial in trials:
        found.setdefault(setting(trial, names), []).append(trial)
    ordered = sorted(found, key=lambda each: [_place(record, *pair) for pair in zip(names, each, strict=True)])
    return [
        Group(each, tuple(found[each]), Sample(tuple(_value(trial, worst) for trial in found[each]), scale))
        for each in ordered
    ]


def compare(record: StudyRecord, name: str, sampler: str, among: int = 1) -> list[Effect]:
    """Return what each value of a hyperparameter gains over the baseline's, named `before → after`.

    With so many intervals at once, and `among` so many hyperparameters (`comparisons_asked`), each is wider
    (Bonferroni): together they miss the truth 5 times of 100. Empty where there are no two values. The trials are those
    of a grid or of random draws, and allow it (`untold`).
    """
    found = groups(record, [name])
    if len(found) < 2:
        return []
    first = first_of(record, found)
    others = [group for group in found if group is not first]
    return _differences(record, name, first, others, sampler, ERROR / (among * len(others)))


def best_of(record: StudyRecord, known: Sequence[Group]) -> Group:
    """Return the group with the best mean."""
    return min(known, key=lambda group: record.loss(group.values.mean))


def _differences(
    record: StudyRecord, name: str, first: Group, others: Sequence[Group], sampler: str, error: float
) -> list[Effect]:
    """Return what each of the others gains over the first, all else adjusted for.

    In a grid that is each setting of all else, among the values that share them; among random draws an additive model
    of what was drawn from a few values, or nothing where the trials are too few for it.
    """
    worst, found = _worst(record), []
    shared = [_shared(record, name, first, other) if sampler == "grid" else [] for other in others]
    for other, names in zip(others, shared, strict=True):
        alike = [group for group, its in zip(others, shared, strict=True) if its == names]
        trials = [trial for group in (first, *alike) for trial in group.trials]
        own = [np.ones(len(trials)), *(_is(trials, [name], group.setting) for group in alike)]
        rest = _settings_of(trials, names) if sampler == "grid" else _drawn_from_few(record, name, trials)
        model = np.column_stack([*own, *rest])
        most = len(trials) if sampler == "grid" else len(trials) // 2
        known = model.shape[1] <= most and np.linalg.matrix_rank(model) == model.shape[1]
        model = model if known else np.column_stack(own)
        results = np.array([-record.loss(_value(trial, worst)) for trial in trials])
        effect, half = _contrast(model, results, 1 + alike.index(other), record.scale.step, error)
        half = half if known or sampler != "grid" else math.inf  # no setting in common
        ends = (effect - half, effect + half)
        found.append(_effect(record, first, other, effect, ends, len(first.trials) + len(other.trials)))
    return found


def _contrast(model: Array, results: Array, place: int, step: float, error: float) -> tuple[float, float]:
    """Return one effect of a linear model (trials, effects), and half its interval.

    Standard errors hold for uneven noise (HC2; MacKinnon and White, 1985), of no less than half a step a trial;
    Student's t has the degrees of freedom that the few trials of a value give it (Bell and McCaffrey, 2002; Imbens and
    Kolesár, 2016). With room for skewed noise, that of `Sample` for five seeds. Infinite where the effect hangs on a
    trial that nothing stands beside.
    """
    inverse = np.linalg.inv(model.T @ model)
    effects = inverse @ model.T @ results
    weights = (model @ inverse[place]) ** 2
    weights[weights < 1e-12 * weights.max()] = 0.0
    alone = 1 - np.einsum("ij,jk,ik->i", model, inverse, model)
    if alone[weights > 0].min() < 1e-9:
        return float(effects[place]), math.inf
    shares = weights / np.maximum(alone, 1e-9)
    crossed = inverse @ (model.T * shares) @ model
    freedom = weights.sum() ** 2 / float((shares**2 * (2 * alone - 1)).sum() + (crossed * crossed.T).sum())
    squares = np.maximum((results - model @ effects) ** 2, (step / 2) ** 2)
    room = 1 + ROOM / math.sqrt(freedom)
    half = room * quantiles.student(freedom, 1 - error / 2) * math.sqrt(float((shares * squares).sum()))
    return float(effects[place]), half


def _shared(record: StudyRecord, name: str, first: Group, other: Group) -> list[str]:
    """Return the hyperparameters of whose settings both values have some in common.

    What they have none of (their ranges of the learning rate), or what one of them alone was searched with (momentum),
    is part of each value.
    """
    given = decided(record)
    return [
        each
        for each in searched(record)
        if each != name and _settings(first, each) & _settings(other, each)
        if each in given or (_drawn(first.trials, each) and _drawn(other.trials, each))
    ]


def _drawn_from_few(record: StudyRecord, name: str, trials: Sequence[TrialRecord]) -> list[Array]:
    """Return which trials drew each value of the other hyperparameters that have a few."""
    given = decided(record)
    others = [_settings_of(trials, [each]) for each in searched(record) if each not in (name, *given)]
    return [column for columns in others if len(columns) < _MOST_VALUES for column in columns]


def _settings_of(trials: Sequence[TrialRecord], names: Sequence[str]) -> list[Array]:
    """Return which trials have each of the settings that these hyperparameters took, but the first."""
    return [_is(trials, names, value) for value in list(dict.fromkeys(setting(trial, names) for trial in trials))[1:]]


def _is(trials: Sequence[TrialRecord], names: Sequence[str], value: Setting) -> Array:
    return np.array([setting(trial, names) == value for trial in trials], dtype=np.float64)


def _effect(
    record: StudyRecord, first: Group, other: Group, effect: float, ends: tuple[float, float], runs: int
) -> Effect:
    most = record.scale.differences.high  # an accuracy gains no more than 1
    return Effect(f"{first.name} → {other.name}", effect, max(-most, ends[0]), min(most, ends[1]), runs)


def _used(record: StudyRecord) -> list[TrialRecord]:
    """Return the trials that have a result, or none because they diverged."""
    return [trial for trial in record.finished if trial.diverged or (trial.state == "COMPLETE" and trial.feasible)]


def _worst(record: StudyRecord) -> float:
    values = [trial.value for trial in record.finished if trial.value is not None]
    values += [epoch.value for trial in record.finished for epoch in trial.curve]
    finite = [value for value in values if math.isfinite(value)]
    return max(finite, key=record.loss, default=math.nan)


def _value(trial: TrialRecord, worst: float) -> float:
    return worst if trial.diverged or trial.value is None or not math.isfinite(trial.value) else trial.value


def _place(record: StudyRecord, name: str, value: Any) -> tuple[float, float]:
    """Return where a value stands among those of its hyperparameter: by size, or as the spec lists choices."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0.0, float(value))
    for trial in record.trials:
        for parameter, kind in trial.distributions.items():
            if (
                hyperparameter(parameter) == name
                and isinstance(kind, CategoricalDistribution)
                and value in kind.choices
            ):
                return (1.0, float(kind.choices.index(value)))
    return (-1.0, 0.0)  # a default that nobody searched


def _mean(values: Sequence[Any]) -> float:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan
