"""What a search's own trials say of its hyperparameters, where their design allows it: values side by side.

A grid trains every value with every setting of the others, so values are compared setting by setting; random draws are
independent, so values are compared by their means. Trials that a sampler drew towards the best allow neither.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution

from winnow.objectives.space import hyperparameter, label
from winnow.search.analysis import quantiles
from winnow.search.analysis.effects import Effect
from winnow.search.analysis.formatting import counted, listed, number, score
from winnow.search.analysis.statistics import ERROR, Sample, paired
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.study.questions import Question

DESIGNED = ("grid", "random")
"""Samplers whose trials may be compared with each other."""
_MOST_VALUES = 5
"""A hyperparameter that was drawn from more values than these is not adjusted for."""
Setting = tuple[Any, ...]


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


def worst_counts(record: StudyRecord, known: Sequence[Group] | None = None) -> str:
    """Say what trainings without a result count as, in these groups' means (by default in all); empty if none does."""
    counted_in = [group.trials for group in known if group.mixed] if known is not None else [_used(record)]
    diverged = sum(trial.diverged for trials in counted_in for trial in trials)
    if not diverged:
        return ""
    which = "it" if diverged == 1 else "each"
    return (
        f"{counted(diverged, 'training')} ended without a result, diverged or at chance: {which} counts as the worst "
        f"value that any training reported, {score(_worst(record))}."
    )


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
    (Bonferroni): together they miss the truth 5 times of 100. Empty where there are no two values, or no design
    (DESIGNED).
    """
    found = groups(record, [name])
    if len(found) < 2 or sampler not in DESIGNED:
        return []
    first = first_of(record, found)
    others = [group for group in found if group is not first]
    measure = _setting_by_setting if sampler == "grid" else _adjusted
    return [measure(record, name, first, group, ERROR / (among * len(others))) for group in others]


def best_of(record: StudyRecord, known: Sequence[Group]) -> Group:
    """Return the group with the best mean."""
    return min(known, key=lambda group: record.loss(group.values.mean))


def _setting_by_setting(record: StudyRecord, name: str, first: Group, other: Group, error: float) -> Effect:
    """Return the mean difference over all settings of the others, repeat by repeat (Student's t over the pairs).

    What the two values have no setting of in common (their ranges of the learning rate), or what one of them alone was
    searched with (momentum), is part of each value.
    """
    given = decided(record)
    names = [
        each
        for each in searched(record)
        if each != name and _settings(first, each) & _settings(other, each)
        if each in given or (_drawn(first.trials, each) and _drawn(other.trials, each))
    ]
    before, after = (_cells(record, group, names) for group in (first, other))
    pairs: list[tuple[float, float]] = []
    for cell in before.keys() & after.keys():
        pairs += zip(*_even(before[cell], after[cell]), strict=True)
    differences = paired([value for _, value in pairs], [value for value, _ in pairs])
    return _effect(record, first, other, differences.mean, differences.interval_at(error), 2 * len(pairs))


def _even(first: Sequence[float], other: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return as many numbers of both sides: of the longer, means of even parts."""
    fewer = min(len(first), len(other))
    parts = ([float(part.mean()) for part in np.array_split(np.array(side), fewer)] for side in (first, other))
    return next(parts), next(parts)


def _cells(record: StudyRecord, group: Group, names: Sequence[str]) -> dict[Setting, list[float]]:
    """Return the results of a group, the higher the better, by the setting of other hyperparameters."""
    cells: dict[Setting, list[float]] = {}
    for trial, value in zip(group.trials, group.values.scores, strict=True):
        cells.setdefault(setting(trial, names), []).append(-record.loss(value))
    return cells


def _adjusted(record: StudyRecord, name: str, first: Group, other: Group, error: float) -> Effect:
    """Return the difference of independent draws, all else adjusted for: few draws leave one value the better rates.

    An additive model of all that was drawn from a few values, with standard errors that hold for uneven noise (HC2;
    MacKinnon and White, 1985). Where the trials are too few for it, the means are compared as they are.
    """
    trials, worst, unknown = _used(record), _worst(record), set(decided(record))
    terms, place = [np.ones(len(trials))], -1
    for each in searched(record):
        values = [setting(trial, [each])[0] for trial in trials]
        known = [first.setting[0]] if each == name else []
        known += [value for value in dict.fromkeys(values) if value not in known]
        if each in unknown or (each != name and len(known) > _MOST_VALUES):
            continue
        for value in known[1:]:
            place = len(terms) if each == name and value == other.setting[0] else place
            terms.append(np.array([trial_value == value for trial_value in values], dtype=np.float64))
    model = np.column_stack(terms)
    freedom = len(trials) - len(terms)
    if freedom < max(10, len(terms)) or place < 0 or np.linalg.matrix_rank(model) < len(terms):
        return _by_means(record, first, other, error)
    results = np.array([-record.loss(_value(trial, worst)) for trial in trials])
    inverse = np.linalg.inv(model.T @ model)
    effects = inverse @ model.T @ results
    leverage = np.minimum(np.einsum("ij,jk,ik->i", model, inverse, model), 0.99)
    left = (results - model @ effects) / np.sqrt(1 - leverage)
    half = quantiles.student(freedom, 1 - error / 2) * math.sqrt(float(((model @ inverse[place]) ** 2 * left**2).sum()))
    effect = float(effects[place])
    ends = (effect - half, effect + half)
    return _effect(record, first, other, effect, ends, len(first.trials) + len(other.trials))


def _by_means(record: StudyRecord, first: Group, other: Group, error: float) -> Effect:
    """Return the difference of the means of independent draws (Welch, 1947)."""
    before, after = (np.array([-record.loss(value) for value in group.values.scores]) for group in (first, other))
    difference, low, high = float(after.mean() - before.mean()), -math.inf, math.inf
    if min(len(before), len(after)) > 1:
        shares = [float(side.var(ddof=1)) / len(side) for side in (before, after)]
        spread = math.sqrt(sum(shares))
        weights = [share**2 / (len(side) - 1) for share, side in zip(shares, (before, after), strict=True)]
        freedom = sum(shares) ** 2 / sum(weights) if sum(weights) else 1.0
        half = quantiles.student(freedom, 1 - error / 2) * spread
        low, high = difference - half, difference + half
    return _effect(record, first, other, difference, (low, high), len(before) + len(after))


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
