"""The pictures of what networks became, where a spec asks for it: weights layer by layer, and what they answer."""

from collections.abc import Mapping, Sequence

from winnow.search.analysis.comparisons import groups, searched, setting
from winnow.search.analysis.formatting import number
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.report.chapters import Chapter, Picture
from winnow.search.report.figures import networks
from winnow.search.study.questions import Question

_PENALTIES = ("l1", "l2")
_MOST_PANELS = 6


def chapter(record: StudyRecord) -> Chapter:
    """Return the layers of the baseline and the best trial, and those of all by their penalties."""
    best, baseline = record.best, record.baseline
    drawn = []
    for trial, name in ((best, "best trial"), (baseline if baseline is not best else None, "baseline")):
        if trial is not None and trial.layers:
            caption = "How the weights of each layer are spread after some epochs, early ones pale and late ones dark."
            title = f"Weights of the {name}, trial {trial.number}"
            drawn.append(Picture(f"weights-{name.split()[0]}", title, caption, networks.histograms(trial)))
    if best is not None and len(best.layers) > 1:
        caption = f"The Frobenius norm of each layer's weights in trial {best.number}, epoch by epoch."
        drawn.append(Picture("layer-norms-over-epochs", "Layers of the best trial", caption, networks.norms(best)))
    members = _by_penalty(record)
    if members:
        what = "when they were last recorded; of several trainings, the mean"
        norms = networks.by_layer(members, "norm", "norm of the weights")
        zeros = networks.by_layer(members, "near_zero", "weights near zero")
        drawn += [
            Picture("layer-norms", "Norm of each layer", f"The Frobenius norm of each layer's weights {what}.", norms),
            Picture("layer-zeros", "Sparsity", f"The share of weights between -0.001 and 0.001 {what}.", zeros),
        ]
    return Chapter("The layers", pictures=drawn)


def _by_penalty(record: StudyRecord) -> Mapping[str, Sequence[TrialRecord]]:
    """Return the trials with recorded layers by their L1 and L2 where these were searched, else baseline and best."""
    names = [name for name in searched(record) if name in _PENALTIES]
    if names:
        found = {
            ", ".join(f"{name} {number(value)}" for name, value in zip(names, group.setting, strict=True)): [
                trial for trial in group.trials if trial.layers
            ]
            for group in groups(record, names)
        }
        return {name: trials for name, trials in found.items() if trials} if len(found) <= _MOST_PANELS else {}
    sides = {"baseline": record.baseline, "best": record.best if record.best is not record.baseline else None}
    return {name: [trial] for name, trial in sides.items() if trial is not None and trial.layers}


def boundaries(asked: Question, record: StudyRecord, name: str) -> list[Picture]:
    """Return how the best training of each cell of a question parts the plane; nothing where it was not recorded."""
    across = list(asked.across[:1])
    best: dict[tuple[object, ...], TrialRecord] = {}
    for trial in record.ranked:
        if "probability" in trial.outputs:
            best.setdefault(setting(trial, [asked.of, *across]), trial)
    if not best:
        return []
    down, along = ([asked.of], across) if across else ([], [asked.of])
    rows, columns = groups(record, down), groups(record, along)
    cells = [[best.get((*row.setting, *column.setting)) for column in columns] for row in rows]
    caption = (
        f"The best training by {' (down) and '.join([asked.of, *across])}: the probability of class 1 over the plane, "
        f"a line where it is a half, some validation points, and the {record.metric}."
    )
    drawn = networks.boundaries(cells, [row.name for row in rows], [f"{along[0]} {column.name}" for column in columns])
    return [Picture(f"{name}-boundaries", "Decision boundaries", caption, drawn)]


def fits(asked: Question, record: StudyRecord, name: str) -> list[Picture]:
    """Return the curve that the middle training of each value fits, as it became; nothing where it was not recorded."""
    shown = {}
    for group in groups(record, [asked.of]):
        recorded = [trial for trial in record.ranked if trial in group.trials and "epochs" in trial.outputs]
        if recorded:
            shown[f"{asked.of} {group.name}"] = recorded[len(recorded) // 2]
    if not shown or len(shown) > _MOST_PANELS:
        return []
    caption = (
        f"The curve that the network fits to its examples, from the first epochs (pale) to the last (dark), of the "
        f"training in the middle of those with each {asked.of} by {record.metric}."
    )
    return [Picture(f"{name}-fits", "The fitted curve", caption, networks.fitted(shown))]
