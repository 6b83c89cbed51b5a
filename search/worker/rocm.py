"""AMD's GPUs: which there are, as torch (built for ROCm) sees them, and how they fare, as Linux tells.

Torch is asked in a process beside, so that a process can ask before it is bound to one device.
"""

import importlib.util
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from winnow.errors import DeviceError
from winnow.search.worker.nvml import Load, Memory

VISIBLE = "HIP_VISIBLE_DEVICES"
"""Counts those that ROCR_VISIBLE_DEVICES lets through; where it is not set, ROCm reads CUDA_VISIBLE_DEVICES."""
PCI = Path("/sys/bus/pci/devices")
ASK = """
import json, torch
there = []
for number in range(torch.cuda.device_count()):
    told = torch.cuda.get_device_properties(number)
    place = [getattr(told, f"pci_{part}_id", None) for part in ("domain", "bus", "device")]
    there.append({"name": told.name, "uuid": str(getattr(told, "uuid", "")), "place": place})
print(json.dumps(there))
"""


@dataclass(frozen=True)
class GPU:
    """One GPU."""

    visible: str
    """What HIP_VISIBLE_DEVICES calls it."""
    name: str
    address: str
    """On the PCI bus, the same for all processes; its UUID where torch does not tell, empty where neither is known."""

    @property
    def cores(self) -> tuple[int, ...]:
        """The CPU cores of its NUMA node; empty where nobody can tell."""
        cores: list[int] = []
        with suppress(OSError, ValueError):
            for part in (PCI / self.address / "local_cpulist").read_text().strip().split(","):
                first, _, last = part.partition("-")
                cores += range(int(first), int(last or first) + 1)
        return tuple(cores)


def is_torchs() -> bool:
    """Return whether the torch that is installed is built for ROCm."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    written = (Path(found.origin).parent / "version.py").read_text(errors="replace")
    return any(line.startswith("hip") and "None" not in line for line in written.splitlines())


def gpus() -> list[GPU]:
    """Return the GPUs that torch sees; raises DeviceError where they are not those that were let through."""
    asked = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True)
    given = os.environ.get(VISIBLE, os.environ.get("CUDA_VISIBLE_DEVICES"))
    hidden = given is not None and given.strip() in ("", "-1")
    if asked.returncode:
        why = (asked.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise DeviceError(
            f"torch is built for ROCm and cannot say which GPUs there are: {why}", "see what rocminfo says"
        )
    told: list[dict[str, Any]] = json.loads(asked.stdout)
    names = [str(number) for number in range(len(told))]
    if given is not None and not hidden:
        names = [name.strip() for name in given.split(",")]
        if len(names) != len(told) or len(set(names)) < len(names):
            raise DeviceError(
                f"{VISIBLE} (or CUDA_VISIBLE_DEVICES) is {given!r}, and torch sees {len(told)} GPUs by it",
                "name GPUs that are there, each once",
            )
    return [GPU(name, each["name"], _address(each)) for name, each in zip(names, told, strict=not hidden)]


def _address(told: dict[str, Any]) -> str:
    if None in told["place"]:
        return str(told["uuid"])
    domain, bus, device = told["place"]
    return f"{domain:04x}:{bus:02x}:{device:02x}.0"


def memory(address: str) -> Memory | None:
    """Return the memory of the GPU at this address; None where nobody can tell."""
    total, used = (_number(address, f"mem_info_vram_{what}") for what in ("total", "used"))
    return None if total is None or used is None else Memory(total, used, total - used)


def load(address: str) -> Load | None:
    """Return how the GPU at this address fares; None where nobody can tell."""
    told = memory(address)
    if told is None:
        return None
    busy = _number(address, "gpu_busy_percent")
    heat = _number(address, "hwmon/hwmon*/temp1_input")
    return Load(
        None if busy is None else float(busy),
        round(100.0 * told.used / max(1, told.total), 1),
        None if heat is None else heat / 1000,
    )


def _number(address: str, name: str) -> int | None:
    with suppress(OSError, ValueError, StopIteration):
        return int(next((PCI / address).glob(name)).read_text()) if address else None
    return None
