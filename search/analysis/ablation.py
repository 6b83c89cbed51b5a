"""`winnow ablate`: what each method between two configurations does, by training with and without it.

The trainings are a study of their own, worked on like any other: one on/off parameter a method and the seed. Rows are
added round by round (see `sequential`), and nothing is trained twice, so an ablation may be interrupted, continued with
a larger budget, and read at any time.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from winnow.errors import StudyError
from winnow.objectives.errors import HyperparameterError
from winnow.objectives.methods import check_groups
from winnow.records import ABLATION
from winnow.search.analysis import study_reader
from winnow.search.analysis.contrasts import MOST_SETS, MethodSet
from winnow.search.analysis.differences import Methods, differences, named_trial
from winnow.search.analysis.effects import Effect, OrderedEffect
from winnow.search.analysis.seeds import Purpose, decide_nothing, fresh_seeds
from winnow.search.analysis.sequential import SequentialDesign, Training
from winnow.search.analysis.statistics import Sample, broken_down, largest_spread, seeds_at_look
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.study import study as studies
from winnow.search.study.study import WinnowStudy, refuse_other_training
from winnow.storage.designs import Row

SEEDS, LOOKS = 5, 3
"""Seeds of the first look, and how many looks there are, where nobody says otherwise."""
_EFFECTS = ("alone", "removed", "path", "together")


@dataclass(frozen=True)
class AblationPlan:
    """The two configurations between which an ablation goes, and how far."""

    study: WinnowStudy
    record: StudyRecord
    start: TrialRecord
    goal: TrialRecord
    methods: Methods
    design: SequentialDesign

    @property
    def name(self) -> str:
        """The study of the trainings."""
        return f"{names_begin(self.study.name)}{self.start.number}-{self.goal.number}"


@dataclass(frozen=True)
class Ablation:
    """What the trainings so far say. Effects are gains in the metric: above 0 is better, whatever its direction."""

    study: str
    """The search."""
    name: str
    """The study of the trainings."""
    metric: str
    direction: Literal["maximize", "minimize"]
    start_number: int
    goal_number: int
    methods: Methods
    start: Sample
    """Scores of the configuration before, by seed."""
    goal: Sample
    """Scores of the configuration after, by the same seeds."""
    whole: Effect | None
    """All methods together."""
    alone: list[Effect]
    """Each added to the configuration before: add one in."""
    removed: list[Effect]
    """Each in the configuration after, all others being there: leave one out."""
    path: list[Effect]
    """The greedy path (Fawcett and Hoos, 2016) in its order, measured on seeds that did not choose it."""
    order: list[OrderedEffect]
    """How much each effect hangs on what was added before."""
    together: list[Effect]
    """What each two do beyond the sum of both alone."""
    exact_order: bool
    """Whether every set of methods was trained, or orders were sampled."""
    trainings: int
    """That have ended."""
    failed: int
    """Of them those that failed or broke a limit, and count nowhere."""
    diverged: int
    """Of them those that diverged, and count apart: in no mean."""
    repeated: int
    """Of them those that gave the very same as another of their set: the objective seeds itself, and one counts."""
    breaks: dict[str, tuple[int, int, int, int]]
    """By method: how many trainings with it broke down (diverged, or far below all others of their set) and how many
    there were; then the same without it. Only where any broke down."""
    complete: bool
    """Whether every question is answered or has had all its seeds."""

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it; what is unknown is None."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "start": self.start.scores,
            "goal": self.goal.scores,
            "whole": self.whole and self.whole.as_dict(),
            **{kind: [effect.as_dict() for effect in getattr(self, kind)] for kind in _EFFECTS},
            "order": [{**entry.shapley.as_dict(), "first": entry.first, "last": entry.last} for entry in self.order],
        }


def names_begin(search: str) -> str:
    """Return what the names of the studies begin with whose trials are the trainings of a search's ablations."""
    return f"{search}-ablation-"


def plan_ablation(
    study: WinnowStudy,
    start: int | None = None,
    goal: int | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    *,
    seeds: int | None = None,
    looks: int | None = None,
    trainings: int | None = None,
    record: StudyRecord | None = None,
) -> AblationPlan:
    """Return the ablation from one trial to another: from the baseline to the best where none are named.

    `groups` makes methods of hyperparameters, by default those of the spec's `[ablation]`; what it does not name stays
    in `objectives.methods`. `seeds` are those of the first look (SEEDS), doubled up to `looks` - 1 times (LOOKS).
    `record` is the search, where the caller has read it already. Raises StudyError.
    """
    seeds, looks = SEEDS if seeds is None else seeds, LOOKS if looks is None else looks
    groups = study.spec.ablation.methods if groups is None else groups
    record = record or study_reader.load(study.storage, study.name)
    try:
        check_groups(groups, None if study.spec.built_in else {name for each in record.trials for name in each.config})
    except HyperparameterError as error:
        raise StudyError(f"these methods cannot be: {error.problem}", error.remedy) from None
    before, after = (
        named_trial(record, start, record.baseline, "baseline"),
        named_trial(record, goal, record.best, "best trial"),
    )
    methods = differences(record, before, after, groups, own=not study.spec.built_in)
    if not methods:
        raise StudyError(
            f"trial {before.number} and trial {after.number} of {study.name!r} train the same configuration"
            + (": the baseline itself is the best" if before is record.baseline and after is record.best else ""),
            "search more trials, or name two others by --from and --to",
        )
    most = seeds + seeds_at_look(looks, seeds)
    scale = record.scale if study.spec.optimises == "maximize" else record.scale.negative
    drawn = fresh_seeds(study.spec.seed, Purpose.ABLATION, most)
    design = SequentialDesign(tuple(methods), drawn, seeds, looks, trainings, scale)
    return AblationPlan(study, record, before, after, methods, design)


def add_trainings(plan: AblationPlan, wanted: Sequence[Training]) -> WinnowStudy:
    """Return the study of the trainings, made or continued with those that are wanted next; raises StudyError."""
    refuse_other_training(plan.study)
    searched = plan.study.spec
    description = (
        f"What each method does between trials {plan.start.number} and {plan.goal.number} of {searched.name}, by "
        "training with and without it"
    )
    rows = [Row(_parameters(plan, on, seed), {**_config(plan, on), "seed": seed}) for on, seed in wanted]
    study = studies.grow(plan.study.storage, studies.analysis(searched, plan.name, description), rows)
    design = plan.design
    asked = {"seeds": design.first, "looks": design.looks, "trainings": design.trainings}
    groups = {method: list(members) for method, members in plan.methods.items()}
    study.optuna.set_user_attr(
        ABLATION,
        {"of": searched.name, "start": plan.start.number, "goal": plan.goal.number, "groups": groups, **asked},
    )
    return study


def recorded_plans(study: WinnowStudy, record: StudyRecord) -> list[AblationPlan]:
    """Return every ablation of a search (`record`) that its storage holds, as it was last asked for.

    They come the oldest first.
    """
    return [plan_ablation(study, record=record, **asked) for asked in _recorded(study)]


def recorded_plan(study: WinnowStudy, start: int | None = None, goal: int | None = None, **given: Any) -> AblationPlan:
    """Return the ablation between these trials as it was last asked for; what is `given` and not None goes before.

    Where a trial is not named, that of the baseline and the best goes before others, else the newest is meant; where
    none was asked for, it is planned as `plan_ablation` would. Raises StudyError.
    """
    record = study_reader.load(study.storage, study.name)
    kept = [each for each in _recorded(study)[::-1] if start in (None, each["start"]) and goal in (None, each["goal"])]
    usual = [side.number for side in (record.baseline, record.best) if side]
    asked = max(kept, key=lambda each: [each["start"], each["goal"]] == usual, default={})
    named = {name: value for name, value in {"start": start, "goal": goal, **given}.items() if value is not None}
    return plan_ablation(study, record=record, **{**asked, **named})


def _recorded(study: WinnowStudy) -> list[dict[str, Any]]:
    """Return what was last asked of each ablation of a search, the oldest first."""
    asked = [dict(other.user_attrs.get(ABLATION, {})) for other in study.storage.get_all_studies()]
    return [each for each in asked if each.pop("of", None) == study.name]


def read_scores(plan: AblationPlan) -> dict[Training, float | None]:
    """Return the score of every training that has ended, the higher the better; None where one failed or diverged.

    One that diverged has no score that belongs in a mean: how often a method makes trainings diverge is said apart.
    Where all seeds of a set gave the very same in an objective of one's own, which then seeds itself, only one counts.
    """
    results: dict[Training, float | None] = {}
    curves: dict[MethodSet, dict[Training, list[float]]] = {}
    for trial in _trials(plan):
        if trial.finished and trial.parameters.keys() == {*plan.methods, "seed"}:
            value = trial.value if trial.state == "COMPLETE" else None
            training = _training(plan, trial)
            results[training] = None if value is None else _sign(plan) * value
            if value is not None:
                curves.setdefault(training[0], {})[training] = [*(epoch.value for epoch in trial.curve), value]
    for repeated in curves.values():
        if not plan.study.spec.built_in and decide_nothing(list(repeated.values())):
            results.update(dict.fromkeys(list(repeated)[1:]))
    return results


def conclude(plan: AblationPlan) -> Ablation:
    """Return what the trainings so far say, however many they are."""
    design, results = plan.design, read_scores(plan)
    trials = [trial for trial in _trials(plan) if trial.finished]
    found = design.answers(results)
    whole = found.kind("whole")
    return Ablation(
        study=plan.study.name,
        name=plan.name,
        metric=plan.record.metric,
        direction=plan.study.spec.optimises,
        start_number=plan.start.number,
        goal_number=plan.goal.number,
        methods=plan.methods,
        start=_sample(plan, results, frozenset()),
        goal=_sample(plan, results, frozenset(plan.methods)),
        whole=whole[0] if whole else None,
        alone=found.kind("alone"),
        removed=found.kind("removed"),
        path=found.kind("path"),
        order=found.ordered,
        together=found.kind("together"),
        exact_order=2 ** len(plan.methods) <= MOST_SETS,
        trainings=len(trials),
        failed=sum(trial.state != "COMPLETE" and not trial.diverged for trial in trials),
        diverged=sum(trial.diverged for trial in trials),
        repeated=sum(
            trial.state == "COMPLETE" and trial.value is not None and results.get(_training(plan, trial)) is None
            for trial in trials
        ),
        breaks=_breaks(plan, results, {_training(plan, trial) for trial in trials if trial.diverged}),
        complete=not replace(design, trainings=None).next_trainings(results),
    )


def _config(plan: AblationPlan, on: MethodSet) -> dict[str, Any]:
    config = dict(plan.start.config)
    for method in on:
        for name in plan.methods[method]:
            config.pop(name, None)
            if name in plan.goal.config:
                config[name] = plan.goal.config[name]
    return config


def _parameters(plan: AblationPlan, on: MethodSet, seed: int) -> dict[str, Any]:
    return {**{method: method in on for method in plan.methods}, "seed": seed}


def _trials(plan: AblationPlan) -> tuple[TrialRecord, ...]:
    storage = plan.study.storage
    if plan.name not in {study.study_name for study in storage.get_all_studies()}:
        return ()
    return study_reader.load(storage, plan.name).trials


def _training(plan: AblationPlan, trial: TrialRecord) -> Training:
    return frozenset(m for m in plan.methods if trial.parameters.get(m)), int(trial.parameters.get("seed", -1))


def _breaks(
    plan: AblationPlan, results: Mapping[Training, float | None], diverged: set[Training]
) -> dict[str, tuple[int, int, int, int]]:
    """Return how many trainings broke down with each method, and without it."""
    broke = set(diverged)
    sets: dict[MethodSet, dict[Training, float]] = {}
    for training, score in results.items():
        if score is not None:
            sets.setdefault(training[0], {})[training] = score
    spread = largest_spread([list(told.values()) for told in sets.values()], plan.design.scale)
    for told in sets.values():
        flags = broken_down(list(told.values()), plan.design.scale, spread)
        broke.update(itertools.compress(told, flags))
    known = [training for training, score in results.items() if score is not None or training in diverged]

    def counts(method: str, with_it: bool) -> tuple[int, int]:
        side = [training for training in known if (method in training[0]) == with_it]
        return sum(training in broke for training in side), len(side)

    return {method: (*counts(method, True), *counts(method, False)) for method in plan.methods} if broke else {}


def _sign(plan: AblationPlan) -> int:
    return 1 if plan.study.spec.optimises == "maximize" else -1


def _sample(plan: AblationPlan, results: Mapping[Training, float | None], on: MethodSet) -> Sample:
    scores = [results.get((on, seed)) for seed in plan.design.seeds]
    return Sample(tuple(_sign(plan) * score for score in scores if score is not None), plan.record.scale)
