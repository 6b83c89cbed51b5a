"""What a reader of a study's trials need not read again: what has ended never changes."""

from typing import Any

from optuna.trial import TrialState
from sqlalchemy import and_, bindparam, or_

from winnow.storage.optuna_tables import trials

MAY_BE_NEWS = and_(
    trials.c.study_id == bindparam("study"),
    trials.c.trial_id >= bindparam("oldest"),  # which follows from what comes next; without it SQLite reads all trials
    or_(trials.c.trial_id > bindparam("newest"), trials.c.trial_id.in_(bindparam("unfinished", expanding=True))),
)
"""The condition on rows of `trials` for being new, or unfinished when they were last seen, with `SeenTrials.values`."""


class SeenTrials:
    """Which trials of one study a reader has seen, and which of them may still change."""

    def __init__(self, study_id: int) -> None:
        self.newest = 0
        """The largest trial id that was seen."""
        self._study_id = study_id
        self._unfinished: set[int] = set()

    @property
    def oldest_unfinished(self) -> int:
        """The smallest id that may still change; all before it are finished for ever."""
        return min(self._unfinished, default=self.newest + 1)

    @property
    def values(self) -> dict[str, Any]:
        """What this reader asks MAY_BE_NEWS with."""
        return {
            "study": self._study_id,
            "oldest": self.oldest_unfinished,
            "newest": self.newest,
            "unfinished": sorted(self._unfinished),
        }

    def note(self, trial_id: int, state: str) -> None:
        """Remember in which state a trial was seen."""
        self.newest = max(self.newest, trial_id)
        if TrialState[state].is_finished():
            self._unfinished.discard(trial_id)
        else:
            self._unfinished.add(trial_id)
