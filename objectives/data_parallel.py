"""Several processes that train one configuration, each with its own device, by torch's distributed data parallel.

All of them draw the same order, and each takes its part of every batch; gradients are averaged, sums are added up, so
that every rank comes to the same weights and the same figures. One process alone is a `Ranks` of one, to which all of
this is nothing.
"""

import socket
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from winnow.objectives.data.loading import Split
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.models.imported_network import ImportedNetwork
from winnow.objectives.randomness import Generators


@dataclass(frozen=True)
class Ranks:
    """The processes of a training, as one of them sees them."""

    rank: int = 0
    count: int = 1

    def part(self, batch: Tensor) -> Tensor:
        """Return this rank's part of a batch of indices."""
        return batch if self.count == 1 else batch[self.rank :: self.count]

    def split(self, split: Split) -> Split:
        """Return this rank's part of a split: each example is in one of them."""
        if self.count == 1:
            return split
        if len(split.targets) < self.count:
            raise ObjectiveError(f"{len(split.targets)} examples to evaluate are not one for each device", "give more")
        mine = slice(self._first(self.rank, len(split.targets)), self._first(self.rank + 1, len(split.targets)))
        return Split(split.inputs[mine], split.targets[mine])

    def network(self, model: nn.Module) -> nn.Module:
        """Return what is called in `model`'s place in training, so that its gradients are the mean over all ranks."""
        if self.count == 1:
            return model
        # Nobody knows whether somebody else's network uses all of its weights in every step. Where torch looks, it also
        # keeps the order of its sums, which it would settle anew after the first step: of three or more numbers the sum
        # depends on their order, and a training that goes on would come to other bits.
        looks = isinstance(model, ImportedNetwork) or self.count > 2
        with warnings.catch_warnings():  # torch 2.14 has another name for this, which 2.9 does not know
            warnings.simplefilter("ignore", FutureWarning)
            return DistributedDataParallel(model, broadcast_buffers=False, find_unused_parameters=looks)

    def begin_epoch(self, generators: Generators, seed: int, number: int) -> None:
        """Let no rank draw what another draws: dropout and augmentation begin anew, by rank and epoch."""
        if self.count > 1:
            generators.begin_anew(seed, f"of rank {self.rank} in epoch {number}")

    def total(self, part: Tensor) -> Tensor:
        """Return the sum over all ranks."""
        if self.count == 1:
            return part
        whole = part.clone()
        dist.all_reduce(whole)
        return whole

    def gather(self, outputs: Sequence[Tensor], count: int) -> list[Tensor]:
        """Return the outputs (…, classes) of all `count` examples of a split, of which this rank has its part's."""
        if self.count == 1:
            return list(outputs)
        sizes = [self._first(rank + 1, count) - self._first(rank, count) for rank in range(self.count)]
        mine = torch.cat(list(outputs))
        padded = F.pad(mine, (0, 0, 0, max(sizes) - len(mine)))  # all_gather takes tensors of one size
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return [part[:size] for part, size in zip(parts, sizes, strict=True)]

    def agree(self, *networks: nn.Module) -> None:
        """Make the statistics of norms, which each rank has of its own examples, their mean over all ranks."""
        if self.count == 1:
            return
        buffers = [buffer for network in dict.fromkeys(networks) for buffer in network.buffers()]
        for buffer in filter(torch.is_floating_point, buffers):
            dist.all_reduce(buffer)
            buffer.div_(self.count)

    def _first(self, rank: int, count: int) -> int:
        return rank * count // self.count


ALONE = Ranks()


def rendezvous() -> tuple[Any, int]:
    """Open a place where ranks find each other, on a free port of the loopback; it is there as long as the store."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    store = dist.TCPStore(  # type: ignore[attr-defined]
        "127.0.0.1", port, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach()
    )
    return store, port


def join(count: int, device: str, seconds: float) -> Ranks:
    """Return the `count` ranks of which the environment makes this process one; they find each other at first.

    A rank that waits for another for more than `seconds` raises RuntimeError.
    """
    if count == 1:
        return ALONE
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=timedelta(seconds=seconds))
    return Ranks(dist.get_rank(), count)


def leave() -> None:
    """End what an objective of the user's own has begun, so that the next trial can begin its own."""
    if dist.is_initialized():
        dist.destroy_process_group()
