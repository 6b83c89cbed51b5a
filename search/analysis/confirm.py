"""`winnow confirm`: train the best and the baseline again with fresh seeds, then read test data, once.

The best value of a search is the luckiest of many. So the candidates are first compared on fresh seeds, and the one
that comes out ahead is then trained again on seeds of its own: those that chose it would flatter it. Only these last
models, the winner's and the baseline's, are scored on test data. The repetitions are a study of their own, worked on
like any other.
"""

import getpass
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from winnow.errors import StudyError
from winnow.objectives.decision import Decision
from winnow.search.analysis import repetitions
from winnow.search.analysis.formatting import interval
from winnow.search.analysis.repetitions import (
    ConfirmationPlan,
    Repetition,
    best_group,
    choose_winner,
    record_plan,
    recorded_plan,
    weights,
)
from winnow.search.analysis.seeds import Purpose
from winnow.search.analysis.statistics import Sample, paired
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.study.study import WinnowStudy
from winnow.storage import ledger


@dataclass(frozen=True)
class Confirmation:
    """What the repetitions showed. Samples hold one score a seed."""

    study: str
    metric: str
    maximise: bool
    best_number: int
    """The trial that the search called best."""
    searched_value: float
    """Its value in the search."""
    repeated_best: Sample
    """Its validation scores with fresh seeds."""
    compared: dict[int, Sample]
    """Validation scores of each candidate, and of the baseline, on the seeds that chose; empty with one candidate."""
    group: tuple[int, ...]
    """Who may be the best of these, the highest mean first: nobody else does significantly better."""
    dropped: dict[int, str]
    """Candidates that could not be repeated, and why."""
    seeds: tuple[int, ...]
    """On which the winner and the baseline were measured."""
    winner_number: int
    winner: Sample
    """Validation scores."""
    winner_on_test: Sample
    baseline_number: int | None
    baseline: Sample
    """Validation scores; empty where there is no baseline but the winner."""
    baseline_on_test: Sample
    read_before: int
    """How often this study's test data had been read before this time."""
    winner_at_threshold: Sample = field(default_factory=lambda: Sample(()))
    """Test accuracies of the winner at thresholds chosen on validation data; empty but for two classes."""
    decision: Decision | None = None
    """How the winner's first model decides on validation data; None but for two classes."""

    @property
    def threshold_gain(self) -> Sample:
        """What the chosen thresholds change in accuracy on test data, paired by seed; empty but for two classes."""
        if not self.winner_at_threshold.scores:
            return Sample(())
        return paired(self.winner_at_threshold.scores, self.winner_on_test.scores)

    @property
    def gain(self) -> Sample:
        """Winner minus baseline on test data, paired by seed; above 0 is better; empty without another baseline."""
        return self._better(self.winner_on_test, self.baseline_on_test)

    @property
    def optimism(self) -> Sample:
        """By how much the search's best value was better than its repetitions on the same data, one number a seed."""
        sign = 1 if self.maximise else -1
        return Sample(tuple(sign * (self.searched_value - score) for score in self.repeated_best.scores))

    @property
    def quantity(self) -> str:
        """The metric without the data that it was measured on: `accuracy`."""
        return self.metric.removeprefix("validation ")

    @property
    def measurements(self) -> list[tuple[str, str, Sample]]:
        """Who was measured, on which data, and the scores: the winner first, then the baseline where there is one."""
        sides = [(f"trial {self.winner_number}", self.winner, self.winner_on_test)]
        if self.baseline.scores:
            sides.append(("baseline", self.baseline, self.baseline_on_test))
        return [
            (name, data, sample)
            for name, validation, test in sides
            for data, sample in (("validation", validation), ("test", test))
        ]

    @property
    def verdict(self) -> Literal["better", "worse", "inconclusive", "no baseline"]:
        """The winner against the baseline on test data."""
        if not self.gain.scores:
            return "no baseline"
        low, high = self.gain.interval
        return "better" if low > 0 else "worse" if high < 0 else "inconclusive"

    @property
    def verdict_on_test(self) -> str:
        """The same in a sentence."""
        if self.verdict == "no baseline":
            return "There is no baseline to compare with."
        said = {
            "better": "the winner is better than the baseline",
            "worse": "the winner is worse than the baseline",
            "inconclusive": "the difference between winner and baseline is inconclusive with so few seeds",
        }[self.verdict]
        return f"On test data {said}: {self.gain.mean:+.4f}, 95 % interval {interval(self.gain, '+')}."

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it; what is unknown is None."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "decision"}
        derived = {name: getattr(self, name) for name in ("gain", "threshold_gain", "optimism", "verdict")}
        derived["threshold"] = self.decision and self.decision.curve.threshold
        known = {**plain, **derived, "compared": {str(trial): s.as_dict() for trial, s in self.compared.items()}}
        return {name: value.as_dict() if isinstance(value, Sample) else value for name, value in known.items()}

    def _better(self, scores: Sample, others: Sample) -> Sample:
        if not others.scores:
            return Sample(())
        return paired(scores.scores, others.scores) if self.maximise else paired(others.scores, scores.scores)


@dataclass(frozen=True)
class _Reading:
    """What test data gave."""

    scores: tuple[float, ...]
    """One a model."""
    at_threshold: tuple[float, ...]
    """Of models of two classes, at their chosen thresholds."""
    before: int
    """How often test data had been read for this study before."""


def conclude(plan: ConfirmationPlan, scores: Mapping[Repetition, float | None]) -> Confirmation:
    """Write in the ledger, read test data, and put everything together; raises StudyError."""
    found = _conclude(plan, scores, _read_test_data)
    decided = None
    if found.winner_at_threshold.scores:
        from winnow.objectives import trained_model

        decided = trained_model.decide(plan.study.spec.data_spec, *weights(plan, found.winner_number, found.seeds[0]))
    record_plan(plan, decided)
    return replace(found, decision=decided)


def recorded(study: WinnowStudy, record: StudyRecord) -> Confirmation | None:
    """What `winnow confirm` last concluded of a search, from its records alone; None where it never did.

    It trains nothing and reads no test data: what they gave stands in the ledger.
    """
    plan = recorded_plan(study, record)
    if plan is None:
        return None
    found = _conclude(plan, repetitions.read_scores(plan), _from_ledger)
    return replace(found, decision=repetitions.recorded_decision(study))


def _conclude(
    plan: ConfirmationPlan,
    scores: Mapping[Repetition, float | None],
    test_scores: Callable[[ConfirmationPlan, list[Repetition]], _Reading],
) -> Confirmation:
    record, baseline, seeds = plan.record, plan.baseline, plan.seeds_for(Purpose.MEASURING)
    best = record.best
    assert best is not None
    assert best.value is not None
    winner, compared, dropped = choose_winner(plan, scores)
    sides = [winner, *([baseline] if baseline not in (None, winner) else [])]
    measured = {side.number: [scores.get((side.number, seed)) for seed in seeds] for side in sides if side}
    if baseline and baseline is not winner and None in measured[baseline.number]:
        dropped[baseline.number] = (
            f"the baseline did not complete with {measured.pop(baseline.number).count(None)} seeds"
        )
    if None in measured[winner.number]:
        raise StudyError(
            f"trial {winner.number} cannot be measured: {measured[winner.number].count(None)} of its {len(seeds)} "
            "repetitions did not complete",
            f"winnow status {plan.name} says why",
        )
    against = baseline.number if baseline and baseline is not winner and baseline.number in measured else None
    reading = test_scores(plan, [(number, seed) for number in measured for seed in seeds])
    winner_on_test, baseline_on_test = reading.scores[: len(seeds)], reading.scores[len(seeds) :]
    validation = {number: Sample(tuple(v for v in values if v is not None)) for number, values in measured.items()}
    return Confirmation(
        study=plan.study.name,
        metric=record.metric,
        maximise=plan.study.spec.optimises == "maximize",
        best_number=best.number,
        searched_value=best.value,
        repeated_best=compared.get(best.number) or validation.get(best.number) or Sample(()),
        compared=compared,
        group=best_group(plan, compared) if compared else (winner.number,),
        dropped=dropped,
        seeds=tuple(seeds),
        winner_number=winner.number,
        winner=validation[winner.number],
        winner_on_test=Sample(tuple(winner_on_test)),
        baseline_number=against,
        baseline=Sample(()) if against is None else validation[against],
        baseline_on_test=Sample(tuple(baseline_on_test)),
        read_before=reading.before,
        winner_at_threshold=Sample(reading.at_threshold[: len(seeds)]),
    )


def _read_test_data(plan: ConfirmationPlan, models: list[Repetition]) -> _Reading:
    """The test score of every model, and how often test data were read for this study before.

    What the ledger holds for the very same models is not read again.
    """
    from winnow.objectives import held_out

    study = plan.study
    earlier = ledger.entries(study.storage.database, study.name)
    if _named(models) in [entry.results.get("models") for entry in earlier]:
        return _from_ledger(plan, models)
    trained = [weights(plan, number, seed) for number, seed in models]
    fingerprint = plan.record.ranked[0].training.get("data_fingerprint", "")
    entry_number = ledger.announce(
        study.storage.database,
        study.name,
        str(fingerprint),
        reader=f"{getpass.getuser()}@{platform.node()}",
        purpose=f"winnow confirm: trials {', '.join(map(str, dict(models)))}, {len(trained)} models",
    )
    scores = held_out.scores(study.spec.data_spec, trained)
    at_threshold = held_out.scores_at_threshold(study.spec.data_spec, trained)
    results = {"models": _named(models), "scores": scores, "at_threshold": at_threshold}
    ledger.conclude(study.storage.database, entry_number, results)
    return _Reading(tuple(scores), tuple(at_threshold), len(earlier))


def _from_ledger(plan: ConfirmationPlan, models: list[Repetition]) -> _Reading:
    """What an earlier reading gave for these models, and how many readings came before it; raises StudyError."""
    for position, entry in enumerate(ledger.entries(plan.study.storage.database, plan.study.name)):
        if entry.results.get("models") == _named(models):
            return _Reading(tuple(entry.results["scores"]), tuple(entry.results.get("at_threshold", ())), position)
    raise StudyError(
        f"the ledger holds no test scores of the confirmation of {plan.study.name!r}",
        f"run winnow confirm {plan.study.name}",
    )


def _named(models: list[Repetition]) -> list[list[int]]:
    """The models as JSON holds them."""
    return [list(model) for model in models]
