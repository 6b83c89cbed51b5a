"""What a reader of a study's trials need not read again: what has ended never changes."""

from optuna.trial import TrialState
from sqlalchemy import ColumnElement, and_, or_

from winnow.storage.optuna_tables import trials


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

    def may_be_news(self) -> ColumnElement[bool]:
        """Return the condition on rows of `trials` for being new, or unfinished when they were last seen."""
        news: ColumnElement[bool] = trials.c.trial_id > self.newest
        if self._unfinished:
            news = or_(news, trials.c.trial_id.in_(sorted(self._unfinished)))
        return and_(trials.c.study_id == self._study_id, news)

    def note(self, trial_id: int, state: str) -> None:
        """Remember in which state a trial was seen."""
        self.newest = max(self.newest, trial_id)
        if TrialState[state].is_finished():
            self._unfinished.discard(trial_id)
        else:
            self._unfinished.add(trial_id)
