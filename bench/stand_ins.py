"""What stands for training where a fleet is measured: a loop that keeps a core busy for a fixed time."""

import os
import time
from pathlib import Path
from typing import Any


def train(trial: Any, seconds: float, log: str, epochs: int = 10) -> float:
    """Keep a core busy for so many seconds, and write down between which times it was."""
    x = trial.suggest_float("x", 0.0, 1.0)
    spans = []
    for epoch in range(1, epochs + 1):
        began = time.time()
        end = time.perf_counter() + seconds / epochs
        while time.perf_counter() < end:
            pass
        spans.append(f"{os.getpid()} {began} {time.time()}\n")
        trial.report(x, epoch)
    with Path(log).open("a") as file:
        file.writelines(spans)
    return float(x)
