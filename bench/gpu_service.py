"""Winnow's own commands on the card, as `bench/gpu.py` runs them: packed trials, and two that fail."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.gpu_run import Figures, Run, guarded

SPECS = {
    "digits": """name = "digits"
[data]
name = "digits"
[fixed]
model = "cnn"
filters = [16, 32]
hidden = [64]
epochs = 6
batch_size = 64
[search]
lr = { low = 1e-4, high = 1e-1, log = true }
dropout = { low = 0.0, high = 0.6 }
crop = { choices = [true, false] }
[budget]
trials = 24
""",
    "faults": """name = "faults"
objective = "gpu_faults:search"
[pruner]
name = "none"
[budget]
trials = 10
""",
}
FAULTS = """
import torch

def search(trial):
    x = trial.suggest_float("x", 0.0, 1.0)
    held = torch.rand(64, device="cuda")
    if trial.number == 2:
        torch.nn.functional.cross_entropy(held.view(4, 16), torch.full((4,), 99, device="cuda")).item()
    if trial.number == 5:
        torch.empty(2**40, dtype=torch.uint8, device="cuda")
    return x + float(held.sum()) * 0
"""


def service(run: Run, figures: Figures) -> None:
    """`winnow doctor`, a study packed on the card, and one with a trial that asserts and one that wants too much."""
    missing = [
        name for name in ("optuna", "pydantic", "sqlalchemy", "plotly") if importlib.util.find_spec(name) is None
    ]
    if missing:
        figures["passed_over"] = f"not installed here: {', '.join(missing)}"
        return
    device = "auto" if run.device.type == "cuda" else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "gpu_faults.py").write_text(FAULTS)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])}

        def winnow(name: str, *arguments: str) -> str:
            began = time.monotonic()
            command = [sys.executable, "-m", "winnow", *arguments]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = subprocess.Popen(command, cwd=folder, env=environment, **pipes)  # type: ignore[call-overload]
            try:
                out, err = process.communicate(timeout=50)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGTERM)
                out, err = process.communicate()
            lines = [*out.splitlines()[-15:], *err.splitlines()[-25:]]
            seconds = round(time.monotonic() - began, 1)
            figures[name] = {"exit": process.returncode, "seconds": seconds, "says": [line[-300:] for line in lines]}
            print(f"   winnow {' '.join(arguments)}: exit {process.returncode} after {seconds} s", flush=True)
            return str(out)

        with guarded(figures, "doctor"):
            winnow("doctor", "doctor")
        for name, options in (("digits", ["--slots", "auto", "--workers", "8"]), ("faults", [])):
            if name == "faults" and run.device.type != "cuda":
                continue
            with guarded(figures, name):
                (Path(folder) / f"{name}.toml").write_text(SPECS[name])
                winnow(name, "run", f"{name}.toml", "--devices", device, *options)
                figures[f"{name} status"] = json.loads(winnow(f"{name} says", "status", name, "--json"))
