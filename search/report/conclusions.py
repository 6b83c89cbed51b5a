"""The chapters of what a search came to, and of what was measured after it: its confirmation and its ablations."""

from winnow.search.analysis import summary
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.formatting import number, score
from winnow.search.analysis.functional_anova import FunctionalAnova
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report import ablation, confirmation
from winnow.search.report.chapters import Chapter, Table


def outcome(record: StudyRecord) -> Chapter:
    """Return the best trial beside the baseline, in figures and in words: the end of a run."""
    best, baseline, tables = record.best, record.baseline, []
    if best is not None and best is not baseline:
        rows = [[row.name, number(row.best), number(row.baseline)] for row in summary.comparison(record)]
        rows.append([record.metric, score(best.value), score(None if baseline is None else baseline.value)])
        columns = 2 if baseline is None else 3
        headings = ["hyperparameter", f"best (trial {best.number})", "baseline"]
        tables.append(Table("", headings[:columns], [row[:columns] for row in rows], values=True))
    return Chapter(record.study, summary.sentences(record), tables=tables)


def chapters(record: StudyRecord, found: Conclusions, anova: FunctionalAnova | None = None) -> list[Chapter]:
    """Return what was measured, and the command that would measure what was not; nothing while there is no best trial.

    The `anova` of the search tells which method is the easiest to tune.
    """
    if record.best is None:
        return []
    confirmed: Chapter | None = (
        confirmation.chapter(found.confirmation) if found.confirmation else confirmation.proposal(record)
    )
    ablated: list[Chapter | None] = [ablation.chapter(record, each, anova) for each in found.ablations]
    asked = found.spec is not None and found.spec.question  # a study's own questions name what would answer them
    proposed = [] if asked else [ablation.proposal(record)]
    return [chapter for chapter in (confirmed, *(ablated or proposed)) if chapter]
