"""How busy, full and hot a device is, as its driver tells: the last samples of one worker, for whoever watches it."""

from collections import deque

from winnow.search.worker import nvml
from winnow.search.worker.devices import Device, load

KEPT = 60
"""Samples: one for each of the worker's signs of life."""
Samples = dict[str, list[float]]
"""By `utilisation` (percent), `memory` (percent of all) and `temperature` (°C); empty where a driver tells nothing."""


class DeviceLoad:
    """The samples of a device; none where no driver tells of it."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._samples: deque[nvml.Load] = deque(maxlen=KEPT)

    def sample(self) -> Samples | None:
        """Ask the driver, and return the last samples; None where there are none."""
        told = load(self._device)
        if told is None:
            return None
        self._samples.append(told)
        return {
            name: [value for each in self._samples if (value := getattr(each, name)) is not None]
            for name in ("utilisation", "memory", "temperature")
        }
