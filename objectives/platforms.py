"""Where a training ran, as far as it decides its bits: a replay gives the same ones only where all of it matches."""

from typing import Any

import torch


def platform_record(device: torch.device, devices_per_trial: int = 1) -> dict[str, Any]:
    """Return the device, the CPU's threads and capabilities, and the versions."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "float32_matmul": torch.get_float32_matmul_precision(),
        "torch": str(torch.__version__),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        **({"devices_per_trial": devices_per_trial} if devices_per_trial > 1 else {}),
    }
