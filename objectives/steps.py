"""One step of a training: what its passes need, what they come to, and whether the weights move by them."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.cuda_graphs import can_replay
from winnow.objectives.data.loading import Data
from winnow.objectives.data_parallel import ALONE, Ranks
from winnow.objectives.evaluation import autocast, losses, mixed_losses
from winnow.objectives.fused_optimizers import FusedOptimizer
from winnow.objectives.hyperparameters import Config, shape_of
from winnow.objectives.models.imported_network import ImportedNetwork
from winnow.objectives.models.layers import generators_of
from winnow.objectives.optimisation import Descent

Passed = tuple[Tensor, Tensor]
"""What a forward and backward pass came to: the mean loss without smoothing, and how many were right."""
NORM_BATCHES = 50
"""Of an epoch's, in which norms are measured again where other weights are judged than were trained."""


@dataclass(frozen=True, eq=False)
class Member:
    """What the passes of one training need."""

    config: Config
    data: Data
    model: nn.Module
    augmentation: Augmentation
    generators: Mapping[str, torch.Generator]
    class_weights: Tensor | None = None
    ranks: Ranks = ALONE

    @functools.cached_property
    def shape(self) -> tuple[object, ...]:
        """What the members of a stack have alike."""
        return shape_of(self.config)

    @functools.cached_property
    def is_plain(self) -> bool:
        """Whether each of its examples counts alike, and is what its label says."""
        return self.class_weights is None and not self.config.focal_gamma and not self.augmentation.mixes

    @property
    def all_generators(self) -> list[torch.Generator]:
        """What its passes draw from."""
        return [*self.generators.values(), *generators_of(self.model)]

    def passes(self, batch: Tensor) -> Passed:
        """Leave the gradients of the batch at these indices in the model; each of several ranks does its part."""
        part = self.ranks.part(batch)
        with autocast(self.config.precision, batch.device):
            inputs, own = self.inputs(part)
            outputs = self.model(inputs)
        loss, plain, right = self.losses(outputs, self.data.train.targets[part], own)
        if len(part) < len(batch):  # the mean over ranks of gradients, and the sum of losses, are the whole batch's
            loss, plain = loss * self.ranks.count * self._share(part, batch), plain * len(part) / len(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return plain.detach(), right

    def losses(self, outputs: Tensor, targets: Tensor, own: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean loss to minimise, the plain one, and how many were right; `own` is what `inputs` gave."""
        config = self.config
        if own is None:
            loss, plain = losses(outputs, targets, config.label_smoothing, self.class_weights, config.focal_gamma)
        else:
            loss, plain = mixed_losses(outputs, targets, own, config.label_smoothing, self.class_weights)
            targets = targets if targets.is_floating_point() else torch.where(own >= 0.5, targets, targets.roll(1))
        return loss, plain, count_right(outputs, targets)

    def _share(self, part: Tensor, batch: Tensor) -> float | Tensor:
        """Return how much of a batch's loss is a part's: as many examples, or as much weight of their classes."""
        if self.class_weights is None or self.augmentation.mixes:
            return len(part) / len(batch)
        of_each, targets = self.class_weights, self.data.train.targets
        return of_each[targets[part]].sum() / of_each[targets[batch]].sum()

    @torch.no_grad()
    def measure_norms(self, batches: Sequence[Tensor]) -> None:
        """Have the norms gather the statistics of the first batches, with the weights as they are."""
        parts = [self.ranks.part(batch) for batch in batches[:NORM_BATCHES]]
        self.augmentation.expect(parts)
        for part in parts:
            with autocast(self.config.precision, part.device):
                self.model(self.inputs(part)[0])

    def inputs(self, batch: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the inputs at these indices as they are trained on, and of mixed ones the share that is their own."""
        inputs = self.augmentation.batch(batch, self.generators)
        return self.augmentation.mix(inputs, self.generators) if self.augmentation.mixes else (inputs, None)


class Tally:
    """What the steps of an epoch have come to: on the device, until somebody reads it."""

    def __init__(self, device: torch.device) -> None:
        self.loss = torch.zeros((), device=device)
        """The sum over examples of the loss without smoothing."""
        self.right = torch.zeros((), device=device, dtype=torch.int64)

    def begin(self) -> None:
        """Begin an epoch."""
        self.loss.zero_()
        self.right.zero_()

    def count(self, passed: Passed, examples: int) -> None:
        """Count a batch of so many."""
        loss, right = passed
        self.loss += loss * examples
        self.right += right


@dataclass(eq=False, slots=True)
class Step:
    """What a training asks for: the passes of a batch, and what becomes of their gradients."""

    member: Member
    descent: Descent
    tally: Tally
    batch: Tensor
    """Indices int64 (B,)."""
    gathered: int
    """How many batches' gradients there are with this one; the first begins anew."""
    moves: bool
    """Whether the weights move by them."""

    def end(self, passed: Passed, examples: int) -> None:
        """Count what the passes of so many examples came to, and move the weights."""
        self.tally.count(passed, examples)
        if self.moves:
            self.descent.step(self.gathered)

    @property
    def can_be_replayed(self) -> bool:
        """Whether such steps are alike, and nothing of them is read or decided by the host.

        Of an imported network's own code nobody knows, so that its user has to say it.
        """
        config, model = self.member.config, self.member.model
        return (
            can_replay(self.batch.device)
            and self.member.ranks.count == config.accumulate == 1
            and isinstance(self.descent.optimizer, FusedOptimizer)
            and isinstance(self.member.data.train.inputs, Tensor)
            and (not isinstance(model, ImportedNetwork) or (config.compile == "graphs" and not model.draws_elsewhere))
        )


def count_right(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return how many of the batch are told right: outputs (…, batch, classes) in, int64 (…) out.

    Zero in a regression.
    """
    if targets.is_floating_point():
        return torch.zeros(outputs.shape[:-2], dtype=torch.int64, device=outputs.device)
    return (outputs.detach().argmax(-1) == targets).sum(-1)
