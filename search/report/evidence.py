"""The chapters of what was measured after a search: its confirmation and its ablations."""

from collections.abc import Sequence

from winnow.search.analysis import answers, summary
from winnow.search.analysis.ablation import Ablation
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.confirm import Confirmation
from winnow.search.analysis.effects import Effect
from winnow.search.analysis.formatting import interval, number, spread
from winnow.search.analysis.functional_anova import FunctionalAnova
from winnow.search.analysis.statistics import Sample
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report.chapters import Chapter, Picture, Table
from winnow.search.report.figures import decision, effects
from winnow.search.report.terminal import screens


def chapters(record: StudyRecord, found: Conclusions, anova: FunctionalAnova | None = None) -> list[Chapter]:
    """The winner measured anew and what each method does; where nothing was measured, the command that would.

    A `anova` of the search tells which method is the easiest to tune.
    """
    if record.best is None:
        return []
    return [*_confirmed(record, found.confirmation), *_ablated(record, found.ablations, anova)]


def _confirmed(record: StudyRecord, found: Confirmation | None) -> list[Chapter]:
    title = "The winner, trained again"
    if found is None:
        if not record.best or not record.best.config:
            return []
        asked = "To know what to expect of it, measure it again with fresh seeds, then once on test data:"
        return [Chapter(title, [asked], [summary.confirm_command(record)])]
    where = found.metric.removeprefix("validation ")
    tables = [_measured(found, where), *([_compared(found, where)] if found.compared else [])]
    pictures = _decision(found)
    if found.compared:
        caption = (
            "Each ring is one training with a seed that no trial of the search had, the line the 95 % interval of "
            f"their mean. The dotted line is the search's best value, {number(found.searched_value)}."
        )
        samples = {_name(found, trial): sample for trial, sample in found.compared.items()}
        drawn = effects.repetitions(samples, found.metric, found.searched_value, found.maximise)
        pictures.append(Picture("confirmation", "The best on fresh seeds", caption, drawn))
    return [Chapter(title, screens.confirmation_sentences(found), tables=tables, pictures=pictures)]


def _decision(found: Confirmation) -> list[Picture]:
    """How the winner's first model decides between two classes, on validation data."""
    if found.decision is None:
        return []
    curve, boundary = found.decision.curve, found.decision.boundary
    model = f"Trial {found.winner_number}'s first fresh model on validation data"
    caption = (
        f"{model}. The star is the threshold with the most true less false positives (Youden, 1950): with it "
        f"{found.decision.accuracy_at_threshold:.2%} are right, with 0.5 {found.decision.accuracy:.2%}."
    )
    drawn = [Picture("roc", "ROC curve", caption, decision.roc(curve))]
    if boundary is not None:
        caption = f"{model}: what it takes each place of the plane for, and {len(boundary.points)} of the points."
        drawn.insert(0, Picture("boundary", "Decision boundary", caption, decision.boundary(boundary, curve.threshold)))
    return drawn


def _measured(found: Confirmation, where: str) -> Table:
    sides: list[tuple[str, Sample, Sample]] = [
        (f"trial {found.winner_number}, the winner", found.winner, found.winner_on_test)
    ]
    if found.baseline.scores:
        sides.append((f"trial {found.baseline_number}, the baseline", found.baseline, found.baseline_on_test))
    rows = [
        [name, spread(validation), interval(validation), spread(test), interval(test)]
        for name, validation, test in sides
    ]
    headings = ["measured", f"validation {where}", "95 % interval", f"test {where}", "95 % interval"]
    return Table("Measured on seeds that chose nothing: mean ± standard deviation", headings, rows)


def _compared(found: Confirmation, where: str) -> Table:
    ranked = sorted(found.compared.items(), key=lambda entry: entry[1].mean, reverse=found.maximise)
    rows = [
        [_name(found, trial), spread(sample), interval(sample), "yes" if trial in found.group else "no"]
        for trial, sample in ranked
    ]
    headings = ["compared", f"validation {where}", "95 % interval", "may be the best"]
    return Table("Compared on the seeds that chose: mean ± standard deviation", headings, rows)


def _name(found: Confirmation, trial: int) -> str:
    return "baseline" if trial == found.baseline_number else f"trial {trial}"


def _ablated(record: StudyRecord, found: Sequence[Ablation], anova: FunctionalAnova | None) -> list[Chapter]:
    if found:
        return [_ablation(record, each, anova) for each in found]
    best, baseline = record.best, record.baseline
    if best is None or baseline is None or best is baseline or not (best.config and baseline.config):
        return []
    asked = (
        "Not measured yet: a search shows where good values lie, not what a method does. Training with and without "
        "each, with the same seeds, answers these questions:"
    )
    return [Chapter("What each method does", [asked, *answers.QUESTIONS], [f"winnow ablate {summary.quoted(record)}"])]


def _ablation(record: StudyRecord, found: Ablation, anova: FunctionalAnova | None) -> Chapter:
    start, goal = (_side(record, number) for number in (found.start_number, found.goal_number))
    said = [f"Measured by training {start} and {goal}, and what lies between them, with and without each method."]
    said += [answers.together(found)] if found.whole else []
    said += answers.rests_on(found)
    usual = record.baseline is not None and found.start_number == record.baseline.number
    title = "What each method does" if usual else f"What each method does, from {start}"
    return Chapter(
        f"{title}, up to {goal}" if record.best and found.goal_number != record.best.number else title,
        said,
        answers=answers.answers(found, anova),
        tables=[_methods(found)],
        pictures=_pictures(found, start, goal),
    )


def _side(record: StudyRecord, trial: int) -> str:
    if record.baseline is not None and trial == record.baseline.number:
        return "the baseline"
    return f"the best (trial {trial})" if record.best and trial == record.best.number else f"trial {trial}"


def _methods(found: Ablation) -> Table:
    """Every method in a row: what it changes, and what it does alone, in company, and on average over orders."""
    kinds = {
        "alone": found.alone,
        "with all others": found.removed,
        "mean over orders": [entry.shapley for entry in found.order],
    }
    by_method = {kind: {effect.method: effect for effect in measured} for kind, measured in kinds.items() if measured}
    rows = []
    for method, members in found.methods.items():
        changes = ", ".join(f"{name} {number(before)} → {number(after)}" for name, (before, after) in members.items())
        rows.append([method, changes, *(_cell(known.get(method)) for known in by_method.values())])
    return Table(f"Gain in {found.metric} of each method", ["method", "what it changes", *by_method], rows)


def _cell(effect: Effect | None) -> str:
    return f"{answers.measured(effect)}: {effect.verdict}" if effect else "—"


def _pictures(found: Ablation, start: str, goal: str) -> list[Picture]:
    key = f"{found.start_number}-{found.goal_number}"
    drawn = []
    for kind, title, caption, measured in (
        ("alone", "Each method alone", f"Added to {start}, nothing else changed.", found.alone),
        (
            "removed",
            "Each method left out",
            f"What {goal} loses without it, all other methods being there.",
            found.removed,
        ),
    ):
        if measured:
            figure = effects.effects(measured, found.metric)
            drawn.append(Picture(f"{kind}-{key}", title, f"{caption} The line is the 95 % interval.", figure))
    if found.path:
        caption = (
            f"From {start} to {goal}, each step the method that helps most there (Fawcett and Hoos, 2016), measured on "
            "other seeds than those that chose it."
        )
        figure = effects.path(found.start.mean, found.path, found.direction, found.metric, start)
        drawn.append(Picture(f"path-{key}", "One after another", caption, figure))
    if found.order:
        orders = "every order" if found.exact_order else "sampled orders"
        caption = (
            f"A method's mean gain over {orders} of adding the methods (its Shapley value) with its 95 % interval, and "
            "its gain when it is added first and last. A long bar means that the order decides."
        )
        drawn.append(
            Picture(f"order-{key}", "Does the order matter?", caption, effects.order(found.order, found.metric))
        )
    if found.together:
        caption = "What two methods gain beyond the sum of both alone. At zero, neither needs nor spoils the other."
        figure = effects.effects(found.together, found.metric, ("more together", "less together", "inconclusive"))
        drawn.append(Picture(f"together-{key}", "Two methods together", caption, figure))
    return drawn
