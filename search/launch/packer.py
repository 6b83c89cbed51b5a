"""Packing a fleet: workers are added to each device, or taken away, as the first trials of a study show what pays."""

import logging
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from optuna.trial import FrozenTrial

from winnow.records import RUN
from winnow.search.analysis.formatting import counted
from winnow.search.analysis.status import Status
from winnow.search.launch import memory
from winnow.search.launch.fleet import Fleet
from winnow.search.launch.packing import Packing
from winnow.search.launch.placement import Place
from winnow.search.study.study import WinnowStudy
from winnow.search.worker.devices import Device

SAMPLE_SECONDS = 2.0
_log = logging.getLogger("winnow")


@dataclass
class _Device:
    """A device that is being packed."""

    place: Place
    packing: Packing
    used_by_others: int
    """Bytes that were taken before the first worker came."""
    since: datetime | None = None
    """Since when as many workers train as there shall be; trials that began before are not measured."""


class Packer:
    """Sees to it that each device of a fleet has as many workers as pay."""

    def __init__(self, fleet: Fleet, places: Sequence[Place], most: int) -> None:
        """Begins with one worker at each of `places`; `most` is how many a device may get."""
        self._fleet = fleet
        self._devices = [
            _Device(
                place,
                Packing(memory.available(place.device), 1 if place.device.exclusive else most),
                memory.used(place.device),
            )
            for place in places
        ]
        self._next_sample = 0.0

    def look(self, now: Status, trials: Sequence[FrozenTrial]) -> None:
        """Measure what can be measured now, and give each device the workers that it shall have."""
        sample = time.monotonic() >= self._next_sample
        if sample:
            self._next_sample = time.monotonic() + SAMPLE_SECONDS
        for each in self._devices:
            packing, before = each.packing, each.packing.slots
            if sample:
                packing.see_memory(self._memory_of_one(each))
            if not packing.settled and (ended := self._ended(each, now, trials)):
                packing.see_memory(memory.of_a_worker(each.place.device, max(_peak(trial) for trial in ended)))
                if not packing.needs_more(len(ended)):
                    packing.see_trials([_epoch_seconds(trial) for trial in ended])
                    self._tell(each, before)
            if packing.slots != before:
                each.since = None
            self._fleet.fill(each.place, packing.slots)

    def _memory_of_one(self, each: _Device) -> int:
        workers = self._fleet.process_ids(each.place.device)
        if not workers:
            return 0
        if each.place.device.kind == "cuda":
            return (memory.used(each.place.device) - each.used_by_others) // len(workers)
        return max(memory.taken_by([worker]) for worker in workers)

    def _ended(self, each: _Device, now: Status, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials that trained here from beginning to end since the device has its workers."""
        device, host = each.place.device.name, platform.node()
        if each.since is None:
            training = [w for w in now.workers if (w.host, w.device, w.state) == (host, device, "training")]
            if len(training) >= each.packing.slots:
                each.since = datetime.now()
            return []
        return [trial for trial in trials if _trained(trial, host, each.place.device, each.since)]

    def _tell(self, each: _Device, before: int) -> None:
        packing = each.packing
        if packing.settled:
            each_gib = packing.peak / memory.GIB
            words = f"keeps {counted(packing.slots, 'worker')} ({packing.settled}); one takes {each_gib:.2f} GiB"
            _log.info("%s %s", each.place.device.name, words)
        elif packing.slots > before:
            _log.info("%s gets worker %d", each.place.device.name, packing.slots)


def peak_memory(study: WinnowStudy) -> int:
    """Return the most that a trial of a study was seen to take, in bytes; 0 where none has trained."""
    trials = study.optuna.get_trials(deepcopy=False)
    return max((_peak(trial) for trial in trials if RUN in trial.user_attrs), default=0)


def _trained(trial: FrozenTrial, host: str, device: Device, since: datetime) -> bool:
    run = trial.user_attrs.get(RUN)
    if run is None or trial.state.name == "FAIL" or trial.datetime_start is None:
        return False
    return (run["host"], run["device"]) == (host, device.name) and trial.datetime_start >= since


def _epoch_seconds(trial: FrozenTrial) -> float:
    """Return how long an epoch took; the whole trial where it reported none."""
    return float(trial.user_attrs[RUN]["device_seconds"]) / max(1, len(trial.intermediate_values))


def _peak(trial: FrozenTrial) -> int:
    return int(trial.user_attrs[RUN]["peak_memory_bytes"])
