"""The chapters of what was measured after a search: its confirmation and its ablations."""

from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.functional_anova import FunctionalAnova
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report import ablation, confirmation
from winnow.search.report.chapters import Chapter


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
