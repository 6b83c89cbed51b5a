"""NVIDIA's GPUs as their driver tells of them (NVML): which there are, what is wrong with them, their memory and cores.

Neither torch nor CUDA is loaded for it, so that a process can ask before it is bound to one device.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from winnow.errors import DeviceError

LIBRARY = "libnvidia-ml.so.1"
"""The driver's own, for Linux."""
GIVEN = tuple(map(Path, ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/nvgpu")))
"""What is there where a GPU is: of a container, of a Jetson."""
RUNS = Path("/proc/driver/nvidia/version")
"""What a container sees of the machine's driver too."""
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
    memory: float | None
    """Percent of all."""
    temperature: float | None
    """Degrees Celsius."""


def gpus() -> list[GPU]:
    """Return every GPU of this machine in the order of `nvidia-smi`; none where no driver is installed.

    Raises DeviceError where a driver is installed and does not answer.
    """
    with _driver() as driver:
        if driver is None:
            return []
        there = [_gpu(driver, index) for index in range(driver.nvmlDeviceGetCount())]
        return [gpu for gpu in there if gpu is not None]


def word_on_missing_library() -> str:
    """Return what to say of a driver that runs here while its library is missing; empty where there is nothing to say.

    Raises DeviceError where this process was given a GPU: CUDA may find it, though nobody can ask for it here.
    """
    with _driver() as driver:
        if driver is not None:
            return ""
    if any(path.exists() for path in GIVEN):
        raise DeviceError(
            f"there is an NVIDIA GPU here, and its driver's library {LIBRARY} is missing",
            "give --devices cuda to train on the GPU that torch finds, or --devices cpu; in a container, "
            "NVIDIA_DRIVER_CAPABILITIES=compute,utility brings the library",
        )
    return "NVIDIA's driver runs on this machine, and no GPU of it is given to this process" if RUNS.exists() else ""


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
            memory = _told(driver, driver.nvmlDeviceGetMemoryInfo, handle)
            busy = _told(driver, driver.nvmlDeviceGetUtilizationRates, handle)
            heat = _told(driver, driver.nvmlDeviceGetTemperature, handle, driver.NVML_TEMPERATURE_GPU)
            told = Load(
                None if busy is None else float(busy.gpu),
                None if memory is None else round(100.0 * memory.used / max(1, memory.total), 1),
                None if heat is None else float(heat),
            )
            return None if told == Load(None, None, None) else told
    except DeviceError:
        return None


def _gpu(driver: Any, index: int) -> GPU | None:
    """Return a GPU; None of one that was given to others, which CUDA does not count either."""
    uuid, name = "", "GPU"
    try:
        handle = driver.nvmlDeviceGetHandleByIndex(index)
        uuid = driver.nvmlDeviceGetUUID(handle)
        name = _told(driver, driver.nvmlDeviceGetName, handle) or name
        with suppress(driver.NVMLError_NotSupported, driver.NVMLError_NoPermission):  # it shares the host's, or is cut
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
    except driver.NVMLError_NoPermission:
        return None
    except driver.NVMLError as error:
        return GPU(uuid, name=name, problem=f"the driver says: {_words(error)}")


def _instances(driver: Any, handle: Any) -> tuple[bool, tuple[str, ...]]:
    """Return whether a GPU is cut by MIG, and the UUIDs of its parts; their numbers may have gaps."""
    mode = _told(driver, driver.nvmlDeviceGetMigMode, handle)
    if not mode or not mode[0]:
        return False, ()
    numbers = range(_told(driver, driver.nvmlDeviceGetMaxMigDeviceCount, handle) or 0)
    parts = [_told(driver, driver.nvmlDeviceGetMigDeviceHandleByIndex, handle, number) for number in numbers]
    uuids = [_told(driver, driver.nvmlDeviceGetUUID, part) for part in parts if part is not None]
    return True, tuple(uuid for uuid in uuids if uuid)


def _cores(driver: Any, handle: Any) -> tuple[int, ...]:
    words = _told(driver, driver.nvmlDeviceGetCpuAffinity, handle, 64) or ()
    return tuple(64 * word + bit for word, bits in enumerate(words) for bit in range(64) if bits >> bit & 1)


def _told(driver: Any, ask: Any, *arguments: Any) -> Any:
    """Return what the driver answers; None where it does not: whether the GPU works, its memory has told."""
    with suppress(driver.NVMLError):
        return ask(*arguments)
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
        if why := _why_not_loaded():
            raise DeviceError(
                f"NVIDIA's driver is installed, and its library {LIBRARY} cannot be loaded: {why}",
                "train without GPUs by --devices cpu, or install the driver again; in a container, whose image may "
                "hold an empty file of that name, start it with the GPUs (docker run --gpus all)",
            ) from None
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
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _why_not_loaded() -> str:
    """Return what is wrong with the library, which is there; empty where it is not."""
    if sys.platform != "linux":
        return ""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError as error:
        return "" if "No such file" in str(error) else str(error).removeprefix(f"{LIBRARY}: ")
    return ""
