"""How much memory a device has, and how much of it a fleet's workers take: by NVML on a GPU, by the system on a CPU."""

from collections.abc import Iterable

import psutil

from winnow.control_groups import memory_limit
from winnow.errors import DeviceError
from winnow.search.worker import devices
from winnow.search.worker.devices import Device

GIB = 2**30
CONTEXT_BYTES = 4 * GIB // 5
"""What CUDA takes of a GPU for each process, beside what torch counts: its context, kernels and libraries. On an H100
0.71 to 0.75 GiB were measured (`bench/gpu.py`, packing)."""
LEAST_BYTES = {"cpu": GIB // 8, "cuda": CONTEXT_BYTES, "mps": GIB // 2}
"""What a worker takes before its first step: its processes, and on a GPU what CUDA needs for itself."""


def available(device: Device) -> int | None:
    """Return the bytes of a GPU that are free, or all of this machine or container on a CPU; None where unknown."""
    if device.kind == "cuda":
        told = devices.memory(device)
        return None if told is None else told.free
    return int(min(psutil.virtual_memory().total, memory_limit()))


def used(device: Device) -> int:
    """Return the bytes of a GPU that anybody uses; 0 for other devices, whose processes are asked one by one."""
    told = devices.memory(device) if device.kind == "cuda" else None
    return 0 if told is None else told.used


def taken_by(process_ids: Iterable[int]) -> int:
    """Return the bytes that these processes and all that they started take, pages that they share counted once."""
    families = {process for number in process_ids for process in _family(number)}
    return sum(map(_of_one, families))


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


def of_a_worker(device: Device, measured: int) -> int:
    """Return the bytes that a worker takes of a device; `measured` is what a trial was seen to take there."""
    least = LEAST_BYTES[device.kind]
    return max(measured + (least if device.kind == "cuda" else 0), least)


def refuse_too_many(device: Device, slots: int, measured: int = 0) -> None:
    """Raise DeviceError where so many workers cannot fit a device; `measured` is what a trial was seen to take."""
    if device.exclusive and slots > 1:
        raise DeviceError(
            f"{device.name} is in exclusive mode and takes one process at a time", "give --slots 1, or nvidia-smi -c 0"
        )
    least = LEAST_BYTES[device.kind]
    there, each = available(device), of_a_worker(device, measured)
    if there is None or slots * each <= there:
        return
    why = "a trial of this study was seen to take" if measured and each > least else "a worker alone takes"
    room = f"{there / GIB:.1f} GiB that are free on" if device.kind == "cuda" else f"{there / GIB:.1f} GiB of"
    raise DeviceError(
        f"{slots} slots leave each {there / slots / GIB:.2f} GiB of the {room} {device.name}, "
        f"and {why} {each / GIB:.2f} GiB",
        f"give --slots {there // each} at most, or --slots auto" if there >= each else "free some of it first",
    )
