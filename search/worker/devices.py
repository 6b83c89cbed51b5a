"""The devices of this machine: which there are, and how a process is bound to one before it imports torch.

`cuda:0` is the first GPU that CUDA_VISIBLE_DEVICES lets through, or where it is not set the first of `nvidia-smi`; each
MIG instance counts as one. Numbers in CUDA_VISIBLE_DEVICES count as `nvidia-smi` does. What a process is bound by is
always a UUID, so that no number can come to mean another GPU.
"""

import logging
import math
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from winnow.control_groups import cpu_quota
from winnow.errors import DeviceError
from winnow.search.worker import nvml, rocm

VISIBLE = "CUDA_VISIBLE_DEVICES"
HIDES_ALL = ("", "-1", "none", "NoDevFiles")
"""The usual ways to hide all GPUs by CUDA_VISIBLE_DEVICES."""
_log = logging.getLogger("winnow")


@dataclass(frozen=True)
class Device:
    """Something to train on."""

    name: str
    """`cpu`, `mps`, `cuda` or `cuda:1`, as a person writes it; `cuda:0,cuda:1` are two that train one trial."""
    visible: str = ""
    """The UUID (on ROCm the number) by which a process is bound to this GPU and no other; with commas, of several."""
    rocm: bool = field(default=False, compare=False)
    exclusive: bool = field(default=False, compare=False)
    """Whether it takes one process at a time."""
    cores: tuple[int, ...] = field(default=(), compare=False)
    """The CPU cores beside it; empty where nobody can tell."""
    problem: str = field(default="", compare=False)
    """Why nothing can train on it; empty where something can."""
    native_bf16: bool = field(default=True, compare=False)
    """Whether it computes in bfloat16 itself, as far as its driver tells."""
    address: str = field(default="", compare=False)
    """What every process calls it, where `visible` means another GPU to a process that sees others."""

    @property
    def kind(self) -> str:
        """What a process that is bound to it calls it: `cpu`, `mps` or `cuda`."""
        return self.name.partition(":")[0]

    @property
    def count(self) -> int:
        """How many it is."""
        return len(self.name.split(","))

    @property
    def keys(self) -> list[str]:
        """What all processes of this machine call each of them, whatever each process sees."""
        return sorted((self.address or self.visible or self.name).split(","))


def choose(wanted: str = "auto") -> list[Device]:
    """Return the devices that a person names with commas; with `auto` every GPU that works, or else the CPU.

    Raises DeviceError, also where a driver is installed and no GPU of it can be used: only a person decides to train
    on the CPU there.
    """
    if wanted == "auto":
        return _every()
    names = [name.strip() for name in wanted.split(",")]
    found = [find(name) for name in names]
    if len({key for device in found for key in device.keys}) < len(names):
        raise DeviceError(f"--devices {wanted} names one device twice", "give --slots 2 for two workers on each")
    return found


def in_groups(devices: Sequence[Device], devices_per_trial: int) -> list[Device]:
    """Return the devices as groups, each of which trains one trial; a CPU is a group of any size.

    Raises DeviceError where that does not come out even, or where the devices cannot work together.
    """
    if devices_per_trial == 1 or all(device.kind == "cpu" for device in devices):
        return list(devices)
    asked = f"devices_per_trial = {devices_per_trial}"
    for device in devices:
        if device.kind != "cuda" or device.visible.startswith("MIG-"):
            what = "an instance of a GPU" if device.visible else "no GPU of NVIDIA's or AMD's"
            raise DeviceError(f"{asked} is for whole GPUs or the CPU, and {device.name} is {what}", "name others")
    if len(devices) % devices_per_trial:
        even = len(devices) // devices_per_trial * devices_per_trial or devices_per_trial
        raise DeviceError(f"{len(devices)} GPUs are not a multiple of {asked}", f"name {even} by --devices")
    groups = [devices[i : i + devices_per_trial] for i in range(0, len(devices), devices_per_trial)]
    return [_joined(group) for group in groups]


def _joined(group: Sequence[Device]) -> Device:
    return Device(
        ",".join(device.name for device in group),
        ",".join(device.visible for device in group).strip(","),
        group[0].rocm,
        any(device.exclusive for device in group),
        tuple(sorted({core for device in group for core in device.cores})),
        native_bf16=all(device.native_bf16 for device in group),
        address=",".join(device.address for device in group).strip(","),
    )


def find(name: str) -> Device:
    """Return the device of this name; raises DeviceError where it is not there, or where nothing can train on it.

    Names with commas between them are those of a group.
    """
    if "," in name:
        return _joined(choose(name))
    if name == "cpu" or (name == "mps" and _has_mps()):
        return Device(name)
    there = gpus()
    if name == "cuda":  # the first, as torch takes it; where nobody can tell, whatever torch finds
        return _working(there[0], name) if there else Device(name)
    for device in there:
        if name == device.name:
            return _working(device, name)
    known = ", ".join(device.name for device in [*there, *([Device("mps")] if _has_mps() else []), Device("cpu")])
    given = os.environ.get(VISIBLE)
    limited = f" ({VISIBLE} is {given!r})" if given is not None and name.startswith("cuda") else ""
    raise DeviceError(f"there is no device {name!r} here{limited}", f"there is {known}")


def bind(device: Device, threads: int) -> dict[str, str]:
    """Return the environment of a process that is to see this device alone and to use so many CPU threads."""
    environment = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    if device.rocm:
        return {**environment, rocm.VISIBLE: device.visible}
    return (
        {**environment, VISIBLE: device.visible, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if device.visible else environment
    )


def memory(device: Device) -> nvml.Memory | None:
    """Return the memory of a GPU; None where nobody can tell, and of several together."""
    return rocm.memory(device.address) if device.rocm else nvml.memory(device.visible) if device.visible else None


def load(device: Device) -> nvml.Load | None:
    """Return how a GPU fares; None where nobody can tell."""
    return rocm.load(device.address) if device.rocm else nvml.load(device.visible) if device.visible else None


def gpus() -> list[Device]:
    """Return every GPU and MIG instance that this process may use, those with a problem too; raises DeviceError."""
    if rocm.is_torchs():
        return [
            Device(f"cuda:{number}", gpu.visible, rocm=True, cores=gpu.cores, address=gpu.address)
            for number, gpu in enumerate(rocm.gpus())
        ]
    there = nvml.gpus()
    return [
        Device(f"cuda:{number}", uuid, False, gpu.exclusive, gpu.cores, gpu.problem, gpu.native_bf16)
        for number, (uuid, gpu) in enumerate(visible_gpus(there, os.environ.get(VISIBLE)))
    ]


def visible_gpus(there: Sequence[nvml.GPU], given: str | None) -> list[tuple[str, nvml.GPU]]:
    """Return the UUIDs that this process may use, each with its GPU, given what CUDA_VISIBLE_DEVICES says.

    Raises DeviceError where it names something that is not there, or one device twice: CUDA would pass over the rest
    of the list, or over all of it, without a word.
    """
    if given is None:
        return [(part, gpu) for gpu in there for part in gpu.instances or (gpu.uuid,)]
    names = [entry.strip() for entry in given.split(",")]
    if not there or names[0] in HIDES_ALL:
        return []
    found = []
    for name in names:
        matching = _named(name, there)
        if len(matching) != 1:
            what = "no GPU of this machine" if not matching else "several GPUs of this machine"
            raise DeviceError(f"{VISIBLE} is {given!r}, and {name!r} names {what}", f"there are {_known(there)}")
        found.append(matching[0])
    if len({uuid or id(gpu) for uuid, gpu in found}) < len(found):  # a lost GPU has no UUID
        raise DeviceError(
            f"{VISIBLE} is {given!r} and names one device twice", "name each once; --slots 2 puts two on it"
        )
    return found


def _named(name: str, there: Sequence[nvml.GPU]) -> list[tuple[str, nvml.GPU]]:
    """Return what an entry of CUDA_VISIBLE_DEVICES may mean; of a GPU that is cut, CUDA takes the first instance."""
    if name.isdecimal():
        return [((gpu.instances or (gpu.uuid,))[0], gpu) for gpu in there[int(name) : int(name) + 1]]
    if name.startswith("MIG-GPU-"):  # drivers before 470 wrote MIG-GPU-UUID/GPU INSTANCE/COMPUTE INSTANCE
        return [(name, gpu) for gpu in there if name.startswith(f"MIG-{gpu.uuid}/")]
    if name.startswith("MIG-"):
        return [(part, gpu) for gpu in there for part in gpu.instances if part.startswith(name)]
    return [
        ((gpu.instances or (gpu.uuid,))[0], gpu)
        for gpu in there
        if name.startswith("GPU-") and gpu.uuid.startswith(name)
    ]


def _known(there: Sequence[nvml.GPU]) -> str:
    return ", ".join(f"{number} ({', '.join(gpu.instances) or gpu.uuid})" for number, gpu in enumerate(there))


def _every() -> list[Device]:
    there = gpus()
    for device in there:
        if device.problem:
            _log.warning("%s is passed over: %s", device.name, device.problem)
    working = [device for device in there if not device.problem]
    if there and not working:
        raise DeviceError(
            f"none of the {len(there)} GPUs here can be used: {there[0].name}: {there[0].problem}",
            "train without them by --devices cpu",
        )
    if not working and rocm.is_torchs():
        _log.warning("torch is built for ROCm and finds no GPU")
    elif not working and os.environ.get(VISIBLE) is not None and nvml.gpus():
        _log.warning("%s is %r: no GPU is used", VISIBLE, os.environ[VISIBLE])
    if not working and _has_mps():
        _log.warning("trains on the Apple GPU, on which Winnow was never tried; --devices cpu trains on the CPU")
        return [Device("mps")]
    if not there and os.environ.get(VISIBLE) not in HIDES_ALL and (word := nvml.word_on_missing_library()):
        _log.warning("%s: trains on the CPU", word)
    return working or [Device("cpu")]


def _working(device: Device, name: str) -> Device:
    if device.problem:
        raise DeviceError(f"{name} cannot be used: {device.problem}", "name other devices, or give --devices auto")
    return replace(device, name=name)


def _has_mps() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


def cores() -> list[int]:
    """Return the CPU cores that this process may use; under a container's quota, as many of them as it grants."""
    mine = _affinity()
    return mine if may_pin() else mine[: max(1, math.ceil(cpu_quota()))]


def may_pin() -> bool:
    """Return whether cores can be told apart: under a quota every container would take the same first ones."""
    return cpu_quota() >= len(_affinity())


def _affinity() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
