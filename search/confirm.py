"""`winnow confirm`: train the best and the baseline again with fresh seeds, then read test data, once for both.

The best value of a search is the luckiest of many; only seeds that the search has not seen and data that it never
touched say what the winner is worth. The repetitions are a study of their own, worked on like any other.
"""

import getpass
import math
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from objectives.objective import derived_seed
from search import history as histories
from search import study as studies
from search.checking import check
from search.errors import StudyError
from search.history import History
from search.spec import Spec
from search.study import WinnowStudy, match_source
from storage import artifacts, epochs, ledger
from storage.designs import Row

BEST, BASELINE = "best", "baseline"
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Sample:
    """Scores of one configuration over seeds."""

    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.fmean(self.scores)

    @property
    def deviation(self) -> float:
        """Their standard deviation; NaN with fewer than two."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean, by Student's t; infinite with fewer than two scores."""
        if len(self.scores) < 2:
            return -math.inf, math.inf
        from scipy import stats

        half = stats.t.ppf((1 + CONFIDENCE) / 2, len(self.scores) - 1) * self.deviation / math.sqrt(len(self.scores))
        return self.mean - half, self.mean + half


@dataclass(frozen=True)
class Confirmation:
    """What the repetitions showed."""

    study: str
    metric: str
    maximise: bool
    seeds: tuple[int, ...]
    best_number: int
    searched_value: float
    """The best trial's value in the search."""
    best: Sample
    baseline: Sample
    best_on_test: Sample
    baseline_on_test: Sample
    read_before: int
    """How often this study's test data had been read before this time."""

    @property
    def gain(self) -> Sample:
        """Best minus baseline on test data, paired by seed; above 0 is better."""
        sign = 1 if self.maximise else -1
        pairs = zip(self.best_on_test.scores, self.baseline_on_test.scores, strict=True)
        return Sample(tuple(sign * (a - b) for a, b in pairs))

    @property
    def optimism(self) -> float:
        """By how much the search's best value was better than the mean of its repetitions on the same data."""
        return (self.searched_value - self.best.mean) * (1 if self.maximise else -1)

    @property
    def verdict(self) -> str:
        """What may be said of the best against the baseline."""
        low, high = self.gain.interval
        if low > 0:
            return "the best is better than the baseline"
        if high < 0:
            return "the best is worse than the baseline"
        return "best and baseline cannot be told apart with so few seeds"


def design(study: WinnowStudy, seeds: int) -> tuple[Spec, list[Row], int]:
    """The study of the repetitions: its spec, its rows, and the number of the best trial. Raises StudyError."""
    if not study.spec.built_in:
        raise StudyError(
            f"the study {study.name!r} has an objective of its own, and Winnow does not know its test data",
            "repeat its best parameters with your own code",
        )
    match_source(study)
    record = _history(study)
    best, baseline = record.best, record.baseline
    if best is None:
        raise StudyError(
            f"the study {study.name!r} has no finished trial yet", f"run it first: winnow work {study.name}"
        )
    if baseline is None or baseline.state != "COMPLETE":
        raise StudyError(
            f"the study {study.name!r} has no finished baseline", "run it on; the baseline is its first trial"
        )
    if best.number == baseline.number:
        raise StudyError(
            f"in the study {study.name!r} the baseline itself is the best trial: there is nothing to confirm",
            "search more trials, or other ranges",
        )
    rows = [
        Row({"configuration": side, "seed": seed}, {**trial.config, "seed": seed})
        for seed in fresh_seeds(study.spec.seed, seeds)
        for side, trial in ((BEST, best), (BASELINE, baseline))
    ]
    content: dict[str, Any] = {
        "name": f"{study.name}-confirm-{best.number}",
        "description": f"Trial {best.number} and the baseline of {study.name}, repeated with fresh seeds",
        "objective": study.spec.objective,
        "seed": study.spec.seed,
        "data": study.spec.data,
        "sampler": {"name": "random"},
        "pruner": {"name": "none"},
        "budget": {"trials": len(rows)},
    }
    return check(content, f"the confirmation of {study.name}"), rows, best.number


def fresh_seeds(study_seed: int, count: int) -> list[int]:
    """Seeds that no trial of the search has: the first `count` of a fixed sequence."""
    return [derived_seed(study_seed, -1 - i) for i in range(count)]


def create(study: WinnowStudy, seeds: int) -> WinnowStudy:
    """The study of the repetitions, made or continued with more seeds."""
    spec, rows, _ = design(study, seeds)
    return studies.create(study.storage, spec, rows)


def conclude(study: WinnowStudy, repetitions: WinnowStudy) -> Confirmation:
    """Read the repetitions, write in the ledger, read test data, and put it together; raises StudyError."""
    record, repeated = _history(study), _history(repetitions)
    failed = [trial for trial in repeated.trials if trial.state != "COMPLETE"]
    if failed:
        raise StudyError(
            f"of {len(repeated.trials)} repetitions {len(failed)} are not complete: "
            f"trial {failed[0].number} is {failed[0].state} ({failed[0].reason or 'no reason given'})",
            f"see winnow status {repetitions.name}",
        )
    best = record.best
    assert best is not None
    assert best.value is not None
    sides = [str(trial.parameters["configuration"]) for trial in repeated.trials]
    values = [trial.value or 0.0 for trial in repeated.trials]
    seeds = [int(trial.parameters["seed"]) for trial in repeated.trials]
    on_test, read_before = _read_test_data(study, repetitions, best.number, seeds)
    return Confirmation(
        study=study.name,
        metric=record.metric,
        maximise=study.spec.optimises == "maximize",
        seeds=tuple(dict.fromkeys(seeds)),
        best_number=best.number,
        searched_value=best.value,
        best=_sample(sides, values, BEST),
        baseline=_sample(sides, values, BASELINE),
        best_on_test=_sample(sides, on_test, BEST),
        baseline_on_test=_sample(sides, on_test, BASELINE),
        read_before=read_before,
    )


def _read_test_data(
    study: WinnowStudy, repetitions: WinnowStudy, best: int, seeds: Sequence[int]
) -> tuple[list[float], int]:
    """The test score of every repetition, and how often test data were read for this study before.

    What the ledger holds for the very same models is not read again.
    """
    from objectives import held_out

    engine, files = study.storage.engine, study.storage.files
    models: dict[str, Any] = {"trial": best, "seeds": list(seeds)}
    earlier = ledger.entries(engine, study.name)
    for position, entry in enumerate(earlier):
        if entry.results.get("models") == models:
            return list(entry.results["scores"]), position
    trials = repetitions.optuna.get_trials(deepcopy=False)
    trained = [
        (trial.user_attrs["winnow:config"], artifacts.read(files, trial.user_attrs["winnow:artifact:weights"]))
        for trial in trials
    ]
    entry_number = ledger.announce(
        engine,
        study.name,
        str(trials[0].user_attrs["winnow:training"]["data_fingerprint"]),
        reader=f"{getpass.getuser()}@{platform.node()}",
        purpose=f"winnow confirm: trial {best} and the baseline, {len(trained)} models",
    )
    scores = held_out.scores(study.spec.data_spec, trained)
    ledger.conclude(engine, entry_number, {"models": models, "scores": scores})
    return scores, len(earlier)


def _history(study: WinnowStudy) -> History:
    return histories.read(study.optuna, epochs.read(study.storage.engine, study.study_id))


def _sample(sides: Sequence[str], values: Sequence[float], side: str) -> Sample:
    return Sample(tuple(value for name, value in zip(sides, values, strict=True) if name == side))
