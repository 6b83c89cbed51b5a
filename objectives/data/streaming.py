"""Examples that stay on the host and reach the device batch by batch: read ahead, while the device trains."""

import math
import resource
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from winnow.control_groups import free_memory
from winnow.objectives.data.rows import Rows

AHEAD = 4
"""So many batches are read before they are asked for."""
SHARE = 0.5
"""Of the device's free memory, the most that a part of the data may take."""


class Streamed:
    """Inputs as a tensor's (N, ...) for those who select rows of it, each batch copied to the device when it is due."""

    def __init__(self, rows: Rows, device: torch.device | str) -> None:
        """`rows` are uint8 images or float32 features."""
        self._rows, self.device = rows, torch.device(device)
        self._pool = ThreadPoolExecutor(1, "winnow-prefetch")
        self._coming: deque[tuple[torch.Tensor, Future[torch.Tensor]]] = deque()
        self._due: deque[torch.Tensor] = deque()
        self._lock = threading.Lock()

    @property
    def shape(self) -> torch.Size:
        """That of all inputs."""
        return torch.Size(self._rows.shape)

    @property
    def nbytes(self) -> int:
        """What all of them would take in memory."""
        return self._rows.nbytes

    @property
    def dtype(self) -> torch.dtype:
        """Of the inputs on the device."""
        return torch.uint8 if self._rows.dtype == np.uint8 else torch.float32

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, part: slice) -> "Streamed":
        return Streamed(self._rows[np.arange(len(self))[part]], self.device)

    def expect(self, batches: Sequence[torch.Tensor]) -> None:
        """Say which batches of indices will be selected, in this order: they are read ahead."""
        with self._lock:
            self._coming.clear()
            self._due = deque(batch.cpu() for batch in batches)
            self._read_ahead()

    def index_select(self, dim: int, index: torch.Tensor) -> torch.Tensor:
        """Return the inputs at `index` int64 (B,) on the device."""
        assert dim == 0
        wanted = index.cpu()
        with self._lock:
            if self._coming and torch.equal(self._coming[0][0], wanted):
                ready = self._coming.popleft()[1]
                self._read_ahead()
            else:
                ready = self._pool.submit(self._read, wanted)
        return ready.result().to(self.device, non_blocking=True)

    def split(self, size: int) -> Iterator[torch.Tensor]:
        """Return all inputs in their order, `size` at a time, on the device."""
        batches = torch.split(torch.arange(len(self)), size)
        self.expect(batches)
        return (self.index_select(0, batch) for batch in batches)

    def _read_ahead(self) -> None:
        while self._due and len(self._coming) < AHEAD:
            batch = self._due.popleft()
            self._coming.append((batch, self._pool.submit(self._read, batch)))

    def _read(self, index: torch.Tensor) -> torch.Tensor:
        found = torch.from_numpy(np.ascontiguousarray(self._rows[index.numpy()].read()))
        return found.pin_memory() if self.device.type == "cuda" else found


def parts(inputs: torch.Tensor | Streamed, size: int) -> Iterable[torch.Tensor]:
    """Return all inputs in their order, `size` at a time, on the device."""
    return inputs.split(size) if isinstance(inputs, Streamed) else torch.split(inputs, size)


def fits(bytes: int, device: torch.device) -> bool:
    """Return whether so much may lie on the device with all that a training needs besides: half of what is free."""
    return bytes < SHARE * free_bytes(device)


def free_bytes(device: torch.device) -> float:
    """Return how much memory the device has for this process.

    It is without end where it is an accelerator that does not say.
    """
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return math.inf
    import psutil

    free = [float(psutil.virtual_memory().available)]
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if limit != resource.RLIM_INFINITY:
        free.append(limit - psutil.Process().memory_info().data)
    free.append(free_memory())
    return max(0.0, min(free))
