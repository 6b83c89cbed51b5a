"""What a study found, in plain words: the report's first paragraph and the last lines of a run."""

from dataclasses import dataclass
from typing import Any

from winnow.objectives.hyperparameters import DEFINITIONS
from winnow.objectives.space import hyperparameter
from winnow.search.analysis import answers, pruning
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.confirm import Confirmation
from winnow.search.analysis.formatting import counted, duration, score, spread, with_article
from winnow.search.analysis.study_record import StudyRecord, TrialRecord, elapsed, mixed_code, mixed_code_words

_PLANNED = (
    "These are the planned trainings of a confirmation or an ablation; the page and the report of the search itself "
    "say what they show."
)


@dataclass(frozen=True)
class Compared:
    """One hyperparameter in the baseline and in the best trial; None where it had no effect."""

    name: str
    searched: bool
    baseline: Any
    best: Any


def sentences(record: StudyRecord, found: Conclusions | None = None) -> list[str]:
    """Return what won, by how much, how sure that is, and what it cost; each a whole sentence."""
    found = found or Conclusions()
    if record.is_analysis:
        return [_PLANNED, *_cost(record, found)]
    foretold = pruning.foretold(record)
    audited, mixed = pruning.audit(record), mixed_code_words(mixed_code(record))
    return [
        *_result(record),
        *([record.of_several] if record.of_several else []),
        *([mixed] if mixed else []),
        *_how_sure(record, found.confirmation),
        *_what_made_it(found),
        *([pruning.foretold_sentence(foretold)] if foretold else []),
        *([pruning.audit_sentence(audited)] if audited else _no_audit(record, found)),
        *_half_trained(record),
        *_cost(record, found),
        *_further_cost(found),
    ]


def comparison(record: StudyRecord) -> list[Compared]:
    """Return the searched hyperparameters of the best trial beside the baseline's, and all others in which they differ.

    Empty while there is no best trial, where it is the baseline or has its configuration, and of an analysis. The
    trial's own seed is left out: it differs always and means nothing.
    """
    baseline, best = record.baseline, record.best
    if best is None or best is baseline or _reseeded(best, baseline) or record.is_analysis:
        return []
    searched = drawn_names(record)
    others = [name for name in best.config if name not in searched and name != "seed"]
    rows = [(name, True) for name in searched]
    rows += [(name, False) for name in others if baseline and baseline.config.get(name) != best.config[name]]
    return [
        Compared(name, is_searched, _setting(baseline, name, is_searched), _setting(best, name, is_searched))
        for name, is_searched in rows
    ]


def _reseeded(best: TrialRecord, baseline: TrialRecord | None) -> bool:
    """Return whether the best trained what the baseline did, with another seed."""
    return bool(baseline and best.config and best.trained == baseline.trained)


def _setting(trial: TrialRecord | None, name: str, searched: bool) -> Any:
    """Return what a trial trained with: of a searched hyperparameter that it did not draw, what held in its place."""
    if trial is None or (searched and drawn(trial, name) is None and not _has_effect(trial, name)):
        return None
    return trial.setting(name)


def _has_effect(trial: TrialRecord, name: str) -> bool:
    needs = DEFINITIONS[name].needs if name in DEFINITIONS else {}
    return all(trial.config.get(parent) in allowed for parent, allowed in needs.items())


def drawn_names(record: StudyRecord) -> list[str]:
    """Return the searched hyperparameters; what was drawn under one of several conditions is one."""
    return list(dict.fromkeys(map(hyperparameter, record.parameter_names)))


def drawn(trial: TrialRecord, name: str) -> Any:
    """Return the value of a hyperparameter that a trial drew, under whichever condition; None where it drew none."""
    return next((value for key, value in trial.parameters.items() if hyperparameter(key) == name), None)


def _result(record: StudyRecord) -> list[str]:
    best, baseline = record.best, record.baseline
    if not record.finished:
        return ["No trial has finished yet, so there is nothing to conclude."]
    if best is None:
        return [
            "No trial has completed, so there is no winner; the table of trials says how each ended, and why if known."
        ]
    if best is baseline:
        return [
            f"Nothing beat the baseline: its {record.metric} of {score(best.value)} is the best of "
            f"{counted(len(record.ranked), 'completed trial')}."
        ]
    won = f"Trial {best.number} won with {with_article(record.metric)} of {score(best.value)}"
    if baseline is None:
        compared = [f"{won}.", "The study has no baseline, so nothing says how much the search gained."]
    elif baseline.value is None:
        compared = [f"{won}.", "The baseline has no value, so nothing says how much the search gained."]
    else:
        gain = score(abs(record.gain(best, baseline)))
        compared = [f"{won}, {gain} better than the baseline's {score(baseline.value)}."]
        if _reseeded(best, baseline):
            compared.append("It has the baseline's own configuration: the difference is another seed's, and no gain.")
    return compared


def _how_sure(record: StudyRecord, found: Confirmation | None) -> list[str]:
    best = record.best
    if best is None or (found is None and best is record.baseline):
        return []
    if found is None:
        if len(record.ranked) == 1:
            return ["Do not rely on this value yet: it was measured once, and is partly luck."]
        return [
            f"Do not rely on this value yet: the best of {len(record.ranked):,} values, measured once and on the data "
            "that chose it, is partly luck."
        ]
    winner = "the baseline" if record.baseline and found.winner_number == record.baseline.number else "it"
    if winner == "it" and found.winner_number != best.number:
        winner = f"trial {found.winner_number} comes out ahead and"
    winners, baselines = found.winner, found.baseline
    if found.judged_on == "test":
        winners, baselines = found.winner_on_test, found.baseline_on_test
    reached = f"a {found.judged_on} {found.quantity} of {spread(winners)}"
    said = [
        f"Trained again with {counted(len(found.seeds), 'fresh seed')}, {winner} reaches {reached} (mean ± deviation)"
    ]
    if found.gain.scores:
        said[0] += f", the baseline {spread(baselines)}"
        said.append(found.verdict_on_test.removesuffix("."))
    if found.rivals:
        said.append(f"On validation data trial {found.winner_number} is not significantly better than {found.rivals}")
    if best.number not in (found.winner_number, *found.compared):
        said.append(f"Trial {best.number} became the search's best afterwards and is not confirmed")
    return [f"{sentence}." for sentence in said]


def _what_made_it(found: Conclusions) -> list[str]:
    usual = [each for each in found.ablations if each.alone]
    return list(answers.answers(usual[-1])[0].sentences[:1]) if usual else []


def _further_cost(found: Conclusions) -> list[str]:
    said = [f"{duration(seconds)} for the {name}" for name, seconds in found.seconds.items()]
    return [f"Training time since: {' and '.join(said)}."] if said else []


def _no_audit(record: StudyRecord, found: Conclusions) -> list[str]:
    """Say that nobody knows what the pruner's cuts lose, and what would tell."""
    if found.spec is None or not found.spec.pruner.stops or found.spec.scheduler is not None:
        return []  # a scheduler's trials are paused, and no pruner is asked
    if found.spec.pruner.audit:
        return ["No trial that the pruner would have stopped was let finish yet: what its cuts lose is not known."]
    if not any(trial.cut_short for trial in record.finished):
        return []
    return [
        "No trial that the pruner stopped was let finish, so what its cuts lose is not known: [pruner] audit = 0.1 in "
        "the spec of the next search lets a tenth finish."
    ]


def _half_trained(record: StudyRecord) -> list[str]:
    """Say what trials count for that are paused in the middle."""
    paused = [trial for trial in record.trials if trial.state == "WAITING" and trial.curve]
    if not paused:
        return []
    are, seconds = "trials are" if len(paused) > 1 else "trial is", sum(trial.seconds for trial in paused)
    spent = f", after {duration(seconds)} of training time so far" if seconds else ""  # what was handed back tells none
    return [
        f"{len(paused)} {are} half-trained and may go on{spent}: each counts in the budget, and neither in the ranking "
        "nor in any importance or mean; the sampler alone learns from its curve."
    ]


def _cost(record: StudyRecord, found: Conclusions) -> list[str]:
    finished = record.finished
    if not finished:
        return []
    pruned, failed = record.count("PRUNED"), record.count("FAIL")
    worker_time, wall_time = sum(trial.seconds for trial in finished), elapsed(finished)
    workers = len({trial.worker for trial in finished if trial.worker})
    by = f" by {workers} workers" if workers > 1 else ""
    ran = (
        f"{'They are' if record.is_analysis else 'The search ran'} {len(finished):,} "
        f"trial{'' if len(finished) == 1 else 's'} ("
        f"{len(finished) - pruned - failed:,} completed, {pruned:,} pruned, {failed} failed){by} and took "
        f"{duration(wall_time)}, or {duration(worker_time)} of training time."
    )
    fuse = found.spec.fleet.fuse if found.spec else 1
    shared = f"Trials may have shared a device (fuse = {fuse}), and the training time of each counts in full."
    return [ran, shared] if fuse != 1 else [ran]
