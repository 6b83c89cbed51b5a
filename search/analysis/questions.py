"""The questions of a study's spec, answered: each in sentences with numbers, and a table; or what would answer it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from winnow.search.analysis import answers
from winnow.search.analysis.answers import Answer
from winnow.search.analysis.by_value import along, compared, depth, smallest, span, told_gain
from winnow.search.analysis.commands import confirm_command, known_commands, methods_command
from winnow.search.analysis.comparisons import (
    company,
    compare,
    comparisons_asked,
    decided,
    flattered,
    searched,
    untold,
    worst_counts,
)
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.effects import Effect
from winnow.search.analysis.formatting import counted, duration, interval, score, spread
from winnow.search.analysis.statistics import ERROR, paired, proportion_interval
from winnow.search.analysis.steps import Step, change, moved, steps
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.study import ready
from winnow.search.study.questions import Question


def answer(record: StudyRecord, found: Conclusions) -> list[Answer]:
    """Return an answer to each question of the study's spec, in order; none of a study without a spec."""
    asked = found.spec.question if found.spec else ()
    return [_KINDS[each.kind](each, record, found) if record.ranked else _nothing(each, record) for each in asked]


def _nothing(asked: Question, record: StudyRecord) -> Answer:
    return Answer(asked.asks, ("Not yet: no trial has completed.",))


# --- which method helps


def _methods(asked: Question, record: StudyRecord, found: Conclusions) -> Answer:
    usual = [each for each in found.ablations if each.alone]
    if usual:
        said = [sentence for each in answers.answers(usual[-1])[:2] for sentence in each.sentences]
        alone = sorted(usual[-1].alone, key=lambda effect: -effect.effect)
        return Answer(asked.asks, (*said, *answers.rests_on(usual[-1])), *_table(alone), tuple(alone))
    assert found.spec is not None
    repeated = _repeated(record, found)
    if repeated:
        said = [
            *_ranked(record, repeated),
            f"Each is trained with {repeated[0].runs // 2} fresh seeds beside the baseline.",
            flattered(found.spec.built_in, [effect.method.split()[0] for effect in repeated]),
        ]
        return Answer(asked.asks, tuple(filter(None, said)), *_table(repeated), tuple(repeated))
    command = methods_command(record)
    if why := untold(record, found.spec.sampler.name):
        missing = f"Not measured: {why}. "
        if command is None:
            missing += "There is nothing to train again yet: no trial but the baseline has completed."
        elif record.best is record.baseline:
            missing += "Nothing beat the baseline; whether anything does is told by repeating all on fresh seeds:"
        else:
            missing += "Training with and without each method answers it:"
        return Answer(asked.asks, (missing,), commands=known_commands(command))
    names = [name for name in searched(record) if name not in decided(record)]
    among = comparisons_asked(record, found.spec.question)
    measured = [
        replace(each, method=f"{name} {each.method}")
        for name in names
        for each in compare(record, name, found.spec.sampler.name, among)
    ]
    measured.sort(key=lambda effect: -effect.effect)
    notes = (worst_counts(record), flattered(found.spec.built_in, names), *(company(record, name) for name in names))
    said = [*_ranked(record, measured), *filter(None, notes)]
    return Answer(asked.asks, tuple(said), *_table(measured), tuple(measured), known_commands(command))


def _repeated(record: StudyRecord, found: Conclusions) -> list[Effect]:
    """Return what each change of one hyperparameter of the baseline gained, of those that a confirmation repeated.

    Paired by seed; all together miss the truth 5 times of 100 (Bonferroni). Empty where none was repeated.
    """
    compared = found.confirmation.compared if found.confirmation else {}
    baseline = record.baseline
    if baseline is None or baseline.number not in compared:
        return []
    trials = {trial.number: trial for trial in record.trials if trial.number in compared}
    single = {number: names for number, trial in trials.items() if len(names := moved(record, baseline, trial)) == 1}
    effects = []
    for number, names in single.items():
        pair = (compared[number].scores, compared[baseline.number].scores)
        gain = paired(*(pair if record.direction == "maximize" else pair[::-1]), record.scale)
        ends = gain.interval_at(ERROR / len(single))
        effects.append(Effect(change(names, baseline, trials[number]), gain.mean, *ends, 2 * len(gain.scores)))
    return sorted(effects, key=lambda effect: -effect.effect)


def _table(measured: Sequence[Effect]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    headings = ("change", "gain", "95 % interval", "verdict", "trainings")
    return headings, tuple((e.method, f"{e.effect:+z.4f}", span(e), e.verdict, str(e.runs)) for e in measured)


def _ranked(record: StudyRecord, measured: Sequence[Effect]) -> list[str]:
    helping = [effect for effect in measured if effect.verdict == "helps"]
    hurting = [effect for effect in measured if effect.verdict == "hurts"]
    said = []
    if helping:
        said.append(f"In {record.metric} {told_gain(helping[0])} helps most" + _others(helping[1:], "also helps") + ".")
    else:
        said.append(f"Nothing is shown to better the {record.metric}.")
    if hurting:
        said.append(f"{told_gain(hurting[-1])} hurts most" + _others(hurting[:-1], "also hurts") + ".")
    unclear = len(measured) - len(helping) - len(hurting)
    if unclear:
        are = "is" if unclear == 1 else "are"
        said.append(f"Of {counted(len(measured), 'change')} {unclear} {are} inconclusive with these trials.")
    return said


def _others(effects: Sequence[Effect], verb: str) -> str:
    return "".join(f"; {told_gain(effect)} {verb}" for effect in effects[:3])


# --- one after another


def _steps(asked: Question, record: StudyRecord, found: Conclusions) -> Answer:
    taken = steps(record)
    start, best = record.baseline, record.best
    if not taken or start is None or start.value is None or best is None:
        return Answer(
            asked.asks, ('Not told by these trials: it takes a search with sampler = "coordinate" from a baseline.',)
        )
    kept = [step for step in taken if step.kept]
    changes = ", then ".join(f"{step.change} ({step.gain:+z.4f})" for step in kept)
    untold = sum(math.isnan(step.gain) for step in taken)
    said = [
        f"From {score(start.value)} to {score(best.value)} in {record.metric}: "
        + (f"kept were {changes}" if kept else "nothing was kept")
        + f"; of {counted(len(taken), 'step')} {len(taken) - len(kept) - untold} did not help"
        + (f" and {untold} came to no value." if untold else "."),
    ]
    for other, beside in _beside(asked, found):
        there = [step for step in steps(beside) if step.kept]
        both = [step.change for step in there if step.change in {each.change for each in kept}]
        words = f"kept were {', '.join(step.change for step in there)}" if there else "nothing was kept"
        said.append(f"In the order of {other} {words}; in both: {', '.join(both) or 'nothing'}.")
    said += _absent(asked, found)
    known = found.ablations or _repeated(record, found)
    commands = () if known else known_commands(methods_command(record))
    luck = "Each was trained once, so a gain may be a seed's"
    said.append(f"{luck}: what holds is measured by" if commands else f"{luck}.")
    missing = _missing(asked, found)
    effects = tuple(Effect(step.change, step.gain, -math.inf, math.inf, 2) for step in kept)
    rows = [
        (str(place), step.change, score(step.trial.value), _gained(step), _fate(step))
        for place, step in enumerate(taken, start=1)
    ]
    headings = ("step", "what changed", record.metric, "gain", "verdict")
    rows = [("0", "baseline", score(start.value), "—", "—"), *rows]
    return Answer(asked.asks, tuple(said), headings, tuple(rows), effects, (*commands, *missing))


# --- which search method


def _search(asked: Question, record: StudyRecord, found: Conclusions) -> Answer:
    present = [(record.study, record), *_beside(asked, found)]
    missing = _missing(asked, found)
    cost = min(len(other.finished) for _, other in present)
    rows: list[tuple[str, ...]] = []
    ends: list[tuple[str, TrialRecord, tuple[float, float] | None]] = []
    for name, other in present:
        among = sorted(other.finished, key=lambda trial: trial.number)[:cost]
        complete = [trial for trial in among if trial in other.ranked]
        if not complete:
            continue
        best = min(complete, key=lambda trial: other.loss(trial.value))
        seconds = sum(trial.seconds for trial in among)
        bounds = _of_examples(best)
        ends.append((name, best, bounds))
        shown = f"{bounds[0]:.4f} to {bounds[1]:.4f}" if bounds else "unknown"
        rows.append((name, score(best.value), shown, str(best.number), duration(seconds)))
    ranked = sorted(ends, key=lambda entry: record.loss(entry[1].value))
    told = ", ".join(f"{name} {score(best.value)} (trial {best.number})" for name, best, _ in ranked)
    said = [f"After {cost} trials each, the best {record.metric}: {told}."]
    if len(ranked) > 1:
        top, last = ranked[0][2], ranked[-1][2]
        if top and last and top[0] > last[1]:
            said.append("Over the validation examples the intervals of the first and the last do not overlap.")
        else:
            over = ", and their intervals over the validation examples overlap" if top and last else ""
            said.append(f"One run of each{over}: this does not rank them.")
    said += _absent(asked, found)
    headings = ("study", f"best {record.metric}", "95 % interval", "at trial", "training time")
    return Answer(asked.asks, tuple(said), headings, tuple(rows), commands=missing)


def _of_examples(trial: TrialRecord) -> tuple[float, float] | None:
    """Return the interval of an accuracy over the validation examples it was measured on (Wilson).

    None where unknown.
    """
    examples = trial.training.get("validation_examples")
    if not examples or trial.value is None or trial.best_epoch is None or trial.best_epoch.validation_accuracy is None:
        return None
    return proportion_interval(round(trial.value * examples), examples)


# --- a threshold


def _threshold(asked: Question, record: StudyRecord, found: Conclusions) -> Answer:
    confirmed = found.confirmation
    if confirmed is None or not confirmed.threshold_gain.scores:
        missing = "Not measured: a threshold is chosen on validation data and judged on test data, which is read by"
        return Answer(asked.asks, (missing,), commands=known_commands(confirm_command(record)))
    gain = confirmed.threshold_gain
    low, high = gain.interval
    verdict = "it repairs something" if low > 0 else "it harms" if high < 0 else "that is inconclusive"
    said = (
        f"The threshold that validation chooses changes test accuracy by {gain.mean:+z.4f} ({interval(gain, '+')}), "
        f"from {spread(confirmed.winner_on_test)} to {spread(confirmed.winner_at_threshold)} over "
        f"{len(gain.scores)} trainings of trial {confirmed.winner_number}: {verdict}.",
    )
    rows = (
        ("0.5", spread(confirmed.winner_on_test), interval(confirmed.winner_on_test)),
        ("chosen on validation", spread(confirmed.winner_at_threshold), interval(confirmed.winner_at_threshold)),
    )
    return Answer(asked.asks, said, ("threshold", "test accuracy", "95 % interval"), rows)


def _gained(step: Step) -> str:
    return "—" if math.isnan(step.gain) else f"{step.gain:+z.4f}"


def _fate(step: Step) -> str:
    if step.kept:
        return "kept"
    return step.trial.outcome or step.trial.state.lower() if math.isnan(step.gain) else "not kept"


def _beside(asked: Question, found: Conclusions) -> list[tuple[str, StudyRecord]]:
    """Return the other studies that a question names, those that are in the storage."""
    return [(name, found.beside[name]) for name in asked.beside if name in found.beside]


def _absent(asked: Question, found: Conclusions) -> list[str]:
    """Return which of them are not, in a sentence."""
    absent = [name for name in asked.beside if name not in found.beside]
    return [f"Not in this storage: {', '.join(absent)}."] if absent else []


def _missing(asked: Question, found: Conclusions) -> tuple[str, ...]:
    """Return what would train those that are not: of specs of one's own nobody knows the file."""
    return tuple(f"winnow run {name}" for name in asked.beside if name not in found.beside and name in ready.names())


_KINDS: Mapping[str, Callable[[Question, StudyRecord, Conclusions], Answer]] = {
    "methods": _methods,
    "steps": _steps,
    "along": along,
    "compare": compared,
    "depth": depth,
    "smallest": smallest,
    "search": _search,
    "threshold": _threshold,
}
