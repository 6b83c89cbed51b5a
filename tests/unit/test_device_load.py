"""How busy, full and hot a device is, as a driver tells that is not there: NVIDIA's library, built from C."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nvidia_driver

SAMPLE = """
import json, sys
from winnow.search.worker.device_load import DeviceLoad
from winnow.search.worker.devices import Device
load = DeviceLoad(Device("cuda:0", sys.argv[1]))
load.sample()
print(json.dumps(load.sample()))
"""


def test_what_the_driver_tells_is_kept_sample_by_sample(tmp_path: Path) -> None:
    gpus = [
        f"GPU-a {nvidia_driver.H100} busy=87 heat=64",
        f"GPU-b {nvidia_driver.V100}",
        f"GPU-c {nvidia_driver.H100} lost",
    ]
    environment = {**os.environ, **nvidia_driver.install(tmp_path, gpus)}

    def sampled(uuid: str) -> object:
        ran = subprocess.run([sys.executable, "-c", SAMPLE, uuid], env=environment, capture_output=True, check=True)
        return json.loads(ran.stdout)

    assert sampled("GPU-a") == {"utilisation": [87.0, 87.0], "memory": [0.8, 0.8], "temperature": [64.0, 64.0]}
    assert sampled("GPU-b") == {"utilisation": [], "memory": [2.3, 2.3], "temperature": []}
    assert sampled("GPU-c") is None, "a lost GPU tells nothing"
