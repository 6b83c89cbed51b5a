"""Steps on a GPU that are launched as one: recorded as a CUDA graph once they are warm, and replayed from then on.

A small network's step is a hundred kernels of a few microseconds each, and to launch them one by one takes longer than
they do. A graph holds the kernels and where their tensors lie; so what a step does must be the same each time, and the
host may read and decide nothing of it.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

Work = Callable[[Sequence[Tensor]], None]
"""The steps of the members of a stack, each on its batch of indices int64 (B,)."""
WARM = 1
"""Steps on batches of a size that are taken kernel by kernel before one is recorded: they make what later ones find."""
RECORDING = threading.Lock()
"""Held while a graph is recorded: whoever waited for the whole GPU then would spoil it."""
_here = threading.local()
_log = logging.getLogger("winnow")


def can_replay(device: torch.device) -> bool:
    """Return whether the device replays graphs; AMD's may, and nobody has tried."""
    return device.type == "cuda" and torch.cuda.is_available() and torch.version.hip is None


def is_recording() -> bool:
    """Return whether what this thread asks of the GPU is not done, but recorded."""
    return getattr(_here, "records", False)


def side_by_side(pieces: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do pieces of work that know nothing of each other; recorded, they are branches that a GPU does at the same time.

    Branches join before anything else is done, so that memory which one has given back is not taken too early.
    """
    if not is_recording():
        return [piece() for piece in pieces]
    trunk, done = torch.cuda.current_stream(), []
    branches = [torch.cuda.Stream() for _ in pieces]  # type: ignore[no-untyped-call]
    for branch, piece in zip(branches, pieces, strict=True):
        branch.wait_stream(trunk)
        with torch.cuda.stream(branch):
            done.append(piece())
    for branch in branches:
        trunk.wait_stream(branch)
    return done


class Replays:
    """The steps of one stack, on batches of one size or another."""

    def __init__(
        self,
        generators: Sequence[torch.Generator],
        drawing: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Steps draw from the `generators`; from torch's own, if at all, within `drawing`."""
        self._generators = generators
        self._drawing = drawing
        self._pool = torch.cuda.graph_pool_handle()
        self._taken: Counter[int] = Counter()
        self._graphs: dict[int, _Graph] = {}
        self._can = True

    def take(self, batches: Sequence[Tensor], work: Work) -> None:
        """Take a step, which is `work` on the batches; it is not held, since it may hold what this is a part of."""
        size = len(batches[0])
        if self._can and size not in self._graphs and self._taken[size] >= WARM:
            self._record(size, batches, work)
        if size in self._graphs:
            with self._drawing():
                self._graphs[size].replay(batches)
        else:
            self._taken[size] += 1
            work(batches)

    def _record(self, size: int, batches: Sequence[Tensor], work: Work) -> None:
        drawn_from = [*self._generators, torch.cuda.default_generators[batches[0].device.index]]
        before = [(generator, generator.clone_state()) for generator in drawn_from]
        try:
            with RECORDING:
                self._graphs[size] = _Graph(work, batches, self._generators, self._pool)
        except Exception as error:
            # One that has no memory left for it is told by the next step, which asks for as much.
            _log.warning("steps are launched kernel by kernel: %s", str(error).partition("\n")[0])
            self._can = False
            for generator, state in before:  # else they wait for the end of the recording
                generator.graphsafe_set_state(state)


class _Graph:
    """One step on batches of one size."""

    def __init__(self, work: Work, batches: Sequence[Tensor], generators: Sequence[torch.Generator], pool: Any) -> None:
        """Record it, which moves nothing; raises RuntimeError where it cannot be done."""
        self._graph = torch.cuda.CUDAGraph()
        for generator in generators:
            self._graph.register_generator_state(generator)
        self._index = torch.stack(list(batches))
        with torch.cuda.graph(self._graph, pool, capture_error_mode="thread_local"):
            _here.records = True
            try:
                work(self._index.unbind(0))
            finally:
                _here.records = False

    def replay(self, batches: Sequence[Tensor]) -> None:
        """Take it on batches of that size."""
        torch.stack(list(batches), out=self._index)
        self._graph.replay()
