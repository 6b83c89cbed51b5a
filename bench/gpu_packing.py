"""How `bench/gpu.py` measures several processes that train side by side on one card."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import torch

from bench.gpu_figures import Enough
from bench.gpu_run import Figures, Run
from bench.loops import AUGMENTED, NETWORKS, cifar_like
from winnow.objectives.data.loading import Data
from winnow.objectives.hyperparameters import change
from winnow.objectives.training import train
from winnow.search.worker import devices, nvml


def packing(run: Run, figures: Figures) -> None:
    """One, two, four and eight processes that train side by side on the card, and the memory that each takes."""
    numbers = (1, 2) if run.quick else (1, 2, 4, 8)
    visible = devices.choose("auto")[0].visible if run.device.type == "cuda" else ""
    before = nvml.memory(visible) if visible else None
    command = [sys.executable, "-m", "bench.gpu", "--child", "pack", run.device.type, "128" if run.quick else "20480"]
    command += [str(index) for index in range(len(NETWORKS))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, bufsize=1)
        for _ in range(max(numbers))
    ]
    try:
        for network in NETWORKS:
            group: Figures = figures.setdefault(network.name, {})
            for worker in workers:
                say(worker, "begin")
            memory = [hear(worker) for worker in workers]
            now = nvml.memory(visible) if visible else None
            group["allocated_bytes_of_one"] = memory[0]["allocated"]
            group["reserved_bytes_of_one"] = memory[0]["reserved"]
            if before is not None and now is not None:
                group["driver_bytes_of_one"] = (now.used - before.used) // len(workers)
            for number in numbers:
                if run.hurries:
                    break
                for worker in workers[:number]:
                    say(worker, f"go {2 * run.epoch_seconds}")
                each = [hear(worker)["images"] for worker in workers[:number]]
                group[f"{number} processes"] = {"images": sum(each), "each": each}
                gain = sum(each) / group["1 processes"]["images"]
                print(f"   {network.name}, {number} processes: {sum(each):>12,.0f}/s  {gain:.2f}x", flush=True)
            for worker in workers:
                say(worker, "next")
            run.write()
        for worker in workers:
            worker.wait(20)
    finally:
        for worker in workers:
            worker.kill()


def say(worker: "subprocess.Popen[str]", line: str) -> None:
    """One line to a process."""
    assert worker.stdin is not None
    worker.stdin.write(line + "\n")
    worker.stdin.flush()


def hear(worker: "subprocess.Popen[str]") -> Figures:
    """The next line of figures from a process."""
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise RuntimeError(f"a process of the packing ended with {worker.wait()}")
    told: Figures = json.loads(line)
    return told


def pack(device: str, images: str, *indices: str) -> None:
    """Train one network after the other; for so many seconds each time that a line says so."""
    for index in indices:
        # An epoch of the large network is to end within a second or so beside seven others.
        data = cifar_like(int(images) // (2 if index == "2" and images != "128" else 1), torch.device(device))
        end = 0.0
        done, began = 0, 0.0

        def report(*_: Any, data: Data = data) -> None:
            nonlocal end, done, began
            done += len(data.train.targets)
            if time.perf_counter() < end:
                return
            if end:
                print(json.dumps({"images": done / (time.perf_counter() - began)}), flush=True)
            else:
                cuda = device == "cuda"
                allocated = torch.cuda.max_memory_allocated() if cuda else 0
                reserved = torch.cuda.max_memory_reserved() if cuda else 0
                print(json.dumps({"allocated": allocated, "reserved": reserved}), flush=True)
            order, *arguments = sys.stdin.readline().split() or ["next"]
            if order == "next":
                raise Enough
            began, done = time.perf_counter(), 0
            end = began + float(arguments[0])

        if sys.stdin.readline().strip() != "begin":
            return
        config = change(NETWORKS[int(index)].config, **AUGMENTED, precision="bf16", epochs=1_000_000)
        with suppress(Enough):
            train(config, data, report)
        if device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
