"""Several trainings in step: their forward and backward passes are done as one.

A training is a generator that yields a batch and is sent what its passes came to. One that is alone has its network
called; those of one shape, whose batches are of one size, are a stack. Members come and go between two steps, and
neither their configurations nor their randomness know of each other: to each of them it is as if it were alone.
"""

import functools
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.compatibility import input_shape
from winnow.objectives.data.loading import Data
from winnow.objectives.data_parallel import ALONE, Ranks
from winnow.objectives.evaluation import autocast, losses, mixed_losses
from winnow.objectives.hyperparameters import Config, shape_of
from winnow.objectives.models.imported_network import ImportedNetwork
from winnow.objectives.models.stacked import StackedNetwork
from winnow.objectives.models.stacked_own import StackedOwn, apart_because

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


Training = Generator[tuple[Member, Tensor] | None, Passed, Any]
"""A training that waits for its passes: it yields itself and a batch, and None when an epoch has been reported."""
End = Callable[[Any], None]
"""Called with what a training returned, or with what it raised."""


def train_stack(
    trainings: Iterable[tuple[Training, End]], joining: Callable[[], Iterable[tuple[Training, End]]] = tuple
) -> None:
    """Do the passes of all until each has ended, which its `End` is told at once.

    After each epoch, and when none is left, `joining` is asked for those that come in. What goes wrong in the passes of
    a stack, for one because the device has no memory left, ends all its members.
    """
    stacks: dict[tuple[object, ...], _Stack] = {}
    running = [_Running(training, end) for training, end in trainings]
    while True:
        running = [each for each in running if each.goes_on()]
        asking: dict[tuple[object, ...], list[_Running]] = {}
        for each in running:
            if each.request is not None:
                member, batch = each.request
                asking.setdefault((*member.shape, len(batch)), []).append(each)
        for key, those in asking.items():
            stack = stacks.setdefault(key[:-1], _Stack())
            try:
                passes = stack.passes([each.request for each in those])
            except Exception as error:
                for each in those:
                    each.error = error
            else:
                for each, passed in zip(those, passes, strict=True):
                    each.passed = passed
        if sum(map(len, asking.values())) < len(running) or not running:
            running += [_Running(training, end) for training, end in joining()]
            if not running:
                return


class Stacks:
    """Trainings that several threads ask for, done in step by a thread of their own."""

    def __init__(self) -> None:
        self._coming: queue.SimpleQueue[tuple[Training, End]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="stacks", daemon=True).start()

    def do(self, training: Training) -> Any:
        """Do a training beside those of other threads: return what it returns, or raise what it raises."""
        ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._coming.put((training, ended.put))
        end = ended.get()
        if isinstance(end, BaseException):
            raise end
        return end

    def _work(self) -> None:
        while True:
            train_stack([self._coming.get()], self._come)

    def _come(self) -> Iterable[tuple[Training, End]]:
        while not self._coming.empty():
            yield self._coming.get()


def losses_of_each(outputs: Tensor, targets: Tensor, smoothing: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return what `losses` does of each member: outputs and targets (members, batch, …) in, (members,) out.

    `smoothing` is what `shares` made of their label smoothing. The gradients are the same to the bit; the mean itself
    is summed in another order.
    """
    if targets.is_floating_point():
        squared = F.mse_loss(outputs.float(), targets, reduction="none").flatten(1).mean(1)
        return squared, squared
    log_p = F.log_softmax(outputs.float(), 2)
    each = F.nll_loss(log_p.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
    plain = each.sum(1) / targets.shape[1]
    if smoothing is None:
        return plain, plain
    kept, spread = smoothing
    return kept * plain - spread * log_p.mean((1, 2)), plain


def shares(smoothing: Sequence[float], device: torch.device) -> Tensor | None:
    """Return what each member's target keeps, and what all classes share: float32 (2, members).

    None where nobody smooths.
    """
    return torch.tensor([[1 - share for share in smoothing], smoothing], device=device) if any(smoothing) else None


def count_right(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return how many of the batch are told right: outputs (…, batch, classes) in, int64 (…) out.

    Zero in a regression.
    """
    if targets.is_floating_point():
        return torch.zeros(outputs.shape[:-2], dtype=torch.int64, device=outputs.device)
    return (outputs.detach().argmax(-1) == targets).sum(-1)


class _Stack:
    """The members of one shape that had their last passes together, and their stacked network."""

    def __init__(self) -> None:
        self._members: list[Member] = []
        self._network: StackedNetwork | None = None
        self._runs_once: bool | None = None
        """Whether an imported network's code is run once for all; None before it was tried."""
        self._smoothing: Tensor | None = None

    def passes(self, asked: Sequence[Any]) -> list[Passed]:
        """Return what the passes of each member's batch came to, their gradients left in its model."""
        members: list[Member] = [member for member, _ in asked]
        batches: list[Tensor] = [batch for _, batch in asked]
        if len(members) < 2:
            return [member.passes(batch) for member, batch in asked]
        if self._network is None or members != self._members:
            self._members = members
            self._network = self._network_of([member.model for member in members])
            # Once, not at each step: a copy from the host would wait for the device.
            self._smoothing = shares([member.config.label_smoothing for member in members], batches[0].device)
        index = torch.stack(batches)
        targets = members[0].data.train.targets[index]
        with autocast(members[0].config.precision, index.device):
            inputs, own = self._inputs(index)
            outputs = self._network(inputs)
        if all(member.is_plain for member in members):
            loss, plain = losses_of_each(outputs, targets, self._smoothing)
            right = count_right(outputs, targets)
        else:
            parts = zip(members, outputs.unbind(0), targets.unbind(0), own, strict=True)
            each = [member.losses(answers, labels, share) for member, answers, labels, share in parts]
            loss, plain, right = map(torch.stack, zip(*each, strict=True))
        loss.sum().backward()  # type: ignore[no-untyped-call]
        self._network.hand_out_gradients()
        return list(zip(plain.detach().unbind(0), right.unbind(0), strict=True))

    def _network_of(self, networks: Sequence[nn.Module]) -> StackedNetwork:
        first = self._members[0]
        if self._runs_once is None:
            shape = input_shape(first.config, first.data.shape)
            self._runs_once = isinstance(first.model, ImportedNetwork) and not apart_because(first.model, shape)
        return StackedOwn(networks) if self._runs_once else StackedNetwork(networks)

    def _inputs(self, index: Tensor) -> tuple[Tensor, Sequence[Tensor | None]]:
        """Return the examples at index (members, batch), each member's by its own augmentation, and their shares."""
        if any(member.augmentation.draws for member in self._members):
            each = [member.inputs(batch) for member, batch in zip(self._members, index.unbind(0), strict=True)]
            return torch.stack([inputs for inputs, _ in each]), [own for _, own in each]
        together = self._members[0].augmentation.batch(index.flatten(), {})
        return together.view(*index.shape, *together.shape[1:]), [None] * len(index)


class _Running:
    """A training on its way."""

    def __init__(self, training: Training, end: End) -> None:
        self.request: tuple[Member, Tensor] | None = None
        self.passed: Passed | None = None
        self.error: Exception | None = None
        self._training = training
        self._end = end

    def goes_on(self) -> bool:
        """Let it go on to its next request; False where it has ended."""
        passed, self.passed = self.passed, None
        try:
            if self.error is not None:
                self._training.throw(self.error)
            self.request = next(self._training) if passed is None else self._training.send(passed)
        except StopIteration as stopped:
            self._end(stopped.value)
        except BaseException as error:
            self._end(error)
        else:
            return True
        return False
