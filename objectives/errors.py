"""What can be wrong with what a trial is asked to do.

ObjectiveError            bad input: a sentence that says what was wrong, and a remedy
├── HyperparameterError   an unknown hyperparameter, or a value that it cannot take
├── DataError             a data set that is unknown, missing, unreadable or too small
└── SnapshotError         bytes that are no snapshot of this training

Diverged                  a training that cannot recover: ends the trial as pruned, with its reason
Infeasible                a model over a limit: ends the trial as pruned before its first step
OutOfTime                 a training that took longer than it may: ends the trial as failed
"""

import functools
import logging

from winnow.errors import WinnowError


class ObjectiveError(WinnowError):
    """Input that was refused: what was wrong, and what to do."""


class HyperparameterError(ObjectiveError):
    """An unknown hyperparameter, or a value that it cannot take."""


class DataError(ObjectiveError):
    """A data set that is unknown, missing, unreadable or too small."""


class SnapshotError(ObjectiveError):
    """Bytes that are no snapshot of this training."""


class Diverged(Exception):
    """A training that cannot recover; its text is the reason."""


class Infeasible(Exception):
    """A model that breaks a limit of the study; its text is the reason."""

    def __init__(self, constraint: str, excess: float, reason: str) -> None:
        super().__init__(reason)
        self.constraint = constraint
        self.excess = excess


class OutOfTime(Exception):
    """A training that took longer than its limit; its text is the reason."""


@functools.cache
def warn_once(sentence: str) -> None:
    """Log what is doubtful, but no error: once in a process, however many trials meet it."""
    logging.getLogger("winnow").warning("%s", sentence)
