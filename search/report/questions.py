"""The chapters of a study's own questions: the answer in words, its table and its picture."""

from winnow.search.analysis import by_value, questions
from winnow.search.analysis.answers import Answer
from winnow.search.analysis.comparisons import Group, Setting, best_of, groups, searched
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.formatting import number
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report import networks
from winnow.search.report.chapters import Chapter, Picture, Table
from winnow.search.report.figures import curves, effects, progress, space
from winnow.search.study.questions import Question


def chapters(record: StudyRecord, found: Conclusions) -> list[Chapter]:
    """Return a chapter for each question of the study's spec, in order."""
    asked = found.spec.question if found.spec else ()
    return [
        Chapter(
            answer.question,
            answer.sentences,
            answer.commands,
            tables=[Table("In numbers", answer.headings, answer.rows)] if answer.rows else (),
            pictures=_pictures(each, answer, record, found, place),
        )
        for place, (each, answer) in enumerate(zip(asked, questions.answer(record, found), strict=True), start=1)
    ]


def _pictures(asked: Question, answer: Answer, record: StudyRecord, found: Conclusions, place: int) -> list[Picture]:
    name = f"question-{place}"
    if not record.ranked:
        return []
    if asked.kind == "steps" and record.baseline and record.baseline.value is not None:
        caption = "From the baseline on, each change that was kept, with what it gained over the best before it."
        drawn = effects.path(record.baseline.value, answer.effects, record.direction, record.metric)
        return [Picture(name, "Step by step", caption, drawn)] if answer.effects else []
    if asked.kind in ("methods", "compare") and answer.effects:
        caption = f"What each change gains in {record.metric}, with its 95 % interval, widened for so many at once."
        pictures = [Picture(name, "What each change gains", caption, effects.effects(answer.effects, record.metric))]
        beside = [*networks.fits(asked, record, name), *_curves(asked, record, name)]
        return [*pictures, *(beside if asked.kind == "compare" else [])]
    if asked.kind == "along":
        return _curves(asked, record, name)
    if asked.kind in ("depth", "smallest"):
        return [_cells(asked, record, name), *networks.boundaries(asked, record, name)]
    if asked.kind == "search":
        records = {record.study: record, **{each: found.beside[each] for each in asked.beside if each in found.beside}}
        least = min(len(each.finished) for each in records.values())
        caption = f"The best completed trial so far, over the first {least} trials of each."
        return [Picture(name, "Search methods side by side", caption, progress.searches(records, least))]
    confirmed = found.confirmation
    if asked.kind == "threshold" and confirmed and confirmed.winner_at_threshold.scores:
        samples = {"threshold 0.5": confirmed.winner_on_test, "threshold chosen": confirmed.winner_at_threshold}
        caption = "Each ring is one training of the winner, judged on test data at both thresholds."
        drawn = effects.repetitions(samples, "test accuracy", confirmed.searched_value, maximise=True)
        return [Picture(name, "At both thresholds", caption, drawn)]
    return []


def _curves(asked: Question, record: StudyRecord, name: str) -> list[Picture]:
    members = {f"{asked.of} {group.name}": group.trials for group in groups(record, [asked.of])}
    caption = (
        f"The mean curve of the trainings with each {asked.of}: validation, and training dotted. One that ended early "
        "stays in the mean as it ended."
    )
    return [
        Picture(
            f"{name}-{quantity}",
            f"By {asked.of}: {quantity}",
            caption,
            curves.together(members, f"validation_{quantity}", quantity),
        )
        for quantity in ("accuracy", "loss")
    ]


def _cells(asked: Question, record: StudyRecord, name: str) -> Picture:
    """Draw the best mean of each cell; of other hyperparameters, that setting which is best in the cell."""
    across = list(asked.across)
    rest = [each for each in searched(record) if each not in (asked.of, *across)]
    cells: dict[Setting, Group] = {}
    for group in groups(record, [asked.of, *across, *rest]):
        place = group.setting[: 1 + len(across)]
        cells[place] = best_of(record, [group, cells[place]]) if place in cells else group
    rows, columns = (dict.fromkeys(each) for each in ((key[0] for key in cells), (key[1:] for key in cells)))
    table = [[cells.get((row, *column)) for column in columns] for row in rows]
    means = [[cell.values.mean if cell and not cell.diverged else None for cell in line] for line in table]
    words = [[_word(asked, record, cell) for cell in line] for line in table]
    said = [", ".join(map(number, each)) for each in columns]
    told = "what its curves show" if asked.solved is None else f"whether it reaches {number(asked.solved)}"
    caption = f"The mean {record.metric} of each cell, where any training has a result, and {told}."
    drawn = space.cells(asked.of, ", ".join(across), [*map(number, rows)], said, means, words, record.direction)
    return Picture(name, f"By {' and '.join([asked.of, *across])}", caption, drawn)


def _word(asked: Question, record: StudyRecord, cell: Group | None) -> str:
    if cell is None:
        return ""
    if asked.solved is not None:
        return "solved" if record.loss(cell.values.mean) <= record.loss(asked.solved) else "not solved"
    return by_value.cell_verdict(cell)
