"""The devices of this machine: which there are, and how a process is bound to one before it imports torch.

`cuda:0` is the first GPU that CUDA_VISIBLE_DEVICES lets through, as in torch; where it is not set, the first of
`nvidia-smi`, or its first MIG instance where it is cut.
"""

import math
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from winnow.errors import DeviceError
from winnow.search.worker import nvml

VISIBLE = "CUDA_VISIBLE_DEVICES"
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Device:
    """Something to train on."""

    name: str
    """`cpu`, `mps`, `cuda` or `cuda:1`, as a person writes it."""
    visible: str = ""
    """What CUDA_VISIBLE_DEVICES must say for a process to see this GPU and no other."""

    @property
    def kind(self) -> str:
        """What a process that is bound to it calls it: `cpu`, `mps` or `cuda`."""
        return self.name.partition(":")[0]


def choose(wanted: str = "auto") -> list[Device]:
    """The devices that a person names with commas; with `auto` every GPU, or else the CPU. Raises DeviceError."""
    if wanted == "auto":
        return _gpus() or [Device("mps" if _has_mps() else "cpu")]
    names = [name.strip() for name in wanted.split(",")]
    if len(set(names)) < len(names):
        raise DeviceError(f"--devices {wanted} names one device twice", "give --slots 2 for two workers on each")
    return [find(name) for name in names]


def find(name: str) -> Device:
    """The device of this name; raises DeviceError where it is not there."""
    if name in ("cpu", "cuda"):  # the latter: whatever GPU torch takes
        return Device(name)
    if name == "mps" and _has_mps():
        return Device(name)
    there = _gpus()
    for device in there:
        if name == device.name:
            return device
    known = ", ".join(device.name for device in [*there, *([Device("mps")] if _has_mps() else []), Device("cpu")])
    given = os.environ.get(VISIBLE)
    limited = f" ({VISIBLE} is {given!r})" if given is not None and name.startswith("cuda") else ""
    raise DeviceError(f"there is no device {name!r} here{limited}", f"there is {known}")


def bind(device: Device, threads: int) -> dict[str, str]:
    """The environment of a process that is to see this device alone and to use so many CPU threads."""
    environment = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return {**environment, VISIBLE: device.visible} if device.visible else environment


def visible_gpus(there: Sequence[nvml.GPU], given: str | None) -> list[str]:
    """What CUDA_VISIBLE_DEVICES may say for one GPU each, given what it says now.

    As CUDA reads it, the list ends at its first entry that names nothing.
    """
    if given is None:
        return [name for gpu in there for name in (gpu.instances or (gpu.uuid,))]
    names: list[str] = []
    for name in (entry.strip() for entry in given.split(",")):
        if not _names_one(name, there):
            break
        names.append(name)
    return names


def _names_one(name: str, there: Sequence[nvml.GPU]) -> bool:
    if name.isdecimal():
        return int(name) < len(there)
    if name.startswith("MIG-GPU-"):  # drivers before 470 wrote MIG-GPU-UUID/GPU INSTANCE/COMPUTE INSTANCE
        return any(name.startswith(f"MIG-{gpu.uuid}/") for gpu in there)
    whole = [gpu.uuid for gpu in there] + [instance for gpu in there for instance in gpu.instances]
    return name.startswith(("GPU-", "MIG-")) and sum(uuid.startswith(name) for uuid in whole) == 1


def _gpus() -> list[Device]:
    names = visible_gpus(nvml.gpus(), os.environ.get(VISIBLE))
    return [Device(f"cuda:{index}", name) for index, name in enumerate(names)]


def _has_mps() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


def cores() -> list[int]:
    """The numbers of the CPU cores that this process may use; under a container's quota, as many as it grants."""
    mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    return mine[: max(1, math.ceil(_quota()))] if _quota() < len(mine) else mine


def _quota() -> float:
    """How many cores' time a container may use (cgroup v2); infinite where nobody says."""
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return math.inf
