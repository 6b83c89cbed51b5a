"""What pruning saved, and how often it was wrong.

The savings are the epochs that pruned trials were planned for and did not train, at the time of their own epochs.
An audit lets some trials finish though the pruner would have stopped them.
"""

import math
import statistics
from dataclasses import dataclass

import numpy as np

from winnow.search.analysis.formatting import counted
from winnow.search.analysis.statistics import proportion_interval
from winnow.search.analysis.study_record import StudyRecord, TrialRecord

FEW = 8
"""Trials of which an order is worth a word."""


@dataclass(frozen=True)
class Savings:
    """Training time, in seconds."""

    trials: int
    """Trials that the pruner cut short."""
    epochs: float
    """Epochs that these would have trained on the mean, had nobody stopped them."""
    spent: float
    """What all finished trials took, every attempt of each."""
    saved: float
    """An estimate: for each trial cut short, its missing epochs at its own time an epoch."""

    @property
    def share(self) -> float:
        """The part of the cost without pruning that was saved, 0 to 1."""
        return self.saved / (self.spent + self.saved) if self.saved > 0 else 0.0


def savings(record: StudyRecord) -> Savings:
    """Return what pruning saved in this study; nothing where nothing says how long a trial takes."""
    length = Length(record)
    cut = [trial for trial in record.finished if trial.cut_short]
    return Savings(
        trials=len(cut),
        epochs=float(np.mean([length(trial) for trial in cut])) if cut else 0.0,
        spent=sum(trial.seconds for trial in record.finished),
        saved=sum(saved_by(trial, length) for trial in cut),
    )


class Length:
    """How many epochs a trial takes where nobody stops it; 0 where that is unknown.

    Its own planned epochs, of which as much is trained as in the completed trials (early stopping ends some before);
    where no plan is recorded, the mean of the completed ones.
    """

    def __init__(self, record: StudyRecord) -> None:
        done = [trial for trial in record.finished if trial.state == "COMPLETE" and trial.curve]
        self._mean = float(np.mean([len(trial.curve) for trial in done])) if done else 0.0
        shares = [len(trial.curve) / planned for trial in done if (planned := _planned(trial))]
        self._share = float(np.mean(shares)) if shares else 1.0

    def __call__(self, trial: TrialRecord) -> float:
        """Return the epochs of this trial."""
        planned = _planned(trial)
        return planned * self._share if planned else self._mean


def saved_by(trial: TrialRecord, length: Length) -> float:
    """Return the seconds that this trial would have taken on to its full length; 0 where it was not cut short."""
    if not trial.cut_short:
        return 0.0
    return max(0.0, length(trial) - len(trial.curve)) * _epoch_seconds(trial)


def _planned(trial: TrialRecord) -> int:
    planned = trial.config.get("epochs")
    return planned if isinstance(planned, int) and not isinstance(planned, bool) else 0


def _epoch_seconds(trial: TrialRecord) -> float:
    """Return what an epoch took, without what a trial costs once.

    It comes from the trial's whole time where none was recorded.
    """
    recorded = [epoch.seconds for epoch in trial.curve if epoch.seconds is not None]
    return statistics.fmean(recorded) if recorded else trial.seconds / len(trial.curve)


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
    """What the audit cost: training time after they would have been stopped."""

    @property
    def share(self) -> float:
        """Of all that completed, the share that pruning was wrong about."""
        return self.wrong / self.completed


def audit(record: StudyRecord) -> Audit | None:
    """Return what an audit of the pruner showed; None where no audited trial has completed."""
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
            _epoch_seconds(trial) * (len(trial.curve) - (trial.would_prune or 0)) for trial in audited if trial.curve
        ),
    )


def audit_sentence(found: Audit) -> str:
    """Return the audit in plain words."""
    _, high = found.interval
    stopped = counted(found.completed, "trial")
    return (
        f"An audit let {stopped} finish that the pruner would have stopped: {found.wrong} came out better than all "
        f"that it spared, and {found.good} among the best tenth. With so many audited, up to {high:.0%} of its "
        "cuts may lose the winner (95 % interval)."
    )


@dataclass(frozen=True)
class Foretold:
    """How well the epoch at which the pruner first judges foretells the last one, among trials that finished."""

    epochs: int
    """So many had passed at the first cut."""
    trials: int
    agreement: float
    """Spearman's rank correlation of the values there and at the end."""
    interval: tuple[float, float]
    """Its 95 % interval (Bonett and Wright, 2000), of an agreement of at most half a swap of two neighbours below 1."""


def foretold(record: StudyRecord) -> Foretold | None:
    """Compare the order of the trials at the first cut with their last one; None without a cut, or of few trials.

    The trials that finished are mostly those that the pruner liked, whose order says less than that of all would: an
    audit lets others finish too.
    """
    from scipy.stats import spearmanr

    cuts = [len(trial.curve) for trial in record.finished if trial.cut_short]
    cuts += [trial.would_prune for trial in record.ranked if trial.would_prune]
    first = min(cuts, default=0)
    both = [
        (trial.curve[first - 1].value, trial.value)
        for trial in record.ranked
        if first and len(trial.curve) > first and not math.isnan(trial.curve[first - 1].value)
    ]
    if len(both) < FEW or any(len({values[side] for values in both}) < 2 for side in (0, 1)):
        return None
    agreement = float(spearmanr(both).statistic)
    reach = 1.96 * math.sqrt((1 + agreement**2 / 2) / (len(both) - 3))
    most = 1 - 6 / (len(both) ** 3 - len(both))
    at = math.atanh(min(max(agreement, -most), most))
    return Foretold(first, len(both), agreement, (math.tanh(at - reach), math.tanh(at + reach)))


def foretold_sentence(found: Foretold) -> str:
    """Return how well early epochs foretell the end, in plain words."""
    low, high = found.interval
    says = "much" if low > 0.6 else "something" if low > 0 else "nothing that can be shown"
    return (
        f"Where the pruner first judged, after {counted(found.epochs, 'epoch')}, the order of the {found.trials} "
        f"trials that finished foretold {says} of their last one (rank correlation {found.agreement:.2f}, 95 % "
        f"interval {low:.2f} to {high:.2f})."
    )
