"""When a training cannot recover: its loss is no number, has exploded, or its accuracy stays at chance."""

import itertools
import math
from collections.abc import Sequence

import torch

from winnow.objectives.data.loading import Data
from winnow.objectives.errors import Diverged
from winnow.records import Epoch

EXPLODED = 20.0
"""How many times the loss of guessing counts as exploded, as a mean over up to fifty steps.

Of 70 trainings (digits and Fashion-MNIST; MLP, CNN, SmallNet; SGD, Adam; rates 0.01 to 10) no epoch of those that
learned was above 6.2 times, and none of the 28 with an epoch above 20 left chance within six epochs.
"""
STUCK_EPOCHS = 5
STUCK_STEPS = 200
"""How long accuracy must stay at chance: five epochs, and two hundred steps where epochs are short."""


def guessing_loss(data: Data) -> float:
    """Return the training loss of the best blind answer: the classes' entropy, or the targets' mean square."""
    targets = data.train.targets.cpu()  # in float64, which not every accelerator has
    if not data.classes:
        return float(targets.double().square().mean())
    shares = torch.bincount(targets, minlength=data.classes).double() / len(targets)
    return float(torch.special.entr(shares).sum())


def check_loss(loss: float, guessing: float, what: str, when: str) -> None:
    """Raise Diverged where `loss` is no number or has exploded beyond the loss of guessing."""
    if not math.isfinite(loss):
        raise Diverged(f"the {what} loss is {loss} {when}")
    if loss > EXPLODED * guessing:
        raise Diverged(f"the {what} loss is {loss:.4g} {when}, and guessing gives {guessing:.4g}")


def check_movement(curve: Sequence[Epoch], data: Data, steps_per_epoch: int) -> None:
    """Raise Diverged where both accuracies have stayed at chance while the training loss fell no more.

    A run that is slow but learns is told by its loss: it still falls, a thousandth of the loss of guessing below its
    best before, or a little every epoch.
    """
    span = max(STUCK_EPOCHS, math.ceil(STUCK_STEPS / steps_per_epoch))
    if not data.classes or len(curve) <= span:
        return
    recent = curve[-span:]
    if max(epoch.train_accuracy or 0.0 for epoch in recent) > chance(data.train.targets):
        return
    if max(epoch.validation_accuracy or 0.0 for epoch in recent) > chance(data.validation.targets):
        return
    losses = [epoch.train_loss or 0.0 for epoch in curve]
    fell = min(losses[-span:]) < min(losses[:-span]) - guessing_loss(data) / 1000
    falls = all(later < earlier for earlier, later in itertools.pairwise(losses[-span - 1 :]))
    if not fell and not falls:
        raise Diverged(
            f"accuracy has stayed at chance for {span} epochs ({curve[-1].train_accuracy:.3f} of the training data in "
            f"epoch {len(curve)}) and the training loss at {losses[-1]:.4g}"
        )


def chance(targets: torch.Tensor) -> float:
    """Return the accuracy that guessing may reach: the share of the largest class and three standard errors."""
    share = float(torch.bincount(targets).max()) / len(targets)
    return share + 3 * math.sqrt(share * (1 - share) / len(targets))
