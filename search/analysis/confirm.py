"""`winnow confirm`: train the best and the baseline again with fresh seeds, then read test data, once.

The best value of a search is the luckiest of many. So the candidates are first compared on fresh seeds, and the one
that comes out ahead is then trained again on seeds of its own: those that chose it would flatter it. Only these last
models, the winner's and the baseline's, are scored on test data. The repetitions are a study of their own, worked on
like any other.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np

from winnow.errors import StudyError
from winnow.objectives.decision import Decision
from winnow.objectives.mistakes import Mistakes
from winnow.search.analysis import new_data, readings, repetitions
from winnow.search.analysis.formatting import counted, listed, span
from winnow.search.analysis.json_numbers import finite
from winnow.search.analysis.readings import Reading
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
from winnow.search.analysis.statistics import ERROR, Sample, broken_down, paired
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.study.study import WinnowStudy

Interval = tuple[float, float]
_LARGE = ("decision", "mistakes")


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
    """How often these test data, or some of them, had been read before this time, for whatever study."""
    winner_at_threshold: Sample = field(default_factory=lambda: Sample(()))
    """Test accuracies of the winner at thresholds chosen on validation data; empty but for two classes."""
    incomplete: Mapping[int, int] = field(default_factory=dict)
    """By trial, on how many measuring seeds it did not complete; those seeds are left out on both sides."""
    seeds_decide: bool = True
    """Whether seeds make a difference; where an objective of one's own seeds itself, all its repetitions are one."""
    models_read_before: int = 0
    """How many other models were read then."""
    winner_is_baseline: bool = False
    test_examples: int = 0
    on_new_data: Mapping[str, Interval] = field(default_factory=dict)
    """Intervals for other test data of the same kind, of `winner`, `baseline`, `gain`; empty where none can be told."""
    decision: Decision | None = None
    """How the winner's first model decides on validation data; None but for two classes."""
    mistakes: Mistakes | None = None
    """What it gets wrong there; None in a regression and of an objective of one's own."""

    @property
    def threshold_gain(self) -> Sample:
        """What the chosen thresholds change in accuracy on test data, paired by seed; empty of other data."""
        if not self.winner_at_threshold.scores or self.quantity != "accuracy":
            return Sample(())
        return paired(self.winner_at_threshold.scores, self.winner_on_test.scores)

    @property
    def gain(self) -> Sample:
        """Winner minus baseline on test data, paired by seed; above 0 is better; empty without another baseline.

        On validation data where the objective reads no test data.
        """
        if self.judged_on == "test":
            return _gain(self.winner_on_test, self.baseline_on_test, self._sign)
        return _gain(self.winner, self.baseline, self._sign)

    @property
    def rivals(self) -> str:
        """Who else may be the best, in words; empty where nobody may."""
        others = [number for number in self.group if number != self.winner_number]
        names = ["the baseline" if number == self.baseline_number else f"trial {number}" for number in others]
        return listed(names, "or")

    @property
    def judged_on(self) -> Literal["test", "validation"]:
        """The data that the verdict is about."""
        return "test" if self.winner_on_test.scores else "validation"

    @property
    def optimism(self) -> Sample:
        """By how much the search's best value was better than its repetitions on the same data, one number a seed."""
        return Sample(tuple(self._sign * (self.searched_value - score) for score in self.repeated_best.kept))

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
            if sample.scores
        ]

    @property
    def verdict(self) -> Literal["better", "worse", "inconclusive", "no baseline"]:
        """The winner against the baseline on data like the test data; where only the seeds are known, on these."""
        if not self.gain.scores:
            return "no baseline"
        low, high = self.on_new_data.get("gain", self._gain_on_these)
        return "better" if low > 0 else "worse" if high < 0 else "inconclusive"

    @property
    def error(self) -> float:
        """What the intervals on test data may err: 5 % at the first reading, less at every further one."""
        return readings.error_of_reading(self.read_before)

    @property
    def _gain_on_these(self) -> Interval:
        return self.gain.interval_at(self.error)

    @property
    def verdict_on_test(self) -> str:
        """The same in a sentence."""
        if self.winner_is_baseline:
            return "The winner is the baseline itself, and there is no other to compare it with."
        if self.verdict == "no baseline":
            return "There is no baseline to compare with."
        said = {
            "better": "the winner is better than the baseline",
            "worse": "the winner is worse than the baseline",
            "inconclusive": "the difference between winner and baseline is inconclusive",
        }[self.verdict]
        these = f"{span(self._gain_on_these, '+')} on these very examples (seeds alone)"
        if "gain" not in self.on_new_data:
            return f"On {self.judged_on} data {said}: {self.gain.mean:+.4f}, {self._sure} interval {these}."
        return (
            f"On data like the test data {said}: {self.gain.mean:+.4f}, {self._sure} interval "
            f"{span(self.on_new_data['gain'], '+')} (other seeds and other examples), {these}."
        )

    @property
    def looks(self) -> str:
        """How often these test data were read, and what it does to what is said of them; a sentence or two."""
        if self.judged_on == "validation":
            return "No test data were read: the objective has no parameter `test` that asks for them."
        if not self.read_before:
            return "These test data were read for the first time."
        others = f", {counted(self.models_read_before, 'other model')} among them" if self.models_read_before else ""
        return (
            f"These test data, or some of them, had been read {counted(self.read_before, 'time')} before{others}: "
            f"this is look {self.read_before + 1}. Its verdict may err {self.error:.2%} of the time, not {ERROR:.0%}: "
            "all looks together, however many follow, then err at most 8 times of 100. What is chosen after test data "
            "were read is no longer independent of them."
        )

    @property
    def _sure(self) -> str:
        return f"{100 * (1 - self.error):.4g} %"

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it; what is unknown is None."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _LARGE}
        plain["on_new_data"] = {name: list(map(finite, bounds)) for name, bounds in self.on_new_data.items()}
        derived = {name: getattr(self, name) for name in ("gain", "threshold_gain", "optimism", "verdict", "error")}
        derived["classes"] = [asdict(each) for each in self.mistakes.classes] if self.mistakes else None
        derived["threshold"] = self.decision and self.decision.curve.threshold
        known = {**plain, **derived, "compared": {str(trial): s.as_dict() for trial, s in self.compared.items()}}
        return {name: value.as_dict() if isinstance(value, Sample) else value for name, value in known.items()}

    @property
    def _sign(self) -> int:
        return 1 if self.maximise else -1


def conclude(plan: ConfirmationPlan, scores: Mapping[Repetition, float | None]) -> Confirmation:
    """Write in the ledger, read test data, and put everything together; raises StudyError."""
    found = _conclude(plan, scores, readings.read)
    decided, wrong, spec = None, None, plan.study.spec
    if spec.built_in:
        from winnow.objectives import trained_model

        decided, wrong = trained_model.examine(spec.data_spec, *weights(plan, found.winner_number, found.seeds[0]))
    record_plan(plan, decided, wrong)
    return replace(found, decision=decided, mistakes=wrong)


def recorded(study: WinnowStudy, record: StudyRecord) -> Confirmation | None:
    """Return what `winnow confirm` last concluded of a search, from its records alone; None where it never did.

    It trains nothing and reads no test data: what they gave stands in the ledger.
    """
    plan = recorded_plan(study, record)
    if plan is None:
        return None
    found = _conclude(plan, repetitions.read_scores(plan), readings.recorded)
    decision, wrong = repetitions.recorded_decision(study), repetitions.recorded_mistakes(study)
    return replace(found, decision=decision, mistakes=wrong)


def _conclude(
    plan: ConfirmationPlan,
    scores: Mapping[Repetition, float | None],
    test_scores: Callable[[ConfirmationPlan, list[Repetition]], Reading],
) -> Confirmation:
    record, baseline, seeds = plan.record, plan.baseline, plan.seeds_for(Purpose.MEASURING)
    best = record.best
    assert best is not None
    assert best.value is not None
    winner, compared, dropped = choose_winner(plan, scores)
    sides = [winner, *([baseline] if baseline not in (None, winner) else [])]
    measured = {side.number: [scores.get((side.number, seed)) for seed in seeds] for side in sides if side}
    missing = {number: values.count(None) for number, values in measured.items()}
    if 2 * missing[winner.number] > len(seeds):
        raise StudyError(
            f"trial {winner.number} cannot be measured: {missing[winner.number]} of its {len(seeds)} repetitions did "
            "not complete",
            f"winnow status {plan.name} says why",
        )
    for number in [number for number, count in missing.items() if 2 * count > len(seeds)]:
        dropped[number] = f"the baseline did not complete with {missing[number]} seeds"
        del measured[number]
    completed = [not any(value is None for value in values) for values in zip(*measured.values(), strict=True)]
    seeds = list(itertools.compress(seeds, completed))
    measured = {number: list(itertools.compress(values, completed)) for number, values in measured.items()}
    seeds_decide = repetitions.seeds_decide(plan, measured, seeds)
    if not seeds_decide:
        seeds, measured = seeds[:1], {number: values[:1] for number, values in measured.items()}
    against = baseline.number if baseline and baseline is not winner and baseline.number in measured else None
    reading = test_scores(plan, [(number, seed) for number in measured for seed in seeds])
    on_test = record.scale_on(reading.examples)
    sides_on_test = (reading.scores[: len(seeds)], reading.scores[len(seeds) :])
    winner_on_test, baseline_on_test = (Sample(tuple(scores), on_test) for scores in sides_on_test)
    sign = 1 if plan.study.spec.optimises == "maximize" else -1
    validation = {
        number: Sample(tuple(v for v in values if v is not None), record.scale) for number, values in measured.items()
    }
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
        seeds_decide=seeds_decide,
        incomplete={number: count for number, count in missing.items() if count and number in measured},
        winner_number=winner.number,
        winner_is_baseline=winner is baseline,
        winner=validation[winner.number],
        winner_on_test=winner_on_test,
        baseline_number=against,
        baseline=Sample(()) if against is None else validation[against],
        baseline_on_test=baseline_on_test,
        read_before=reading.before,
        models_read_before=reading.models_before,
        test_examples=reading.examples,
        on_new_data=_on_new_data(reading, winner_on_test, baseline_on_test, sign),
        winner_at_threshold=Sample(reading.at_threshold[: len(seeds)], on_test),
    )


def _on_new_data(reading: Reading, winner: Sample, baseline: Sample, sign: int) -> dict[str, Interval]:
    """Return the intervals of both sides' scores and of their difference, over seeds and examples."""
    if reading.results is None:
        return {}
    error, seeds = readings.error_of_reading(reading.before), len(winner.scores)
    kept = [~np.array(broken_down(side.scores, side.scale), dtype=bool) for side in (winner, baseline)]
    of_winner, of_baseline = reading.results[:seeds], reading.results[seeds:]
    found = {"winner": new_data.interval(of_winner[kept[0]], winner, error, reading.resampled)}
    if baseline.scores:
        both = kept[0] & kept[1]
        found["baseline"] = new_data.interval(of_baseline[kept[1]], baseline, error, reading.resampled)
        found["gain"] = new_data.interval(
            sign * (of_winner - of_baseline)[both], _gain(winner, baseline, sign), error, reading.resampled
        )
    return found


def _gain(scores: Sample, others: Sample, sign: int) -> Sample:
    """Return by how much `scores` are better than `others`, seed by seed; `sign` is 1 where more is better, else -1."""
    better, worse = (scores, others) if sign == 1 else (others, scores)
    return paired(better.scores, worse.scores, scores.scale) if others.scores else Sample(())
