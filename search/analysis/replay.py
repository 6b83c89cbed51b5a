"""`winnow replay STUDY N`: train a recorded trial again and compare, epoch by epoch, bit by bit."""

import contextlib
from dataclasses import dataclass
from typing import Any

from winnow.errors import StudyError
from winnow.records import CONFIG, TRAINING, Epoch
from winnow.search.study.study import WinnowStudy, refuse_other_training
from winnow.storage import epochs

COMPARED = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "lr", "weight_norm")
PLATFORM = ("device", "threads", "float32_matmul", "precision", "torch", "cpu")


@dataclass(frozen=True)
class Replay:
    """A curve and its repetition."""

    number: int
    recorded: list[Epoch]
    repeated: list[Epoch]
    differences: list[str]
    """Where the two part, in words; empty where they are the same to the bit."""
    platform_differences: list[str]
    """What differs between that machine and this one: with any, the same bits are not promised."""

    @property
    def identical(self) -> bool:
        """Whether every figure of every epoch is the same to the bit."""
        return not self.differences


class _Enough(Exception):
    """As many epochs as the record has are trained."""


def replay(study: WinnowStudy, number: int, device: str = "cpu") -> Replay:
    """Train trial `number` again from its record, for as many epochs as it had; raises StudyError."""
    import torch

    from winnow.objectives import training
    from winnow.objectives.data import loading
    from winnow.objectives.hyperparameters import make_config

    if not study.spec.built_in:
        raise StudyError(
            f"the study {study.name!r} has an objective of its own, whose trials Winnow cannot repeat",
            "run the objective itself with the trial's parameters",
        )
    refuse_other_training(study)
    trials = study.optuna.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        raise StudyError(f"the study {study.name!r} has no trial {number}", f"it has trials 0 to {len(trials) - 1}")
    attributes = trials[number].user_attrs
    recorded = epochs.read(study.storage.database, study.study_id).get(number, [])
    if CONFIG not in attributes or not recorded:
        raise StudyError(f"trial {number} has no recorded epoch", "choose one that has trained")
    data = loading.load(study.spec.data_spec, device)
    record = attributes[TRAINING]
    if data.fingerprint != record["data_fingerprint"]:
        raise StudyError(
            f"the data are not those of trial {number}: {data.fingerprint}, not {record['data_fingerprint']}",
            "bring back the data that the study was made with",
        )
    torch.set_num_threads(int(record["threads"]))
    here = training.platform_record(data)
    repeated: list[Epoch] = []

    def collect(epoch: Epoch, snapshot: Any) -> None:
        repeated.append(epoch)
        if len(repeated) == len(recorded):
            raise _Enough

    with contextlib.suppress(_Enough):
        training.train(make_config(attributes[CONFIG]), data, collect)
    return Replay(
        number,
        recorded,
        repeated,
        list(_differences(recorded, repeated)),
        [f"{key}: {record[key]} then, {here.get(key)} now" for key in PLATFORM if record.get(key) != here.get(key)],
    )


def _differences(recorded: list[Epoch], repeated: list[Epoch]) -> list[str]:
    found = []
    for then, now in zip(recorded, repeated, strict=False):
        for name in COMPARED:
            before, after = getattr(then, name), getattr(now, name)
            if before != after:
                found.append(f"epoch {then.epoch}, {name}: {before!r} then, {after!r} now")
    if len(repeated) < len(recorded):
        found.append(f"{len(recorded)} epochs then, {len(repeated)} now")
    return found
