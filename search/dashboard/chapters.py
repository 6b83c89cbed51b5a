"""The chapters of a study's live page: the report's own pictures and words, drawn from what the view knows."""

from dataclasses import replace

import numpy as np

from winnow.records import ABLATION, CONCLUSION
from winnow.search.analysis import conclusions, importance, repetitions, summary
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.analysis.study_view import SAMPLE, TOP, StudyView
from winnow.search.report import conclusions as measured
from winnow.search.report.chapters import Chapter, Picture
from winnow.search.report.figures import curves, progress
from winnow.search.report.pictures import front_of, importance_of
from winnow.storage import Storage

MOST_POINTS = 2000
"""Of the picture of all trials."""


def pictures(view: StudyView) -> list[Chapter]:
    """Return how the search goes: all trials, what it weighs, the curves of the best over the band of a sample."""
    record, sample = view.record(), view.sample()
    if not record.finished:
        return []
    thin = _thinned(record)
    caption = "Each point is a trial; the line is the best completed trial so far."
    if len(thin.trials) < len(record.trials):
        caption += f" Of {len(record.finished):,} trials {len(thin.trials):,} are drawn: the best of each stretch."
    drawn = [Picture("history", "Best so far", caption, progress.optimisation_history(thin))]
    weighed = {f"front-{each.metric}" for each in view.status().objectives}
    drawn += [each for each in front_of(record) if each.name in weighed]
    sampled = f"{len(sample.trials)} trials, taken evenly"
    whose = sampled if len(record.finished) > SAMPLE else "all trials that reached the epoch"
    baseline = ", and the baseline" if sample.baseline else ""
    caption = f"The best trials, {TOP} at most{baseline}, over the median and the middle half of {whose}."
    drawn.append(Picture("curves", "Learning curves", caption, curves.learning_curves(sample, TOP)))
    chapter = Chapter("The search", pictures=drawn)
    return [chapter] if chapter.pictures else []


def hyperparameters(view: StudyView) -> list[Chapter]:
    """Return the hyperparameter importance by the method that the sampler allows to trust; of one nobody asks it."""
    if not view.record().finished or view.record().is_analysis or len(view.record().parameter_names) == 1:
        return []
    record = view.searched()
    found, refusal = importance.assess_if_enough(record)
    if found is None:
        return [Chapter("The hyperparameters", [refusal])]
    return [Chapter("The hyperparameters", pictures=[importance_of(record, found)])]


def concluded(storage: Storage, view: StudyView) -> list[Chapter]:
    """Return what was measured since: the winner trained again, and what each method does.

    Where nothing was, the command that would.
    """
    record = _with_sides(storage, view)
    return measured.chapters(record, conclusions.load(storage, record))


def first_words(storage: Storage, view: StudyView) -> list[str]:
    """Return what the study found, in whole sentences."""
    record = _with_sides(storage, view)
    return summary.sentences(record, conclusions.load(storage, record))


def curve_numbers(sample: StudyRecord) -> dict[str, object]:
    """Return the numbers behind the picture of curves."""
    epochs, quartiles = curves.quartiles(sample.trials)
    chosen = [*sample.ranked[:TOP], *([sample.baseline] if sample.baseline else [])]
    return {
        "metric": sample.metric,
        "sampled": len(sample.trials),
        "band": {
            "epoch": epochs,
            **{
                name: quartiles[:, column].tolist()
                for column, name in enumerate(("lower_quartile", "median", "upper_quartile"))
            },
        },
        "trials": [
            {
                "number": trial.number,
                "baseline": trial.baseline,
                "epoch": [e.epoch for e in trial.curve],
                "value": [e.value for e in trial.curve],
            }
            for trial in {trial.number: trial for trial in chosen}.values()
        ],
    }


def _with_sides(storage: Storage, view: StudyView) -> StudyRecord:
    """Return all trials, those in full that a confirmation or an ablation compared."""
    record = view.record()
    wanted = {trial.number for trial in (record.best, record.baseline) if trial}
    for study in storage.get_all_studies():
        asked = study.user_attrs.get(ABLATION, {})
        if asked.get("of") == record.study:
            wanted |= {asked["start"], asked["goal"]}
        if study.study_name == repetitions.study_name(record.study) and CONCLUSION in study.user_attrs:
            content = study.user_attrs[CONCLUSION]
            wanted |= {*content["candidates"], content["baseline"]} - {None}
    return view.with_details(wanted)


def _thinned(record: StudyRecord) -> StudyRecord:
    """Return about MOST_POINTS trials at most: the winners of their time, the baseline, each stretch's best."""
    if len(record.finished) <= MOST_POINTS:
        return record
    kept = {trial.number for trial in progress.best_so_far(record)}
    kept |= {trial.number for trial in (record.baseline, record.finished[-1]) if trial}
    for stretch in np.array_split(np.arange(len(record.finished)), MOST_POINTS // 2):
        members = [record.finished[index] for index in stretch]
        for state in ("COMPLETE", "PRUNED"):
            group = [trial for trial in members if trial.state == state and trial.value is not None]
            if group:
                kept.add(min(group, key=lambda trial: record.loss(trial.value)).number)
    return replace(record, trials=tuple(trial for trial in record.trials if trial.number in kept))
