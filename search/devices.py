"""The devices of this machine, found without importing torch."""

import os
import subprocess


def local() -> list[str]:
    """One entry a worker: every NVIDIA GPU (`cuda:0`, …), or else every core that this process may use (`cpu`)."""
    return _nvidia() or ["cpu"] * cores()


def cores() -> int:
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def assign(devices: list[str], workers: int) -> list[str]:
    """The device of each of `workers` workers, in turn."""
    return [devices[i % len(devices)] for i in range(workers)]


def _nvidia() -> list[str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [f"cuda:{name.strip()}" for name in visible.split(",") if name.strip() not in ("", "-1")]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return []
    return [f"cuda:{index}" for index, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]
