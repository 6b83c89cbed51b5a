"""The commands that answers, reports and the last line of a run name: what would tell more."""

import shlex

from winnow.search.analysis.study_record import StudyRecord

_MOST_REPEATED = 50


def quoted(record: StudyRecord) -> str:
    """Return the study's name as a shell takes it."""
    return shlex.quote(record.study)


def confirm_command(record: StudyRecord) -> str:
    """Return the command that measures the winner again, on fresh seeds and then on test data."""
    return f"winnow confirm {quoted(record)}"


def methods_command(record: StudyRecord) -> str:
    """Return the command that measures what the methods of the best trial do.

    Where nothing beat the baseline, there are none between the two: what was tried is repeated beside it.
    """
    if record.best is None or record.best is not record.baseline:
        return f"winnow ablate {quoted(record)}"
    return f"{confirm_command(record)} --top {min(len(record.ranked) - 1, _MOST_REPEATED) or 1}"
