"""Learning curves, read aloud: which of the known shapes a training's curves have, by which numbers, and what to try.

Every rule is arithmetic on the epochs that were recorded, stated at its function; what no rule shows is not said. A
curve must move by more than its own jumps from epoch to epoch to count as rising or falling: `_jump`, a robust
deviation of an epoch from the line through its neighbours.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.records import NOTHING_LEARNED, Epoch
from winnow.search.analysis.study_record import StudyRecord, TrialRecord

FEWEST = 4
"""With fewer epochs a curve has no shape, unless its training diverged or, from two on, stands at chance."""
_ENDED_AT_CHANCE = "stayed at chance"
"""In the reason of a training that was ended for that, not for a loss that is no number or exploded."""


class Shape(StrEnum):
    """What a curve may show; of several, the first decides what to try next."""

    DIVERGENCE = "divergence"
    CHANCE = "at chance"
    PLATEAU = "plateau"
    UNDERFITTING = "underfitting"
    OVERFITTING = "overfitting"
    LOSS_RISES = "loss rises while accuracy rises"
    NOISE = "noise"
    UNFINISHED = "still improving"


@dataclass(frozen=True)
class Reading:
    """What the curves of one trial show: each shape with a sentence of numbers."""

    found: Mapping[Shape, str]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes, in the order of `Shape`."""
        return tuple(shape for shape in Shape if shape in self.found)

    @property
    def words(self) -> str:
        """The shapes in short, for a table's cell; empty where there are none."""
        return ", ".join(self.shapes)

    @property
    def sentences(self) -> list[str]:
        """One sentence a shape."""
        return [self.found[shape] for shape in self.shapes]


def read(trial: TrialRecord) -> Reading:
    """Return what the curves of a trial show; nothing where it recorded too few epochs to say."""
    curve = [epoch for epoch in trial.curve if math.isfinite(epoch.value)]
    if trial.diverged and _ENDED_AT_CHANCE in trial.reason:
        return Reading({Shape.CHANCE: f"At chance: {trial.reason.removeprefix('diverged: ')}."})
    told = _divergence(trial, curve)
    if told:
        return Reading({Shape.DIVERGENCE: told})
    if len(curve) < FEWEST:
        at_chance = _chance(curve, trial.training) if len(curve) > 1 else ""
        return Reading({Shape.CHANCE: at_chance} if at_chance else {})
    said = {shape: rule(curve, trial.training) for shape, rule in _RULES.items()}
    found = {shape: sentence for shape, sentence in said.items() if sentence}
    for stronger, weaker in _EXCLUDED:
        if stronger in found:
            found.pop(weaker, None)
    return Reading(found)


def count(record: StudyRecord) -> dict[Shape, list[int]]:
    """Return the numbers of the finished trials whose curves have each shape; shapes that none has are left out."""
    read_all = {trial.number: read(trial) for trial in record.finished}
    counted = {shape: [number for number, reading in read_all.items() if shape in reading.found] for shape in Shape}
    return {shape: numbers for shape, numbers in counted.items() if numbers}


# --- the rules


def _divergence(trial: TrialRecord, curve: Sequence[Epoch]) -> str:
    """The training was ended as one that cannot recover, or its last training loss is twice that of its first epoch."""
    if trial.diverged:
        return f"Divergence: {trial.reason.removeprefix('diverged: ')}."
    losses = _known(curve, "train_loss")
    if len(losses) > 1 and losses[-1] > 2 * losses[0]:
        return f"Divergence: the training loss rose from {losses[0]:.3g} to {losses[-1]:.3g}."
    return ""


def _chance(curve: Sequence[Epoch], training: Mapping[str, Any]) -> str:
    """Training and validation loss at the end are both above NOTHING_LEARNED times the loss of guessing.

    And neither accuracy is above that of guessing by a quarter of what is missing to 1: a network that has just begun
    to learn is seldom sure.
    """
    guessing, accuracy = training.get("guessing_loss"), training.get("guessing_accuracy")
    train, validation = _end(curve, "train_loss"), _end(curve, "validation_loss")
    if not guessing or math.isnan(train + validation) or min(train, validation) < NOTHING_LEARNED * guessing:
        return ""
    right = np.fmax(_end(curve, "train_accuracy"), _end(curve, "validation_accuracy"))
    if accuracy is not None and right > accuracy + (1 - accuracy) / 4:
        return ""
    return f"At chance: the training loss is {train:.3g} at the end, and guessing gives {guessing:.3g}."


def _plateau(curve: Sequence[Epoch], training: Mapping[str, Any]) -> str:
    """The training loss stands still for a quarter of the epochs (five at least) with much of its fall still to come.

    Still: within a fiftieth of all that it falls. Much: more than a fifth of it.
    """
    losses = _known(curve, "train_loss")
    span, fall = max(5, len(curve) // 4), float(np.ptp(losses)) if len(losses) else 0.0
    if len(losses) <= span or not fall > 3 * _jump(losses):
        return ""
    still = [
        start
        for start in range(len(losses) - span)
        if np.ptp(losses[start : start + span + 1]) < fall / 50 and losses[start] - losses.min() > fall / 5
    ]
    if not still:
        return ""
    first, last = still[0] + 1, still[-1] + span + 1
    return (
        f"Plateau: from epoch {first} to {last} the training loss stood at {losses[first - 1]:.3g}, and it came to "
        f"{losses.min():.3g} later."
    )


def _underfitting(curve: Sequence[Epoch], training: Mapping[str, Any]) -> str:
    """Training and validation loss end above half the loss of guessing, and validation is within a tenth of it.

    Training's alone is that high where images are mixed or changed much, though the network fits. Both are where labels
    are smoothed much or classes weighted, though nine tenths of every class are known on the mean.
    """
    guessing = training.get("guessing_loss")
    train, validation = _end(curve, "train_loss"), _end(curve, "validation_loss")
    if not guessing or math.isnan(train + validation) or min(train, validation) < guessing / 2:
        return ""
    if _end(curve, "balanced_accuracy") > 0.9:
        return ""
    if validation > train + guessing / 10:
        return ""
    return (
        f"Underfitting: the training loss is {train:.3g} at the end, more than half of what guessing gives "
        f"({guessing:.3g}), and validation is no worse ({validation:.3g})."
    )


def _overfitting(curve: Sequence[Epoch], training: Mapping[str, Any]) -> str:
    """The validation loss ends above its lowest, by more than three jumps and a twentieth, and training's below.

    Or where it does not rise: the training accuracy ends more than 0.1 above that of validation.
    """
    rise = _rise(curve)
    if rise and _end(curve, "train_loss") < _at(curve, rise.lowest_at, "train_loss"):
        return (
            f"Overfitting: from epoch {rise.lowest_at} on the validation loss rose from {rise.lowest:.3g} to "
            f"{rise.end:.3g}, while the training loss fell to {_end(curve, 'train_loss'):.3g}."
        )
    train, validation = _end(curve, "train_accuracy"), _end(curve, "validation_accuracy")
    if train - validation > 0.1:
        return (
            f"Overfitting: training accuracy ends at {train:.3f} and validation accuracy at {validation:.3f}, "
            f"{train - validation:.3f} below."
        )
    return ""


def _loss_rises(curve: Sequence[Epoch], training: Mapping[str, Any]) -> str:
    """The validation loss rises as in overfitting, and accuracy is above that of the lowest loss by two jumps."""
    rise, accuracies = _rise(curve), _known(curve, "validation_accuracy")
    if not rise or len(accuracies) < FEWEST:
        return ""
    then, now = _at(curve, rise.lowest_at, "validation_accuracy"), _end(curve, "validation_accuracy")
    if not now - then > max(0.005, 2 * _jump(accuracies)):
        return ""
    return (
        f"Loss rises while accuracy rises: since epoch {rise.lowest_at} the validation loss went from "
        f"{rise.lowest:.3g} to {rise.end:.3g} and the accuracy from {then:.3f} to {now:.3f}: the network is more often "
        "right, and surer where it is wrong."
    )


def _noise(curve: Sequence[Epoch], training: Mapping[str, Any]) -> str:
    """Validation jumps from epoch to epoch by more than a tenth of all that it moves in the training."""
    values = np.array([epoch.value for epoch in curve])
    jump, moved = _jump(values), float(np.ptp(values))
    if len(values) < 2 * FEWEST or not jump > moved / 10:
        return ""
    return f"Noise: the validation curve jumps by about {jump:.2g} from epoch to epoch and moves {moved:.2g} in all."


def _unfinished(curve: Sequence[Epoch], training: Mapping[str, Any]) -> str:
    """The mean validation loss of the last fifth lies below that of the fifth before by two jumps and a fiftieth."""
    losses = _known(curve, "validation_loss")
    span = max(2, len(losses) // 5)
    if len(losses) < 2 * span:
        return ""
    before, last = float(losses[-2 * span : -span].mean()), float(losses[-span:].mean())
    if not before - last > max(2 * _jump(losses) / math.sqrt(span), before / 50):
        return ""
    return f"Still improving: over the last {span} epochs the validation loss went from {before:.3g} to {last:.3g}."


_RULES: Mapping[Shape, Callable[[Sequence[Epoch], Mapping[str, Any]], str]] = {
    Shape.CHANCE: _chance,
    Shape.PLATEAU: _plateau,
    Shape.UNDERFITTING: _underfitting,
    Shape.OVERFITTING: _overfitting,
    Shape.LOSS_RISES: _loss_rises,
    Shape.NOISE: _noise,
    Shape.UNFINISHED: _unfinished,
}
_EXCLUDED = (
    (Shape.CHANCE, Shape.UNDERFITTING),
    (Shape.CHANCE, Shape.OVERFITTING),
    (Shape.OVERFITTING, Shape.UNFINISHED),
)
"""Which shape is not said where another is: of two that would say the same, or that contradict each other."""


# --- what to try next: the courses' rules of thumb


def advice(trial: TrialRecord, reading: Reading) -> str:
    """Return in one sentence what the courses' rules of thumb would try after this training; empty without a shape."""
    config = trial.config
    penalised = [name for name in ("l1", "l2", "weight_decay", "dropout", "conv_dropout") if config.get(name)]
    match next(iter(reading.shapes), None):
        case Shape.DIVERGENCE:
            return "Try next: a tenth of the learning rate; Adam at 1e-3 is the first to try."
        case Shape.CHANCE | Shape.UNDERFITTING if (
            config.get("label_smoothing") and config.get("class_weights", "none") != "none"
        ):
            return (
                "Try next: label smoothing or class weights, not both: the weights count the smoothed part of a label "
                "too, and may make a rare class the larger part of every label."
            )
        case Shape.CHANCE | Shape.UNDERFITTING if penalised:
            return (
                f"Try next: less of {', '.join(penalised)}, so that λ times the penalty stays below the loss; first "
                "fit the training data without."
            )
        case Shape.CHANCE | Shape.PLATEAU:
            start = "Glorot's" if config.get("activation") == "tanh" else "He's"
            return (
                f"Try next: Adam at 1e-3, and {start} initialisation, BatchNorm or shortcuts where the network is deep."
            )
        case Shape.UNDERFITTING:
            return (
                "Try next: more epochs, a larger learning rate or a larger network; winnow overfit says if it can fit."
            )
        case Shape.OVERFITTING | Shape.LOSS_RISES:
            return f"Try next: {_against_overfitting(config)}."
        case Shape.NOISE:
            return "Try next: a larger batch or a smaller learning rate, or drop it by ten in three steps."
        case Shape.UNFINISHED:
            return "Try next: more epochs, for it was still improving at the last."
    return ""


def _against_overfitting(config: Mapping[str, Any]) -> str:
    stop = "more data" if config.get("patience") else "early stopping (patience)"
    if config.get("conv_dropout") and config.get("conv_dropout_kind") == "dropout":
        return f"DropBlock in place of dropout between convolutions, which it does not suit, and {stop}"
    dense = config.get("model") == "mlp" or config.get("hidden")
    if dense and not (config.get("dropout") or config.get("dropouts")):
        where = "after the convolutions, in the dense layers" if config.get("model") != "mlp" else "in the dense layers"
        return f"dropout {where}, and {stop}"
    if not any(config.get(name) for name in ("flip", "crop", "rotation", "affine", "color_jitter")):
        return f"augmentation, label smoothing or weight decay, and {stop}"
    return f"more weight decay with λ times the penalty below the loss, and {stop}"


# --- arithmetic on curves


@dataclass(frozen=True)
class _Rise:
    lowest_at: int
    """The epoch, as it counts itself."""
    lowest: float
    end: float


def _rise(curve: Sequence[Epoch]) -> _Rise | None:
    """How the validation loss rose after its lowest; None where that is within its jumps or a twentieth."""
    losses = _known(curve, "validation_loss")
    if len(losses) < FEWEST:
        return None
    span = _tenth(losses)
    smooth = np.convolve(losses, np.full(span, 1 / span), "valid")  # or the lowest of many jumps would be the lowest
    place, end = int(smooth.argmin()), _end(curve, "validation_loss")
    if not end - smooth[place] > max(3 * _jump(losses), smooth[place] / 20):
        return None
    return _Rise(curve[place + span // 2].epoch, float(smooth[place]), end)


def _known(curve: Sequence[Epoch], quantity: str) -> NDArray[np.float64]:
    """The values of a quantity, epoch by epoch; none at all where one is missing."""
    values = [epoch.quantity(quantity) for epoch in curve]
    whole = all(value is not None and math.isfinite(value) for value in values)
    return np.array(values if whole else [], dtype=np.float64)


def _end(curve: Sequence[Epoch], quantity: str) -> float:
    """The mean over the last tenth of the epochs; NaN where it was not recorded."""
    values = _known(curve, quantity)
    return float(values[-_tenth(values) :].mean()) if len(values) else math.nan


def _tenth(values: NDArray[np.float64]) -> int:
    return max(1, len(values) // 10)


def _at(curve: Sequence[Epoch], number: int, quantity: str) -> float:
    value = next((getattr(epoch, quantity) for epoch in curve if epoch.epoch == number), None)
    return math.nan if value is None else float(value)


def _jump(values: NDArray[np.float64]) -> float:
    """A robust deviation of one epoch from the line through its neighbours; 0 for fewer than three."""
    if len(values) < 3:
        return 0.0
    bends = np.abs(values[1:-1] - (values[:-2] + values[2:]) / 2)
    # Of independent normal noise the median bend is 0.6745 √1.5 deviations.
    return float(np.median(bends)) / 0.826
