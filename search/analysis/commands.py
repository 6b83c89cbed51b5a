"""The commands that answers, reports and the last line of a run name: what would tell more, and is accepted."""

import shlex

from winnow.search.analysis.study_record import StudyRecord

_MOST_REPEATED = 50


def quoted(record: StudyRecord) -> str:
    """Return the study's name as a shell takes it."""
    return shlex.quote(record.study)


def known_commands(*commands: str | None) -> tuple[str, ...]:
    """Return those that there are."""
    return tuple(command for command in commands if command)


def confirm_command(record: StudyRecord) -> str | None:
    """Return the command that measures the winner again, on fresh seeds and then on test data.

    None where nothing but the baseline has completed, and of an analysis, which has none.
    """
    return f"winnow confirm {quoted(record)}" if record.candidates and not record.is_analysis else None


def methods_command(record: StudyRecord) -> str | None:
    """Return the command that measures what the methods of the best trial do; None where there is nothing to measure.

    Where nothing beat the baseline, there are none between the two: what was tried is repeated beside it. Where there
    is no baseline, it goes from the first trial that trained something else.
    """
    best, baseline = record.best, record.baseline
    if best is None or not best.config or not record.candidates or record.is_analysis:
        return None
    if baseline is None or not baseline.config:
        others = [trial.number for trial in record.candidates if trial.trained != best.trained]
        return f"winnow ablate {quoted(record)} --from {min(others)}" if others else None
    if best.trained != baseline.trained:
        return f"winnow ablate {quoted(record)}"
    return f"winnow confirm {quoted(record)} --top {min(max(2, len(record.candidates)), _MOST_REPEATED)}"
