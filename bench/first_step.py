"""An objective that needs torch, as the built-in ones do, and says when its first training step could begin."""

import time
from pathlib import Path
from typing import Any

import torch._dynamo  # with torch: the first optimiser would import it

assert torch


def begin(trial: Any, log: str) -> float:
    """Write down when the first step begins, after the trial's parameters were drawn."""
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    weight_decay = trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True)
    Path(log).write_text(str(time.time()))
    return float(lr + weight_decay)
