"""When a training cannot recover: its loss is no number, has exploded, or its accuracy stays at chance."""

import itertools
import math
from collections.abc import Sequence

import torch

from winnow.objectives.data.loading import Data
from winnow.objectives.errors import Diverged
from winnow.objectives.evaluation import class_weights_of
from winnow.objectives.hyperparameters import Config
from winnow.records import NOTHING_LEARNED, Epoch

EXPLODED = 20.0
"""How many times the loss of guessing counts as exploded, as a mean over up to fifty steps.

Of 70 trainings (digits and Fashion-MNIST; MLP, CNN, SmallNet; SGD, Adam; rates 0.01 to 10) no epoch of those that
learned was above 6.2 times, and none of the 28 with an epoch above 20 left chance within six epochs.
"""
STUCK_EPOCHS = 5
STUCK_STEPS = 200
"""How long accuracy must stay at chance: five epochs, and two hundred steps where epochs are short."""


def guessing_loss(data: Data, config: Config | None = None) -> float:
    """Return the plain loss of the best blind answer: the entropy of the classes, or the targets' mean square.

    Weighted classes, smoothed labels and balanced sampling make another blind answer the best to the training's own
    loss, of which each class has a share ∝ w ((1 - ε) p + ε / classes). Of the focal loss it is taken to be even.
    """
    targets = data.train.targets.cpu()  # in float64, which not every accelerator has
    if not data.classes:
        return float(targets.double().square().mean())
    shares = torch.bincount(targets, minlength=data.classes).double() / len(targets)
    answer = shares
    if config is not None:
        even, smoothing = shares.sign() / shares.sign().sum(), config.label_smoothing
        weights = class_weights_of(config, data)
        answer = even if config.balanced_sampling or config.focal_gamma else shares
        answer = (1 - smoothing) * answer + smoothing / data.classes
        answer = answer if weights is None else answer * weights.cpu().double()
    return float(-torch.special.xlogy(shares, answer / answer.sum()).sum())


def guessing_accuracy(data: Data) -> float | None:
    """Return the accuracy of always saying the largest class of the training data; None in a regression."""
    targets = data.train.targets
    return float(torch.bincount(targets).max()) / len(targets) if data.classes else None


def check_loss(loss: float, guessing: float, what: str, when: str) -> None:
    """Raise Diverged where `loss` is no number or has exploded beyond the loss of guessing."""
    if not math.isfinite(loss):
        raise Diverged(f"the {what} loss is {loss} {when}")
    if loss > EXPLODED * guessing:
        raise Diverged(f"the {what} loss is {loss:.4g} {when}, and guessing gives {guessing:.4g}")


def check_movement(curve: Sequence[Epoch], data: Data, steps_per_epoch: int, guessing: float) -> None:
    """Raise Diverged where both accuracies and the training loss have stayed at chance, and the loss fell no more.

    A run that is slow but learns is told by its loss: it still falls, a thousandth of the loss of `guessing` below its
    best before, or a little every epoch. So is one that learns few examples of a rare class: its accuracy may be
    less than that of the largest class.
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
    if min(losses[-span:]) < NOTHING_LEARNED * guessing:
        return
    fell = min(losses[-span:]) < min(losses[:-span]) - guessing / 1000
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
