"""How many workers a device takes: one more as long as their memory fits and the device gets more done.

The first trials are measured: what memory a worker takes at most, and how long an epoch lasts while so many train side
by side. A device that is busy with one trial makes two of them twice as slow each, and nothing is won.
"""

from dataclasses import dataclass, field
from statistics import fmean

GAIN = 1.1
"""So many times more epochs an hour must one more worker bring to stay."""
ROOM = 0.9
"""The part of a device's memory that is given out."""
FEWEST_TRIALS = 3
"""So many trials have to be measured at each number of workers, or as many as there are workers."""


@dataclass
class Packing:
    """What is known of one device, and how many workers it shall have."""

    memory: int | None
    """Bytes; None where nobody can tell, and then one worker is all."""
    most: int
    """Workers, whatever is measured: cores of a CPU, or what the person allows."""
    slots: int = 1
    peak: int = 0
    """The most that one worker was seen to take, in bytes."""
    settled: str = ""
    """Why no more are tried; empty while more may be."""
    _epoch_seconds: dict[int, float] = field(default_factory=dict)

    def see_memory(self, each: int) -> None:
        """Take note of what each worker takes; with too little room for one that is there, it has to go."""
        self.peak = max(self.peak, each)
        if self.memory is not None and self.slots > 1 and self.slots * self.peak > self.memory:
            self.slots -= 1
            self.settled = "memory"

    def needs_more(self, measured: int) -> bool:
        """Return whether more trials than so many have to be measured before anything can be decided."""
        return measured < max(FEWEST_TRIALS, self.slots)

    def see_trials(self, epoch_seconds: list[float]) -> None:
        """Decide by the trials that trained while there were `slots` workers: how long an epoch of each lasted."""
        self._epoch_seconds[self.slots] = fmean(epoch_seconds)
        if self.slots > 1 and self._rate(self.slots) < GAIN * self._rate(self.slots - 1):
            self.slots -= 1
            self.settled = "throughput"
        elif self.slots >= self.most:
            self.settled = "all slots are used"
        elif self.memory is None or (self.slots + 1) * self.peak > ROOM * self.memory:
            self.settled = "memory"
        else:
            self.slots += 1

    def _rate(self, slots: int) -> float:
        """Return epochs a second that so many workers get done together."""
        return slots / max(self._epoch_seconds[slots], 1e-9)
