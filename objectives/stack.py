"""Several trainings in step: their forward and backward passes are done as one.

A training is a generator that yields steps, and each is taken before it goes on. One that is alone has its network
called; those of one shape, whose batches are of one size, are a stack. Members come and go between two steps, and
neither their configurations nor their randomness know of each other: to each of them it is as if it were alone.
"""

import functools
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from winnow.objectives.compatibility import input_shape
from winnow.objectives.cuda_graphs import Replays, side_by_side
from winnow.objectives.evaluation import autocast
from winnow.objectives.models.imported_network import ImportedNetwork
from winnow.objectives.models.stacked import StackedNetwork
from winnow.objectives.models.stacked_own import StackedOwn, apart_because
from winnow.objectives.randomness import drawing_from
from winnow.objectives.steps import Member, Passed, Step, count_right

Training = Generator[Step | None, None, Any]
"""A training that waits for its steps to be taken; it yields None when an epoch has been reported."""
End = Callable[[Any], None]
"""Called with what a training returned, or with what it raised."""


def train_stack(
    trainings: Iterable[tuple[Training, End]], joining: Callable[[], Iterable[tuple[Training, End]]] = tuple
) -> None:
    """Take the steps of all until each has ended, which its `End` is told at once.

    After each epoch, and when none is left, `joining` is asked for those that come in. What goes wrong in the steps of
    a stack, for one because the device has no memory left, ends all its members.
    """
    stacks: dict[tuple[object, ...], _Stack] = {}
    running = [_Running(training, end) for training, end in trainings]
    while True:
        begun, running = running, [each for each in running if each.goes_on()]
        if len(running) < len(begun):  # what a stack of no one holds is given back
            shapes = {each.shape for each in running}
            stacks = {shape: stack for shape, stack in stacks.items() if shape in shapes}
        asking: dict[tuple[object, ...], list[_Running]] = {}
        for each in running:
            if each.request is not None:
                asking.setdefault((*each.shape, len(each.request.batch)), []).append(each)
        for those in asking.values():
            try:
                stack = stacks.setdefault(those[0].shape, _Stack())
                stack.take([each.request for each in those if each.request])
            except Exception as error:
                for each in those:
                    each.error = error
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


class _Stack:
    """The members of one shape that took their last step together, and their stacked network."""

    def __init__(self) -> None:
        self._members: list[Member] = []
        self._network: StackedNetwork | None = None
        self._runs_once: bool | None = None
        """Whether an imported network's code is run once for all; None before it was tried."""
        self._smoothing: Tensor | None = None
        self._replays: Replays | None = None
        """Their steps, where a GPU can replay them."""

    def take(self, steps: Sequence[Step]) -> None:
        """Take a step of each member."""
        members, batches = [step.member for step in steps], [step.batch for step in steps]
        if members != self._members:
            self._members, self._network, self._replays = members, None, None
            if all(step.can_be_replayed for step in steps):
                self._replays = self._replays_of(steps)
        if self._replays:
            self._replays.take(batches, functools.partial(self._take, steps))
        else:
            self._take(steps, batches)

    def _replays_of(self, steps: Sequence[Step]) -> Replays | None:
        """Return what replays their like; None for imported networks side by side, which share torch's generator."""
        match [step.member.model for step in steps]:
            case [ImportedNetwork(generator=torch.Generator() as generator)]:
                own = self._members[0].generators.values()
                return Replays(list(own), functools.partial(drawing_from, generator))
            case [ImportedNetwork(), *_]:
                return None
        return Replays([generator for member in self._members for generator in member.all_generators])

    def _take(self, steps: Sequence[Step], batches: Sequence[Tensor]) -> None:
        """Take such steps on these batches."""
        for step in steps:
            if step.gathered == 1:
                step.descent.begin()
        passes = zip(steps, self._passes(batches), strict=True)
        side_by_side([functools.partial(step.end, passed, len(batches[0])) for step, passed in passes])

    def _passes(self, batches: Sequence[Tensor]) -> list[Passed]:
        """Return what the passes of each member's batch came to, their gradients left in its model."""
        members = self._members
        if len(members) < 2:
            return [member.passes(batch) for member, batch in zip(members, batches, strict=True)]
        if self._network is None:
            self._network = self._network_of([member.model for member in members])
            # Once, not at each step: a copy from the host would wait for the device.
            self._smoothing = shares([member.config.label_smoothing for member in members], batches[0].device)
        index = torch.stack(list(batches))
        targets = members[0].data.train.targets[index]
        with autocast(members[0].config.precision, index.device):
            inputs, own = self._inputs(index)
            outputs = self._network(inputs)
        if all(member.is_plain for member in members):
            loss, plain = losses_of_each(outputs, targets, self._smoothing)
            right = count_right(outputs, targets)
        else:
            its = zip(outputs.unbind(0), targets.unbind(0), own, strict=True)
            each = side_by_side(
                [functools.partial(member.losses, *one) for member, one in zip(members, its, strict=True)]
            )
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
            asked = zip(self._members, index.unbind(0), strict=True)
            each = side_by_side([functools.partial(member.inputs, batch) for member, batch in asked])
            return torch.stack([inputs for inputs, _ in each]), [own for _, own in each]
        together = self._members[0].augmentation.batch(index.flatten(), {})
        return together.view(*index.shape, *together.shape[1:]), [None] * len(index)


class _Running:
    """A training on its way."""

    def __init__(self, training: Training, end: End) -> None:
        self.request: Step | None = None
        self.shape: tuple[object, ...] = ()
        """What the members of its stack have alike; nothing before its first step."""
        self.error: Exception | None = None
        self._training = training
        self._end = end

    def goes_on(self) -> bool:
        """Let it go on to its next request; False where it has ended."""
        try:
            if self.error is not None:
                self._training.throw(self.error)
            self.request = next(self._training)
            self.shape = self.request.member.shape if self.request else self.shape
        except StopIteration as stopped:
            self._end(stopped.value)
        except BaseException as error:
            self._end(error)
        else:
            return True
        return False
