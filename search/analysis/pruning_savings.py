"""What pruning saved: the time that pruned trials would have taken, had they run as long as completed ones."""

from dataclasses import dataclass

import numpy as np

from winnow.search.analysis.study_record import StudyRecord, TrialRecord


@dataclass(frozen=True)
class Savings:
    """Device time, in seconds."""

    trials: int
    """Trials that the pruner cut short."""
    epochs: float
    """Epochs that a trial takes where nobody stops it: the mean of the completed ones."""
    spent: float
    """What all finished trials took."""
    saved: float
    """An estimate: for each trial cut short, its missing epochs at its own time an epoch."""

    @property
    def share(self) -> float:
        """The part of the cost without pruning that was saved, 0 to 1."""
        return self.saved / (self.spent + self.saved) if self.saved > 0 else 0.0


def savings(record: StudyRecord) -> Savings:
    """What pruning saved in this study; nothing where no completed trial says how long a trial takes."""
    epochs = full_length(record)
    cut = [trial for trial in record.finished if trial.cut_short]
    return Savings(
        trials=len(cut),
        epochs=epochs,
        spent=sum(trial.seconds for trial in record.finished),
        saved=sum(saved_by(trial, epochs) for trial in cut),
    )


def full_length(record: StudyRecord) -> float:
    """Epochs of a trial that nobody stops; 0 where none is known."""
    lengths = [len(trial.curve) for trial in record.finished if trial.state == "COMPLETE" and trial.curve]
    return float(np.mean(lengths)) if lengths else 0.0


def saved_by(trial: TrialRecord, epochs: float) -> float:
    """Seconds that this trial would have taken on to its full length; 0 where it was not cut short."""
    if not trial.cut_short:
        return 0.0
    return max(0.0, epochs - len(trial.curve)) * trial.seconds / len(trial.curve)
