"""`winnow replay STUDY N`: train a recorded trial again and compare, epoch by epoch, bit by bit."""

import math
import sys
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from winnow.errors import StudyError
from winnow.records import CONFIG, GIVEN, METRICS, TRAINING, Epoch
from winnow.search.analysis.study_record import refuse_other_number
from winnow.search.study import objective
from winnow.search.study.study import WinnowStudy, refuse_other_code, refuse_other_training
from winnow.storage import epochs

COMPARED = ("value", *(name for name in METRICS if name != "seconds"))
PLATFORM = ("device", "devices_per_trial", "threads", "float32_matmul", "precision", "torch", "cpu")


@dataclass(frozen=True)
class Replay:
    """A curve and its repetition."""

    number: int
    recorded: list[Epoch]
    repeated: list[Epoch]
    differences: list[str]
    """Where the two part, in words; empty where they are the same to the bit, a stack's training loss to 1e-6."""
    platform_differences: list[str]
    """What differs between that machine and this one: with any, the same bits are not promised."""
    stacked: bool
    """Whether it may have been trained in a stack, which sums the training loss in another order."""

    @property
    def identical(self) -> bool:
        """Whether every figure of every epoch is the same."""
        return not self.differences


class _Enough(BaseException):
    """As many epochs as the record has are trained. No Exception, so that no objective takes it for its own error."""


class Repetition:
    """A recorded trial as its objective gets it again: it is given the same configuration, and its epochs are kept."""

    def __init__(self, recorded: FrozenTrial, study: Any, epochs: int) -> None:
        self._recorded = recorded
        self._most = epochs
        self.study = study
        self.user_attrs: dict[str, Any] = {GIVEN: recorded.user_attrs[CONFIG]}
        self.curve: list[Epoch] = []

    def __getattr__(self, name: str) -> Any:
        """Everything else is what the record has."""
        return getattr(self._recorded, name)

    def report(self, value: float, step: int, checkpoint: Any = None, **metrics: Any) -> None:
        """Keep an epoch; end the training where the record ends."""
        self.report_epoch(Epoch.of(int(step), float(value), {name: float(each) for name, each in metrics.items()}))

    def report_epoch(self, epoch: Epoch, checkpoint: Any = None) -> None:
        """Keep an epoch with all that is known of it."""
        self.curve.append(epoch)
        if len(self.curve) >= self._most:
            raise _Enough

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep what is said of the trial; raise StudyError where its data are not those of the record."""
        self.user_attrs[key] = value
        if key == TRAINING:
            known, here = (each.get("data_fingerprint") for each in (self._recorded.user_attrs[TRAINING], value))
            if known != here:
                raise StudyError(
                    f"the data are not those of trial {self._recorded.number}: {here}, not {known}",
                    "bring back the data that the study was made with",
                )

    def set_constraint(self, key: str, value: float) -> None:
        """Nothing: the record has it."""

    def store_artifact(self, kind: str, content: bytes) -> str:
        """Keep nothing of a repetition."""
        return ""


def replay(study: WinnowStudy, number: int, device: str = "cpu") -> Replay:
    """Train trial `number` again from its record, for as many epochs as it had; raises StudyError."""
    refuse_other_training(study)
    trials = study.optuna.get_trials(deepcopy=False)
    refuse_other_number(study.name, number, len(trials))
    attributes = trials[number].user_attrs
    recorded = epochs.read(study.storage.database, study.study_id).get(number, [])
    if CONFIG not in attributes or not recorded:
        raise StudyError(f"trial {number} has no recorded epoch", "choose one that has trained")
    with redirect_stdout(sys.stderr):  # whatever the user's own code prints is no answer
        train = objective.load(study.spec, device)
    refuse_other_code(study, objective.code_of(study.spec))
    record = {"devices_per_trial": 1, **attributes.get(TRAINING, {})}
    if "threads" in record:
        import torch

        torch.set_num_threads(int(record["threads"]))
    repetition = Repetition(trials[number], study.optuna, len(recorded))
    with suppress(_Enough, optuna.TrialPruned), redirect_stdout(sys.stderr):
        train(repetition)
    here = {"devices_per_trial": 1, **repetition.user_attrs.get(TRAINING, {})}
    stacked = study.spec.built_in and study.spec.fleet.fuse != 1
    return Replay(
        number,
        recorded,
        repetition.curve,
        list(_differences(recorded, repetition.curve, stacked)),
        [f"{key}: {record.get(key)} then, {here.get(key)} now" for key in PLATFORM if record.get(key) != here.get(key)],
        stacked,
    )


def _differences(recorded: list[Epoch], repeated: list[Epoch], stacked: bool) -> list[str]:
    found = []
    for then, now in zip(recorded, repeated, strict=False):
        for name in dict.fromkeys((*COMPARED, *then.extra)):
            before, after = then.quantity(name), now.quantity(name)
            if stacked and name == "train_loss" and before and after and math.isclose(before, after, rel_tol=1e-6):
                continue
            if before != after and (_is_finite(before) or _is_finite(after)):
                found.append(f"epoch {then.epoch}, {name}: {before!r} then, {after!r} now")
    if len(repeated) < len(recorded):
        found.append(f"{len(recorded)} epochs then, {len(repeated)} now")
    return found


def _is_finite(value: float | None) -> bool:
    """Return whether a figure is one that the storage keeps."""
    return value is not None and math.isfinite(value)
