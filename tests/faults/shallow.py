"""A short objective with real checkpoints: a number that goes on growing exactly where it was left."""

import json
import os
import time
from pathlib import Path


def search(trial, epochs=6, epoch_seconds=0.05, log="", hold="", resume=None):
    """Grow by x each epoch; no epoch begins while there is a file named `hold`."""
    x = trial.suggest_float("x", 0.0, 1.0)
    state = json.loads(resume or '{"epoch": 0, "value": 0.0}')
    for epoch in range(state["epoch"] + 1, epochs + 1):
        while hold and Path(hold).exists():
            time.sleep(0.05)
        time.sleep(epoch_seconds)  # stands for training
        state = {"epoch": epoch, "value": state["value"] + x}
        _note(log, trial.number, epoch)
        trial.report(state["value"], epoch, lambda state=state: json.dumps(state).encode(), train_loss=x)
    return state["value"]


def hang(trial, log="", resume=None):
    """Hang once with the GIL held, as a deadlocked extension does; the process's children hang along."""
    import ctypes

    trial.suggest_float("x", 0.0, 1.0)
    if os.fork() == 0:
        time.sleep(600)
    _note(log, trial.number, os.getpid())
    ctypes.PyDLL(None).sleep(600)
    return 0.0


def _note(log, number, epoch):
    """Append one line: what was trained, whether or not it could be reported."""
    if log:
        with Path(log).open("a") as file:
            file.write(f"{number} {epoch} {time.time()}\n")
