"""How much memory a device has, and how much of it a fleet's workers take: by NVML on a GPU, by the system on a CPU."""

from collections.abc import Iterable
from contextlib import suppress

import psutil

from winnow.errors import DeviceError
from winnow.search.worker import nvml
from winnow.search.worker.devices import CGROUP, Device

GIB = 2**30
LEAST_BYTES = {"cpu": GIB // 8, "cuda": GIB // 2, "mps": GIB // 2}
"""What a worker takes before its first step: its processes, and on a GPU what CUDA needs for itself."""


def total(device: Device) -> int | None:
    """The bytes of a device, or of the container on a CPU; None where nobody can tell."""
    if device.kind == "cuda":
        told = nvml.memory(device.visible) if device.visible else None
        return None if told is None else told.total
    limits = [int(psutil.virtual_memory().total)]
    with suppress(OSError, ValueError):  # no container, or one without a limit
        limits.append(int((CGROUP / "memory.max").read_text()))
    return min(limits)


def used(device: Device) -> int:
    """The bytes of a GPU that anybody uses; 0 for other devices, whose processes are asked one by one."""
    told = nvml.memory(device.visible) if device.kind == "cuda" and device.visible else None
    return 0 if told is None else told.used


def taken_by(process_ids: Iterable[int]) -> int:
    """The bytes that these processes and all that they started take, pages that they share counted once."""
    return sum(_of_one(process) for number in process_ids for process in _family(number))


def _family(process_id: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(process_id)
        return [process, *process.children(recursive=True)]
    except psutil.Error:  # it has just ended
        return []


def _of_one(process: psutil.Process) -> int:
    try:
        told = process.memory_full_info() if psutil.LINUX else process.memory_info()
        return int(getattr(told, "pss", told.rss))
    except psutil.Error:
        return 0


def refuse_too_many(device: Device, slots: int, measured: int = 0) -> None:
    """Raise DeviceError where so many workers cannot fit a device; `measured` is what a trial was seen to take."""
    there, each = total(device), max(measured, LEAST_BYTES[device.kind])
    if there is None or slots * each <= there:
        return
    why = "a trial of this study was seen to take" if measured > LEAST_BYTES[device.kind] else "a worker alone takes"
    raise DeviceError(
        f"{slots} slots leave each {there / slots / GIB:.2f} GiB of the {there / GIB:.1f} GiB of {device.name}, "
        f"and {why} {each / GIB:.2f} GiB",
        f"give --slots {max(1, there // each)} at most, or --slots auto",
    )
