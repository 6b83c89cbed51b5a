"""NVIDIA's GPUs as their driver tells of them (NVML): which there are, and how much of their memory is taken.

Neither torch nor CUDA is loaded for it, so that a process can ask before it is bound to one device.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GPU:
    """One GPU, and the parts that it is cut into."""

    uuid: str
    instances: tuple[str, ...] = ()
    """The UUIDs of its MIG instances; empty where it is whole."""


@dataclass(frozen=True)
class Memory:
    """Of one device, in bytes."""

    total: int
    used: int


def gpus() -> list[GPU]:
    """Every GPU of this machine in the order of `nvidia-smi`; none where there is no driver."""
    with _driver() as driver:
        if driver is None:
            return []
        handles = [driver.nvmlDeviceGetHandleByIndex(index) for index in range(driver.nvmlDeviceGetCount())]
        return [GPU(driver.nvmlDeviceGetUUID(handle), _instances(driver, handle)) for handle in handles]


def memory(visible: str) -> Memory | None:
    """The memory of the device that `visible` names in CUDA_VISIBLE_DEVICES; None where nobody can tell."""
    with _driver() as driver:
        if driver is None:
            return None
        try:
            told = driver.nvmlDeviceGetMemoryInfo(_handle(driver, visible))
        except driver.NVMLError:
            return None
        return Memory(int(told.total), int(told.used))


def _handle(driver: Any, visible: str) -> Any:
    if visible.isdecimal():
        return driver.nvmlDeviceGetHandleByIndex(int(visible))
    if visible.startswith("GPU-"):  # CUDA takes the beginning of a UUID for the whole
        for index in range(driver.nvmlDeviceGetCount()):
            handle = driver.nvmlDeviceGetHandleByIndex(index)
            if driver.nvmlDeviceGetUUID(handle).startswith(visible):
                return handle
    return driver.nvmlDeviceGetHandleByUUID(visible)


def _instances(driver: Any, handle: Any) -> tuple[str, ...]:
    found: list[str] = []
    try:
        cut, _ = driver.nvmlDeviceGetMigMode(handle)
        count = driver.nvmlDeviceGetMaxMigDeviceCount(handle) if cut else 0
    except driver.NVMLError:  # a GPU that cannot be cut
        count = 0
    for index in range(count):
        try:
            found.append(driver.nvmlDeviceGetUUID(driver.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)))
        except driver.NVMLError:  # that many are possible, and fewer there
            break
    return tuple(found)


@contextmanager
def _driver() -> Iterator[Any]:
    """The module that speaks with the driver, or None where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()
