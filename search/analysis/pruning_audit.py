"""Is pruning honest? Some trials finish though the pruner would have stopped them: how often was it wrong?"""

import math
from dataclasses import dataclass

from winnow.search.analysis.statistics import proportion_interval
from winnow.search.analysis.study_record import StudyRecord


@dataclass(frozen=True)
class Audit:
    """What came of the trials that the pruner would have stopped and that were let finish."""

    completed: int
    """So many of them completed."""
    wrong: int
    """So many came out better than every trial that the pruner let finish: pruning would have lost the winner."""
    good: int
    """So many came out among the best tenth of those that completed."""
    interval: tuple[float, float]
    """The 95 % interval of the share of wrong ones."""
    seconds: float
    """What the audit cost: device time after they would have been stopped."""

    @property
    def share(self) -> float:
        """Of all that completed, the share that pruning was wrong about."""
        return self.wrong / self.completed


def audit(record: StudyRecord) -> Audit | None:
    """What an audit of the pruner showed; None where no audited trial has completed."""
    audited = [trial for trial in record.ranked if trial.would_prune is not None]
    if not audited:
        return None
    others = [record.loss(trial.value) for trial in record.ranked if trial.would_prune is None]
    best = min(others, default=math.inf)
    tenth = record.ranked[: max(1, len(record.ranked) // 10)]
    wrong = sum(record.loss(trial.value) < best for trial in audited)
    return Audit(
        completed=len(audited),
        wrong=wrong,
        good=sum(trial in tenth for trial in audited),
        interval=proportion_interval(wrong, len(audited)),
        seconds=sum(
            trial.seconds * (len(trial.curve) - (trial.would_prune or 0)) / len(trial.curve)
            for trial in audited
            if trial.curve
        ),
    )


def sentence(found: Audit) -> str:
    """The audit in plain words."""
    low, high = found.interval
    return (
        f"Of {found.completed} trials that the pruner would have stopped and that were let finish, {found.wrong} came "
        f"out better than all that it spared: it loses the winner in {low:.0%} to {high:.0%} of its cuts (95 % "
        f"interval). {found.good} came out among the best tenth."
    )
