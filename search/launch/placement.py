"""Where the workers of a fleet run: how many on each device, with how many CPU threads, on which cores."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from winnow.errors import DeviceError
from winnow.search.worker.devices import Device, may_pin


@dataclass(frozen=True)
class Place:
    """Room for one worker."""

    device: Device
    threads: int = 1
    cores: tuple[int, ...] = ()
    """The only cores that it may use; empty for all."""


def plan(
    devices: Sequence[Device],
    cores: Sequence[int],
    *,
    slots: int | None = None,
    workers: int | None = None,
    threads: int | None = None,
    pin: bool | None = None,
    devices_per_trial: int = 1,
) -> list[Place]:
    """Return one place for each worker: `slots` on each device, or `workers` in turn over all of them.

    Without either a GPU takes one worker, and the CPU one a core. A CPU's cores are split evenly among its workers,
    each with as many threads, unless the study has settled its `threads` or OMP_NUM_THREADS is set. A GPU's workers
    get the cores of its NUMA node. Without `pin` nobody is bound to cores; by default that is so under a CPU quota.
    With several `devices_per_trial` a worker on a CPU has as many processes, and a core for each of them. Raises
    DeviceError where the workers do not fit the slots.
    """
    pin = may_pin() if pin is None else pin
    on_all_cores = max(1, len(cores) // devices_per_trial)
    room = {device: slots or (on_all_cores if device.kind == "cpu" else 1) for device in devices}
    total = workers or sum(room.values())
    if slots is not None and total > sum(room.values()):
        raise DeviceError(
            f"{total} workers do not fit {len(devices)} devices with {slots} slots each",
            f"give --slots {-(-total // len(devices))}, or leave --workers out",
        )
    chosen = [devices[i % len(devices)] for i in range(total)]
    for device in devices:
        if device.exclusive and chosen.count(device) > 1:
            raise DeviceError(
                f"{device.name} is in exclusive mode and takes one process at a time", "give it one worker"
            )
    on_cpu = sum(device.kind == "cpu" for device in chosen)
    shares = iter(_split(cores, on_cpu) if pin else [()] * on_cpu)
    each = threads or _given_threads() or (max(1, len(cores) // (on_cpu * devices_per_trial)) if on_cpu else 1)
    beside = {device: _beside(device, cores) if pin else () for device in devices}
    return [Place(device, each, next(shares) if device.kind == "cpu" else beside[device]) for device in chosen]


def _beside(device: Device, cores: Sequence[int]) -> tuple[int, ...]:
    """Return the cores beside a GPU that this process may use; empty where that is no choice."""
    near = tuple(core for core in cores if core in device.cores)
    return near if len(near) < len(cores) else ()


def _split(cores: Sequence[int], parts: int) -> list[tuple[int, ...]]:
    """Return so many even parts of the cores; empty ones where there is nothing to split, or not a core for each."""
    if parts in (0, 1) or parts > len(cores):
        return [()] * parts
    each, more = divmod(len(cores), parts)
    ends = [i * each + min(i, more) for i in range(parts + 1)]
    return [tuple(cores[ends[i] : ends[i + 1]]) for i in range(parts)]


def _given_threads() -> int | None:
    """Return what the environment says already, by the variable that OpenMP, MKL and torch read."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) > 0 else None
