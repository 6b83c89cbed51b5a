"""Before a search is paid for: which learning rates train at all, and whether the network can fit a few examples."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from winnow.objectives import registry, training
from winnow.objectives.data import loading
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data
from winnow.objectives.divergence import guessing_loss
from winnow.objectives.errors import Diverged
from winnow.objectives.hyperparameters import Config, change
from winnow.objectives.learner import Learner
from winnow.records import Epoch

FITTED = 0.98
"""The training accuracy at which a handful of examples is fitted: system D's check."""
UNREGULARISED = {
    **dict.fromkeys(("weight_decay", "l1", "l2", "label_smoothing", "dropout", "conv_dropout"), 0.0),
    **{"dropouts": (), "patience": 0},
}


@dataclass(frozen=True)
class RateRange:
    """A learning-rate range test (Smith, 2017): the loss while the rate rises from step to step."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """Of each step, smoothed, as a mean over the seeds; the test ends where the loss comes apart."""
    guessing: float
    """The loss of guessing."""

    @property
    def steepest(self) -> float:
        """The rate at which the loss falls fastest."""
        slopes = np.gradient(np.array(self.losses), np.log(np.array(self.rates)))
        return self.rates[int(slopes.argmin())]

    @property
    def lowest(self) -> float:
        """The rate at which the loss is lowest; above it training comes apart."""
        return self.rates[int(np.argmin(self.losses))]

    @property
    def learns(self) -> bool:
        """Whether some rate brought the loss a tenth below what it was at the smallest fifth of them."""
        return min(self.losses) < 0.9 * float(np.median(self.losses[: max(1, len(self.losses) // 5)]))

    @property
    def proposal(self) -> tuple[float, float]:
        """A range to search: from a hundredth of the lowest's rate to that rate."""
        return self.lowest / 100, self.lowest


@dataclass(frozen=True)
class Overfit:
    """Whether a network can fit a handful of examples, unregularised."""

    examples: int
    curve: tuple[Epoch, ...]
    diverged: str
    """Why the training was ended; empty where it was not."""

    @property
    def fitted(self) -> bool:
        """Whether it came to FITTED of the accuracy; in a regression to that share of the loss explained."""
        return bool(self.curve) and _fits(self.curve[-1], self.curve[0])


def rate_range(
    config: Config, data: Data, low: float = 1e-6, high: float = 10.0, steps: int = 120, seeds: int = 3
) -> RateRange:
    """Train `steps` steps, the rate rising from `low` to `high` by equal factors; raises ObjectiveError.

    Each of `seeds` networks sees the same rates; where one comes apart the test ends for all.
    """
    training.check(config, data)
    rates = np.geomspace(low, high, steps)
    runs = [_smoothed(list(_losses(change(config, seed=seed, compile="none"), data, rates))) for seed in range(seeds)]
    length = min(len(run) for run in runs)
    means = np.mean([run[:length] for run in runs], axis=0)
    return RateRange(tuple(rates[:length].tolist()), tuple(means.tolist()), guessing_loss(data))


def overfit(config: Config, spec: DataSpec, examples: int = 20, epochs: int = 300, device: str = "cpu") -> Overfit:
    """Train on `examples` of the data, at least one a class, with nothing that regularises; raises ObjectiveError."""
    few = loading.load(spec, device)
    examples = max(examples, few.classes)
    few = loading.load(dataclasses.replace(spec, train=examples), device)
    plain = {name: value for name, value in UNREGULARISED.items() if hasattr(config, name)}
    off = dict.fromkeys(registry.augmentation.switched_on(config), False)
    alone = change(config, **plain, **off, batch_size=min(config.batch_size, examples), epochs=epochs, passes=1)
    curve: list[Epoch] = []

    def until_fitted(epoch: Epoch, _: object) -> None:
        curve.append(epoch)
        if _fits(epoch, curve[0]):
            raise _Fitted

    diverged = ""
    try:
        training.train(alone, few, until_fitted)
    except _Fitted:
        pass
    except Diverged as error:
        diverged = str(error)
    return Overfit(examples, tuple(curve), diverged)


class _Fitted(Exception):
    """Nothing more is to be shown."""


def _fits(epoch: Epoch, first: Epoch) -> bool:
    if epoch.train_accuracy is not None:
        return epoch.train_accuracy >= FITTED
    return (epoch.train_loss or 0.0) <= (1 - FITTED) * (first.train_loss or 0.0)


def _losses(config: Config, data: Data, rates: NDArray[np.float64]) -> Iterator[float]:
    """Yield each step's training loss, until it is no number or above four times its lowest and guessing's."""
    learner = Learner(config, data)
    learner.model.train()
    orders = (torch.randperm(len(data.train.inputs), generator=learner.generators.order) for _ in itertools.count())
    batches = (batch for order in orders for batch in training.batches_of(config, order))
    most = math.inf
    for rate, batch in zip(rates.tolist(), batches, strict=False):
        learner.descent.set_lr(rate)
        learner.descent.begin()
        loss = learner.member.passes(batch.to(data.device))[0].item()
        if not math.isfinite(loss) or loss > most:
            return
        yield loss
        most = min(most, 4 * loss + learner.guessing)
        learner.descent.step(1)


def _smoothed(losses: Sequence[float], memory: float = 0.9) -> list[float]:
    """Return the exponential means, each over what came before it, without the pull towards 0 at the start."""
    mean, said = 0.0, []
    for place, loss in enumerate(losses, start=1):
        mean = memory * mean + (1 - memory) * loss
        said.append(mean / (1 - memory**place))
    return said
