"""The chapter of an ablation: what each method does, in answers, tables and pictures."""

from winnow.search.analysis import answers
from winnow.search.analysis.ablation import Ablation
from winnow.search.analysis.commands import methods_command
from winnow.search.analysis.effects import Effect
from winnow.search.analysis.formatting import number
from winnow.search.analysis.functional_anova import FunctionalAnova
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report.chapters import Chapter, Picture, Table
from winnow.search.report.figures import effects


def proposal(record: StudyRecord) -> Chapter | None:
    """Return the command that would ablate; None where there are no two configurations to go between."""
    command = methods_command(record)
    if command is None or record.best is record.baseline:
        return None
    asked = (
        "Not measured yet: a search shows where good values lie, not what a method does. Training with and without "
        "each, with the same seeds, answers these questions:"
    )
    return Chapter("What each method does", [asked, *answers.QUESTIONS], [command])


def chapter(record: StudyRecord, found: Ablation, anova: FunctionalAnova | None = None) -> Chapter:
    """Return what the trainings so far showed: the same for report, page, notebook and terminal."""
    start, goal = (_name(record, number) for number in (found.start_number, found.goal_number))
    said = [f"Measured by training {start} and {goal}, and what lies between them, with and without each method."]
    said += [answers.together(found)] if found.whole else []
    said += answers.rests_on(found)
    usual = record.baseline is not None and found.start_number == record.baseline.number
    title = "What each method does" if usual else f"What each method does, from {start}"
    return Chapter(
        f"{title}, up to {goal}" if record.best and found.goal_number != record.best.number else title,
        said,
        answers=answers.answers(found, anova),
        tables=[_methods(found), *_tables(found, start, goal)],
        pictures=_pictures(found, start, goal),
    )


def _name(record: StudyRecord, trial: int) -> str:
    if record.baseline is not None and trial == record.baseline.number:
        return "the baseline"
    return f"the best (trial {trial})" if record.best and trial == record.best.number else f"trial {trial}"


def _methods(found: Ablation) -> Table:
    rows = [
        [method, ", ".join(f"{name} {number(before)} → {number(after)}" for name, (before, after) in members.items())]
        for method, members in found.methods.items()
    ]
    return Table("The methods", ["method", "what it changes"], rows)


def _tables(found: Ablation, start: str, goal: str) -> list[Table]:
    """Return the effects, kind by kind; of pairs, only those that are shown to work on each other."""
    orders = "all" if found.exact_order else "sampled"
    pairs = [effect for effect in found.together if effect.verdict != "inconclusive"]
    kinds = (
        (f"Add one in: each method alone, added to {start}", _ranked(found.alone)),
        (f"Leave one out: each method in {goal}, with all others on", _ranked(found.removed)),
        ("Path: at each step the method that helps most, measured on other seeds", found.path),
        (
            f"Order: mean over {orders} orders of adding the methods (Shapley)",
            _ranked([entry.shapley for entry in found.order]),
        ),
        ("Interactions: what two methods gain beyond the sum of both alone", _ranked(pairs)),
    )
    return [
        Table(
            title,
            ["method", "gain", "95 % interval", "verdict", "trainings"],
            [[e.method, f"{e.effect:+z.4f}", answers.interval(e), _verdict(e, pairs), str(e.runs)] for e in measured],
        )
        for title, measured in kinds
        if measured
    ]


def _verdict(effect: Effect, pairs: list[Effect]) -> str:
    if effect in pairs:
        return "more together" if effect.verdict == "helps" else "less together"
    return effect.verdict


def _ranked(measured: list[Effect]) -> list[Effect]:
    return sorted(measured, key=lambda effect: -effect.effect)


def _pictures(found: Ablation, start: str, goal: str) -> list[Picture]:
    key = f"{found.start_number}-{found.goal_number}"
    drawn = []
    for kind, title, caption, measured in (
        ("alone", "Each method alone", f"Added to {start}, nothing else changed.", found.alone),
        ("removed", "Each method left out", f"What {goal} loses without it, with all other methods on.", found.removed),
    ):
        if measured:
            figure = effects.effects(measured, found.metric)
            drawn.append(Picture(f"{kind}-{key}", title, f"{caption} The line is the 95 % interval.", figure))
    if found.path:
        caption = (
            f"From {start} to {goal}, at each step the method that helps most there (Fawcett and Hoos, 2016), measured "
            "on other seeds than those that chose it."
        )
        figure = effects.path(found.start.mean, found.path, found.direction, found.metric, start)
        drawn.append(Picture(f"path-{key}", "Ablation path", caption, figure))
    if found.order:
        orders = "every order" if found.exact_order else "sampled orders"
        caption = (
            f"A method's mean gain over {orders} of adding the methods (its Shapley value) with its 95 % interval, and "
            "its gain when it is added first and last. A long bar means that the order matters."
        )
        figure = effects.order(found.order, found.metric)
        drawn.append(Picture(f"order-{key}", "Does the order matter?", caption, figure))
    if found.together:
        caption = "What two methods gain beyond the sum of both alone: zero where neither works on the other."
        figure = effects.effects(found.together, found.metric, ("more together", "less together", "inconclusive"))
        drawn.append(Picture(f"together-{key}", "Two methods together", caption, figure))
    return drawn
