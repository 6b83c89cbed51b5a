"""NVIDIA's GPUs as their driver tells of them (NVML): which there are, what is wrong with them, their memory and cores.

Neither torch nor CUDA is loaded for it, so that a process can ask before it is bound to one device.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from winnow.errors import DeviceError

BF16_SINCE = (8, 0)
"""The compute capability from which on NVIDIA's GPUs have bfloat16."""


@dataclass(frozen=True)
class GPU:
    """One GPU, and the parts that it is cut into."""

    uuid: str
    """Empty where the driver does not tell it any more."""
    instances: tuple[str, ...] = ()
    """The UUIDs of its MIG instances; empty where it is whole."""
    name: str = "GPU"
    exclusive: bool = False
    """Whether it takes one process at a time."""
    cores: tuple[int, ...] = ()
    """The CPU cores of its NUMA node; empty where nobody can tell."""
    problem: str = ""
    """Why nothing can train on it; empty where something can."""
    native_bf16: bool = True
    """Whether it computes in bfloat16 itself and does not emulate it."""


@dataclass(frozen=True)
class Memory:
    """Of one device, in bytes."""

    total: int
    used: int
    free: int


@dataclass(frozen=True)
class Load:
    """How a device fares now; None of what its driver does not tell (of a MIG instance, utilisation)."""

    utilisation: float | None
    """Percent of the time in which something ran."""
    memory: float
    """Percent of all."""
    temperature: float | None
    """Degrees Celsius."""


def gpus() -> list[GPU]:
    """Return every GPU of this machine in the order of `nvidia-smi`; none where no driver is installed.

    Raises DeviceError where a driver is installed and does not answer.
    """
    with _driver() as driver:
        return [] if driver is None else [_gpu(driver, index) for index in range(driver.nvmlDeviceGetCount())]


def memory(uuid: str) -> Memory | None:
    """Return the memory of the GPU or MIG instance with this UUID; None where nobody can tell."""
    try:
        with _driver() as driver:
            if driver is None:
                return None
            told = driver.nvmlDeviceGetMemoryInfo(driver.nvmlDeviceGetHandleByUUID(uuid))
            return Memory(int(told.total), int(told.used), int(told.free))
    except DeviceError:
        return None


def load(uuid: str) -> Load | None:
    """Return how the GPU or MIG instance with this UUID fares; None where nobody can tell."""
    try:
        with _driver() as driver:
            if driver is None:
                return None
            handle = driver.nvmlDeviceGetHandleByUUID(uuid)
            memory = driver.nvmlDeviceGetMemoryInfo(handle)
            busy = _told(driver, driver.nvmlDeviceGetUtilizationRates, handle)
            heat = _told(driver, driver.nvmlDeviceGetTemperature, handle, driver.NVML_TEMPERATURE_GPU)
            used = 100.0 * memory.used / max(1, memory.total)
            return Load(
                None if busy is None else float(busy.gpu), round(used, 1), None if heat is None else float(heat)
            )
    except DeviceError:
        return None


def _gpu(driver: Any, index: int) -> GPU:
    uuid, name = "", "GPU"
    try:
        handle = driver.nvmlDeviceGetHandleByIndex(index)
        uuid = driver.nvmlDeviceGetUUID(handle)
        name = driver.nvmlDeviceGetName(handle)
        driver.nvmlDeviceGetMemoryInfo(handle)  # one that is lost is still listed, and tells nothing any more
        is_cut, instances = _instances(driver, handle)
        mode = _told(driver, driver.nvmlDeviceGetComputeMode, handle)
        problem = "MIG is on, and no instance has been made" if is_cut and not instances else ""
        if mode == driver.NVML_COMPUTEMODE_PROHIBITED:
            problem = "its compute mode is Prohibited"
        exclusive = mode == driver.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS
        capability = _told(driver, driver.nvmlDeviceGetCudaComputeCapability, handle)
        native = capability is None or tuple(capability) >= BF16_SINCE
        return GPU(uuid, instances, name, exclusive, _cores(driver, handle), problem, native)
    except driver.NVMLError as error:
        return GPU(uuid, name=name, problem=f"the driver says: {_words(error)}")


def _instances(driver: Any, handle: Any) -> tuple[bool, tuple[str, ...]]:
    """Return whether a GPU is cut by MIG, and the UUIDs of its parts; their numbers may have gaps."""
    mode = _told(driver, driver.nvmlDeviceGetMigMode, handle)
    if not mode or not mode[0]:
        return False, ()
    numbers = range(driver.nvmlDeviceGetMaxMigDeviceCount(handle))
    parts = [_told(driver, driver.nvmlDeviceGetMigDeviceHandleByIndex, handle, number) for number in numbers]
    return True, tuple(driver.nvmlDeviceGetUUID(part) for part in parts if part is not None)


def _cores(driver: Any, handle: Any) -> tuple[int, ...]:
    words = _told(driver, driver.nvmlDeviceGetCpuAffinity, handle, 64) or ()
    return tuple(64 * word + bit for word, bits in enumerate(words) for bit in range(64) if bits >> bit & 1)


def _told(driver: Any, ask: Any, *arguments: Any) -> Any:
    """Return what the driver answers; None where this GPU does not know of such a thing."""
    try:
        return ask(*arguments)
    except (driver.NVMLError_NotSupported, driver.NVMLError_NotFound, driver.NVMLError_FunctionNotFound):
        return None


def _words(error: Exception) -> str:
    return str(error).rstrip(".")


@contextmanager
def _driver() -> Iterator[Any]:
    """Yield the module that speaks with the driver, or None where none is installed; its errors become DeviceError."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        yield None
        return
    except pynvml.NVMLError as error:
        raise DeviceError(
            f"NVIDIA's driver is installed and does not answer: {_words(error)}",
            "see what nvidia-smi says (after an update of the driver a restart of the machine helps), or train "
            "without GPUs by --devices cpu",
        ) from error
    try:
        yield pynvml
    except pynvml.NVMLError as error:
        raise DeviceError(f"NVIDIA's driver says: {_words(error)}", "see what nvidia-smi says") from error
    finally:
        pynvml.nvmlShutdown()
