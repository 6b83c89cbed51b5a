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
"""Steps that are taken kernel by kernel before any is recorded: the first makes what later ones find."""
RECORDING = threading.Lock()
"""Held while a graph is recorded: whoever waited for the whole GPU then would spoil it."""
_log = logging.getLogger("winnow")


def can_replay(device: torch.device) -> bool:
    """Return whether the device replays graphs; AMD's may, and nobody has tried."""
    return device.type == "cuda" and torch.cuda.is_available() and torch.version.hip is None


def is_recording() -> bool:
    """Return whether what is asked of the GPU now is not done, but recorded."""
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()


class Replays:
    """The work of one stack, replayed: called as it is, by batches of one size or another."""

    def __init__(
        self,
        work: Work,
        generators: Sequence[torch.Generator],
        drawing: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """The work draws from the `generators`; from torch's own, if at all, within `drawing`."""
        self._work: Work = work
        self._generators = generators
        self._drawing = drawing
        self._pool = torch.cuda.graph_pool_handle()
        self._taken: Counter[int] = Counter()
        self._graphs: dict[int, _Graph] = {}
        self._can = True

    def __call__(self, batches: Sequence[Tensor]) -> None:
        """Take a step."""
        size = len(batches[0])
        if self._can and size not in self._graphs and self._taken.total() >= WARM and self._taken[size]:
            self._record(size, batches)
        if size in self._graphs:
            with self._drawing():
                self._graphs[size].replay(batches)
        else:
            self._taken[size] += 1
            self._work(batches)

    def _record(self, size: int, batches: Sequence[Tensor]) -> None:
        try:
            with RECORDING, self._drawing():
                self._graphs[size] = _Graph(self._work, batches, self._generators, self._pool)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            _log.warning("steps are launched kernel by kernel: %s", str(error).partition("\n")[0])
            self._can = False


class _Graph:
    """One step on batches of one size."""

    def __init__(self, work: Work, batches: Sequence[Tensor], generators: Sequence[torch.Generator], pool: Any) -> None:
        """Record it, which moves nothing; raises RuntimeError where it cannot be done."""
        self._graph = torch.cuda.CUDAGraph()
        for generator in generators:
            self._graph.register_generator_state(generator)
        self._index = torch.stack(list(batches))
        with torch.cuda.graph(self._graph, pool, capture_error_mode="thread_local"):
            work(self._index.unbind(0))

    def replay(self, batches: Sequence[Tensor]) -> None:
        """Take it on batches of that size."""
        torch.stack(list(batches), out=self._index)
        self._graph.replay()
