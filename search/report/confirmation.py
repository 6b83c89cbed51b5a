"""The chapter of a confirmation: the winner trained again, beside the other candidates and the baseline."""

from winnow.objectives.decision import Decision
from winnow.objectives.mistakes import Mistakes
from winnow.search.analysis.commands import confirm_command
from winnow.search.analysis.confirm import Confirmation
from winnow.search.analysis.formatting import counted, interval, score, span, spread
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report.chapters import Chapter, Picture, Table
from winnow.search.report.figures import decision, effects, mistakes, space

_MISS = 10
"""As in a screening: what a missed case costs beside a false alarm."""
_ROOM = 9
"""Of more classes, a telephone has no room in a cell for a share beside the count."""
_TITLE = "The winner, trained again"


def proposal(record: StudyRecord) -> Chapter | None:
    """Return the command that would confirm the best trial; None without its configuration, or beside no other."""
    command = confirm_command(record)
    if command is None or record.best is None or not record.best.config:
        return None
    asked = "To know what to expect of it, measure it again with fresh seeds, then once on test data:"
    return Chapter(_TITLE, [asked], [command])


def chapter(found: Confirmation) -> Chapter:
    """Return what the repetitions showed: the same for report, page, notebook and terminal."""
    pictures = _decision(found)
    if found.compared:
        caption = (
            "Each ring is one training with a seed that no trial of the search had, each line the 95 % interval of "
            f"their mean. The dotted line is the search's best value, {score(found.searched_value)}."
        )
        samples = {_name(found, trial): sample for trial, sample in found.compared.items()}
        drawn = effects.repetitions(samples, found.metric, found.searched_value, found.maximise)
        pictures.append(Picture("confirmation", "Candidates on fresh seeds", caption, drawn))
    pictures += _mistakes(found)
    tables = [*([_compared(found)] if found.compared else []), _measured(found), *_errors(found.decision)]
    tables += _classes(found.mistakes)
    return Chapter(_TITLE, sentences(found), tables=tables, pictures=pictures)


def sentences(found: Confirmation) -> list[str]:
    """Return what the repetitions showed, in plain words."""
    said = [f"Trial {trial} is left out: {why}." for trial, why in found.dropped.items()]
    if found.rivals:
        said.append(
            f"Trial {found.winner_number} has the best mean, but not significantly better than {found.rivals} (paired "
            "by seed, Bonferroni)."
        )
    elif found.compared:
        said.append(f"Trial {found.winner_number} is better than all others (paired by seed, Bonferroni).")
    own = ", none of which chose it" if found.compared else ""
    said.append(f"Mean ± standard deviation over {counted(len(found.seeds), 'fresh seed')}{own}. {found.looks}")
    if not found.seeds_decide:
        said.append(
            "Every seed gave the very same: the objective seeds itself, so its repetitions are one and say nothing of "
            "noise. Let it take `seed` and use that."
        )
    said += _broken(found)
    said.append(found.verdict_on_test)
    if found.threshold_gain.scores:
        said.append(
            "At a threshold chosen on the validation ROC curve (Youden), in place of 0.5, the winner's test accuracy "
            f"changes by {found.threshold_gain.mean:+.4f} to {spread(found.winner_at_threshold)} "
            f"(95 % interval of the change {interval(found.threshold_gain, '+')})."
        )
    if found.repeated_best.scores:
        best = f"The search's best value, {score(found.searched_value)} of trial {found.best_number}"
        off, how = abs(found.optimism.mean), "optimistic" if found.optimism.mean > 0 else "pessimistic"
        held = f"was {off:.4f} too {how} on validation data (95 % interval {interval(found.optimism, '+')})"
        said.append(f"{best}, {held if off else 'came out the same again'}.")
    return said


def _broken(found: Confirmation) -> list[str]:
    """Return which seeds broke down: they are counted apart, in no mean."""
    said = [
        f"Trial {trial} did not complete on {counted(missing, 'seed')}, which count apart."
        for trial, missing in found.incomplete.items()
    ]
    return said + [
        f"{name}: {sample.broken} of {len(sample.scores)} seeds broke down on {data} data and count apart: in no mean."
        for name, data, sample in found.measurements
        if sample.broken
    ]


def _decision(found: Confirmation) -> list[Picture]:
    """Return how the winner's first model decides between two classes, on validation data."""
    if found.decision is None:
        return []
    curve, boundary = found.decision.curve, found.decision.boundary
    model = f"The first repetition of trial {found.winner_number} on validation data"
    caption = (
        f"{model}. The star is the threshold with the largest difference between true and false positive rate (Youden, "
        f"1950): its accuracy is {found.decision.accuracy_at_threshold:.2%}, that of 0.5 {found.decision.accuracy:.2%}."
    )
    drawn = [Picture("roc", "ROC curve", caption, decision.roc(curve)), *_confusions(found.decision)]
    if boundary is not None:
        caption = f"{model}: the predicted probability over the plane, and {len(boundary.points)} of the points."
        drawn.insert(0, Picture("boundary", "Decision boundary", caption, decision.boundary(boundary, curve.threshold)))
    return drawn


def _mistakes(found: Confirmation) -> list[Picture]:
    """Return what the winner's first model gets wrong on validation data: by class, and the worst examples."""
    wrong, drawn = found.mistakes, []
    if wrong is None:
        return []
    model = f"the first repetition of trial {found.winner_number}"
    if len(wrong.confusion) > 2:
        room = len(wrong.confusion) <= _ROOM
        words = [[_percent(cell, sum(line)) if cell and room else "" for cell in line] for line in wrong.confusion]
        figure = space.cells("true class", "called", wrong.names, wrong.names, wrong.confusion, words, "")
        caption = f"Validation examples of each class by what {model} calls them."
        drawn.append(Picture("confusion", "Confusion", caption, figure))
    pictured = [each for each in wrong.worst if each.picture]
    if pictured:
        caption = (
            f"Of the {counted(wrong.wrong, 'validation example')} of {wrong.examples:,} that {model} gets wrong, those "
            "that it is surest of: what each is, and in bold what it is called. Look at the labels too."
        )
        drawn.append(Picture("mistakes", "Most wrongly classified", caption, mistakes.sheet(pictured)))
    return drawn


def _percent(part: int, whole: int) -> str:
    """Return a share in few letters; of what is not all, never 100%."""
    share = 100 * part / whole
    return f"{share:.1g}%" if share < 1 else f"{min(round(share), 99 + (part == whole)):d}%"


def _classes(wrong: Mistakes | None) -> list[Table]:
    if wrong is None:
        return []
    rows = [
        [each.name, f"{each.examples:,}", *(f"{score:.4f}" for score in (each.precision, each.recall, each.f1))]
        for each in wrong.classes
    ]
    title = "Each class, by the winner's first model on validation data, the lowest F1 first"
    return [Table(title, ["class", "examples", "precision", "recall", "F1"], rows)]


def _thresholds(found: Decision) -> dict[str, int]:
    """Return the thresholds that are told side by side, each as its place on the curve."""
    curve = found.curve
    costly = curve.cheapest(_MISS, found.negatives, found.positives)
    return {
        "0.5": curve.at(0.5),
        f"{curve.threshold:.2f}, by the ROC curve": curve.chosen,
        f"{curve.thresholds[costly]:.2f}, where a miss costs {_MISS} false alarms": costly,
    }


def _errors(found: Decision | None) -> list[Table]:
    """Return what the winner gets wrong at each threshold; nothing where no threshold was measured."""
    if found is None or not found.positives:
        return []
    rows = []
    for name, place in _thresholds(found).items():
        (right, alarms), (misses, hits) = found.confusion(place)
        share = (right + hits) / (found.negatives + found.positives)
        rows.append([name, _share(alarms, found.negatives), _share(misses, found.positives), f"{share:.4f}"])
    headings = ["threshold", "false positives", "false negatives", "accuracy"]
    return [Table("What the winner's first model gets wrong on validation data, by threshold", headings, rows)]


def _share(wrong: int, whole: int) -> str:
    return f"{wrong:,} of {whole:,} ({wrong / whole:.1%})"


def _confusions(found: Decision) -> list[Picture]:
    """Return the confusion matrix at each threshold."""
    if not found.positives:
        return []
    drawn: list[Picture] = []
    for name, place in _thresholds(found).items():
        matrix = found.confusion(place)
        sizes = (found.negatives, found.positives)
        words = [
            [f"{cell / size:.1%} of class {row}" for cell in line]
            for row, (line, size) in enumerate(zip(matrix, sizes, strict=True))
        ]
        figure = space.cells("true class", "called", ["0", "1"], ["0", "1"], matrix, words, "")
        caption = (
            f"Validation examples of each class by what the winner's first model calls them at the threshold {name}."
        )
        drawn.append(Picture(f"confusion-{len(drawn) + 1}", f"Confusion at {name.partition(',')[0]}", caption, figure))
    return drawn


def _measured(found: Confirmation) -> Table:
    rows = [
        [name, data, spread(sample), interval(sample), _new(found, name, data)]
        for name, data, sample in found.measurements
    ]
    on_these, on_others = "95 % interval: other seeds", "other seeds and other examples"
    headings = ["measured", "data", found.quantity, on_these, on_others]
    if not found.on_new_data:
        rows, headings = [row[:-1] for row in rows], headings[:-1]
    return Table("Measured on seeds that chose nothing: mean ± standard deviation", headings, rows)


def _new(found: Confirmation, name: str, data: str) -> str:
    bounds = found.on_new_data.get("baseline" if name == "baseline" else "winner")
    return span(bounds) if bounds and data == "test" else ""


def _compared(found: Confirmation) -> Table:
    """Return every candidate on the seeds that chose, the best first."""
    ranked = sorted(found.compared.items(), key=lambda entry: entry[1].mean, reverse=found.maximise)
    rows = [
        [_name(found, trial), spread(sample), interval(sample), "yes" if trial in found.group else "no"]
        for trial, sample in ranked
    ]
    headings = ["compared", f"validation {found.quantity}", "95 % interval", "may be the best"]
    return Table("Compared on the seeds that chose: mean ± standard deviation", headings, rows)


def _name(found: Confirmation, trial: int) -> str:
    return "baseline" if trial == found.baseline_number else f"trial {trial}"
