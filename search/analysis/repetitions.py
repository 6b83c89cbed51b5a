"""Who is trained again with fresh seeds, and with which: the study of repetitions behind `winnow confirm`.

It has two stages. On the first seeds the candidates and the baseline are compared; whoever comes out ahead is then
measured, beside the baseline, on seeds of its own.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from winnow.errors import StudyError
from winnow.objectives import mistakes
from winnow.objectives.decision import Boundary, Curve, Decision
from winnow.objectives.mistakes import Mistakes
from winnow.records import CONCLUSION, CONFIG, DECISION, MISTAKES, TEST_SCORE, WEIGHTS
from winnow.search.analysis import study_reader
from winnow.search.analysis.seeds import Purpose, decide_nothing, fresh_seeds
from winnow.search.analysis.statistics import Sample, possibly_best
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.study import objective_checks
from winnow.search.study import study as studies
from winnow.search.study.study import WinnowStudy, refuse_other_training
from winnow.storage import artifacts, deletions
from winnow.storage.designs import Row

TOP, SEEDS = 5, 5
"""How many of the best are repeated, and with how many fresh seeds, where nobody says otherwise."""
_log = logging.getLogger("winnow")
Repetition = tuple[int, int]
"""Which trial of the search is repeated, and with which seed."""


def _trainings(contenders: int, with_baseline: bool, seeds: int, chooses: bool = True) -> int:
    """How many repetitions choose among so many, and measure one that is not the baseline, and that beside it."""
    measured = 2 if with_baseline and contenders > 1 else 1
    return seeds * ((contenders if chooses else 0) + measured)


USUAL_TRAININGS = _trainings(TOP + 1, True, SEEDS)


@dataclass(frozen=True)
class ConfirmationPlan:
    """Who is compared, and how."""

    study: WinnowStudy
    record: StudyRecord
    candidates: tuple[TrialRecord, ...]
    """The search's best with different configurations, best first."""
    baseline: TrialRecord | None
    seeds: int
    """Fresh seeds for choosing, and as many others for measuring."""
    chooses: bool
    """Whether fresh seeds choose among several, or only the search's best was asked for."""
    reads_test: bool = True
    """Whether test data can be read; of the user's own objective, whether it has a parameter `test`."""

    @property
    def name(self) -> str:
        """The study of the repetitions."""
        return study_name(self.study.name)

    @property
    def most_trainings(self) -> int:
        """How many repetitions there are, where the baseline is not the one that comes out ahead."""
        return _trainings(len(_contenders(self)), self.baseline is not None, self.seeds, self.chooses)

    def seeds_for(self, purpose: Purpose) -> list[int]:
        """Return the seeds of one stage."""
        return fresh_seeds(self.study.spec.seed, purpose, self.seeds)


def plan_confirmation(study: WinnowStudy, top: int, seeds: int) -> ConfirmationPlan:
    """Return the best `top` configurations of a search and its baseline, where it has one; raises StudyError."""
    refuse_other_training(study)
    record = study_reader.load(study.storage, study.name)
    if record.best is None:
        raise StudyError(
            f"the study {study.name!r} has no finished trial yet", f"run it first: winnow work {study.name}"
        )
    baseline = record.baseline if record.baseline in record.ranked else None
    candidates = record.candidates[:top]
    if not candidates:
        raise StudyError(
            f"in the study {study.name!r} nothing but the baseline has completed: there is nothing to confirm",
            "search more trials",
        )
    if top == 1 and record.best is baseline:
        candidates = (record.best,)
    reads_test = study.spec.built_in or "test" in objective_checks.examine(study.spec, f"study {study.name}")
    return ConfirmationPlan(study, record, candidates, baseline, seeds, top > 1, reads_test)


def usual_trainings(record: StudyRecord) -> int:
    """Return how many repetitions a confirmation of a search takes where nobody says how many."""
    baseline = record.baseline in record.ranked
    return _trainings(min(TOP, len(record.candidates)) + baseline, baseline, SEEDS)


def put_failed_aside(plan: ConfirmationPlan) -> None:
    """Delete the repetitions, so that they can be restored, of a stage of which none of the user's own completed.

    Whoever mended what failed there confirms anew.
    """
    scores = {} if plan.study.spec.built_in else read_scores(plan)
    for purpose in (Purpose.CHOOSING, Purpose.MEASURING):
        seeds = plan.seeds_for(purpose)
        ended = [score for (_, seed), score in scores.items() if seed in seeds]
        if ended and all(score is None for score in ended):
            storage = plan.study.storage
            deletions.remove(storage.database, storage.get_study_id_from_name(plan.name), "winnow confirm")
            _log.warning("%s begins anew, as its trainings had failed; they are kept: winnow restore", plan.name)
            return


def record_plan(plan: ConfirmationPlan, decision: Decision | None = None, wrong: Mistakes | None = None) -> None:
    """Write beside the repetitions whom they compared, and how the winner decides and errs, for later readers."""
    numbers = [trial.number for trial in plan.candidates]
    baseline = plan.baseline.number if plan.baseline else None
    content = {"candidates": numbers, "baseline": baseline, "seeds": plan.seeds, "chooses": plan.chooses}
    content["reads_test"] = plan.reads_test
    made = studies.load(plan.study.storage, plan.name).optuna
    made.set_user_attr(DECISION, asdict(decision) if decision else None)
    made.set_user_attr(MISTAKES, asdict(wrong) if wrong else None)
    made.set_user_attr(CONCLUSION, content)  # last: who sees it finds the others


def recorded_decision(study: WinnowStudy) -> Decision | None:
    """Return how the winner decided when the repetitions were last concluded; None but for two classes."""
    content = studies.load(study.storage, study_name(study.name)).optuna.user_attrs.get(DECISION)
    if content is None:
        return None
    boundary = content["boundary"]
    parts = {"curve": Curve(**content["curve"]), "boundary": Boundary(**boundary) if boundary else None}
    return Decision(**{**content, **parts})


def recorded_mistakes(study: WinnowStudy) -> Mistakes | None:
    """Return what the winner got wrong when the repetitions were last concluded; None where that was not measured."""
    content = studies.load(study.storage, study_name(study.name)).optuna.user_attrs.get(MISTAKES)
    return None if content is None else mistakes.recorded(content)


def recorded_plan(study: WinnowStudy, record: StudyRecord) -> ConfirmationPlan | None:
    """Return who was compared when the repetitions of a search were last concluded; None where they never were."""
    name = study_name(study.name)
    for other in study.storage.get_all_studies():
        if other.study_name == name and CONCLUSION in other.user_attrs:
            content = other.user_attrs[CONCLUSION]
            if max(content["candidates"]) >= len(record.trials):
                return None  # the search was deleted and begun anew
            candidates = tuple(record.trials[number] for number in content["candidates"])
            baseline = None if content["baseline"] is None else record.trials[content["baseline"]]
            asked = content["seeds"], content["chooses"], content.get("reads_test", True)
            return ConfirmationPlan(study, record, candidates, baseline, *asked)
    return None


def missing_rows(plan: ConfirmationPlan, scores: Mapping[Repetition, float | None]) -> list[Row]:
    """Return the repetitions still missing: first those that choose, then those of the winner and the baseline.

    `scores` are the validation scores of those that have ended, None where one did not complete.
    """
    choosing, measuring = [], []
    if plan.chooses:
        choosing = [(trial, seed) for seed in plan.seeds_for(Purpose.CHOOSING) for trial in _contenders(plan)]
    if all((trial.number, seed) in scores for trial, seed in choosing):
        winner, _, _ = choose_winner(plan, scores)
        sides = [winner, *([plan.baseline] if plan.baseline not in (None, winner) else [])]
        measuring = [(side, seed) for seed in plan.seeds_for(Purpose.MEASURING) for side in sides if side]
    # The user's own function reads test data in the training itself.
    asked = {"test": True} if plan.reads_test and not plan.study.spec.built_in else {}
    return [
        Row({"trial": trial.number, "seed": seed}, {**trial.config, "seed": seed, **more})
        for stage, more in ((choosing, {}), (measuring, asked))
        for trial, seed in stage
        if (trial.number, seed) not in scores
    ]


def add_rows(plan: ConfirmationPlan, rows: Sequence[Row]) -> WinnowStudy:
    """Return the study of the repetitions, made or continued with `rows`."""
    searched = plan.study.spec
    description = f"The best of {searched.name} and its baseline, repeated with fresh seeds"
    spec = studies.analysis(searched, plan.name, description)
    return studies.grow(plan.study.storage, spec, rows, keep_weights=True)


def read_scores(plan: ConfirmationPlan) -> dict[Repetition, float | None]:
    """Return the validation scores of all repetitions that have ended, None where one did not complete."""
    storage = plan.study.storage
    if plan.name not in {study.study_name for study in storage.get_all_studies()}:
        return {}
    trials = studies.load(storage, plan.name).optuna.get_trials(deepcopy=False)
    return {
        (trial.params["trial"], trial.params["seed"]): trial.value if trial.state.name == "COMPLETE" else None
        for trial in trials
        if trial.state.is_finished() and "seed" in trial.params
    }


def seeds_decide(plan: ConfirmationPlan, numbers: Collection[int], seeds: Collection[int]) -> bool:
    """Return whether the seeds made a difference to each of these trials; those of built-in objectives always do."""
    if plan.study.spec.built_in:
        return True
    curves: dict[int, list[list[float]]] = {number: [] for number in numbers}
    for trial in studies.load(plan.study.storage, plan.name).optuna.get_trials(deepcopy=False):
        number, seed = trial.params.get("trial"), trial.params.get("seed")
        if number in curves and seed in seeds and trial.value is not None:
            curves[number].append([*trial.intermediate_values.values(), trial.value])
    return not any(decide_nothing(each) for each in curves.values())


def weights(plan: ConfirmationPlan, number: int, seed: int) -> tuple[dict[str, Any], bytes]:
    """Return the configuration and the trained weights of one repetition."""
    attributes = _attributes(plan, number, seed)
    if not plan.study.spec.built_in and WEIGHTS not in attributes:
        raise StudyError(
            f"the objective {plan.study.spec.objective} handed over no model",
            "have it call trial.keep_model(model) before it returns, then winnow confirm with more --seeds and "
            "--accept-code",
        )
    return attributes[CONFIG], artifacts.read(plan.study.storage.store, _weights_of(plan, attributes))


def _weights_of(plan: ConfirmationPlan, attributes: Mapping[str, Any]) -> str:
    if WEIGHTS not in attributes:
        raise StudyError(
            f"the weights of a training of {plan.name!r} are not kept",
            f"begin it again: optuna delete-study --study-name {plan.name}",
        )
    return str(attributes[WEIGHTS])


def weights_name(plan: ConfirmationPlan, number: int, seed: int) -> str:
    """Return the SHA-256 of one repetition's trained weights, which no other model has.

    Where none are kept, a name of the repetition.
    """
    attributes = _attributes(plan, number, seed)
    if plan.study.spec.built_in:
        return _weights_of(plan, attributes).rpartition("/")[2]
    return f"study {studies.load(plan.study.storage, plan.name).study_id}, trial {number}, seed {seed}"


def test_score(plan: ConfirmationPlan, number: int, seed: int) -> float:
    """Return the score of one repetition on test data that its objective read itself."""
    return float(_attributes(plan, number, seed)[TEST_SCORE])


def _attributes(plan: ConfirmationPlan, number: int, seed: int) -> dict[str, Any]:
    for trial in studies.load(plan.study.storage, plan.name).optuna.get_trials(deepcopy=False):
        if trial.params == {"trial": number, "seed": seed}:
            return trial.user_attrs
    raise StudyError(f"trial {number} was not repeated with seed {seed}", f"run winnow confirm {plan.study.name}")


def _contenders(plan: ConfirmationPlan) -> list[TrialRecord]:
    """Return the candidates and, last, the baseline: it wins too where nothing beats it."""
    baseline = plan.baseline
    return [*plan.candidates, *([baseline] if baseline and baseline not in plan.candidates else [])]


def choose_winner(
    plan: ConfirmationPlan, scores: Mapping[Repetition, float | None]
) -> tuple[TrialRecord, dict[int, Sample], dict[int, str]]:
    """Return the contender with the best mean on the seeds that choose, all samples, and who dropped out and why."""
    if not plan.chooses:
        return plan.candidates[0], {}, {}
    compared: dict[int, Sample] = {}
    dropped: dict[int, str] = {}
    seeds = plan.seeds_for(Purpose.CHOOSING)
    if not seeds_decide(plan, [trial.number for trial in _contenders(plan)], seeds):
        seeds = seeds[:1]
    for trial in _contenders(plan):
        values = [scores[trial.number, seed] for seed in seeds]
        if None in values:
            dropped[trial.number] = f"{values.count(None)} of its {len(values)} repetitions did not complete"
        else:
            compared[trial.number] = Sample(tuple(v for v in values if v is not None), plan.record.scale)
    if not compared:
        raise StudyError(
            f"none of the best trials of {plan.study.name!r} could be repeated",
            f"winnow status {plan.name} says why",
        )
    first = best_group(plan, compared)[0]
    return next(trial for trial in _contenders(plan) if trial.number == first), compared, dropped


def best_group(plan: ConfirmationPlan, compared: Mapping[int, Sample]) -> tuple[int, ...]:
    """Return who may be the best of those compared, the highest mean first (see `possibly_best`)."""
    sign = 1 if plan.study.spec.optimises == "maximize" else -1
    scale = plan.record.scale if sign == 1 else plan.record.scale.negative
    scores = {number: [sign * score for score in sample.scores] for number, sample in compared.items()}
    return tuple(possibly_best(scores, scale))


def study_name(search: str) -> str:
    """Return the name of the study whose trials are the repetitions of a search."""
    return f"{search}-confirm"
