"""A whole search on the card, for `bench/gpu.py`: a competent script in several processes, and `winnow run`."""

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.fused import ROOT, spec_of
from bench.gpu_run import Figures, Run, guarded
from bench.search_times import trials_of

WAYS: dict[str, int | tuple[str, int]] = {
    "script, 4 processes": 4,
    "winnow, 4 workers": ("1", 4),
    "winnow, 1 worker, stacks of 8": ("8", 1),
    "script, 8 processes": 8,
    "winnow, 2 workers, stacks of 8": ("8", 2),
    "winnow, 2 workers, as it finds": ('"auto"', 2),
}
"""A script's processes; of `winnow run` what `fuse` is, and how many workers share the card."""
MODELS = ("mlp", "cnn")
TRIALS, EPOCHS = 120, 30


def search(run: Run, figures: Figures) -> None:
    """The digits search of `bench/fused.py`, its trials three times as long, in turns; as often as there is time."""
    if missing := [name for name in ("optuna", "pydantic", "sqlalchemy") if importlib.util.find_spec(name) is None]:
        figures["passed_over"] = f"not installed here: {', '.join(missing)}"
        return
    kind, trials, epochs = ("cuda", TRIALS, EPOCHS) if run.device.type == "cuda" else ("cpu", 6, 2)
    for turn in range(3):
        for name, way in WAYS.items():
            for model in MODELS:
                group: Figures = figures.setdefault(model, {})
                if run.hurries:
                    group.setdefault("passed_over", []).append(f"{name}, turn {turn}")
                    continue
                with guarded(group, f"{name}, turn {turn}"):
                    found = _search(way, model, kind, trials, epochs, turn)
                    group.setdefault(name, []).append(found)
                    told = ", ".join(f"{figure} {value:.4g}" for figure, value in found.items())
                    print(f"   {model}, {name}: {told}", flush=True)
                run.write()
    for model, group in figures.items():
        for name in WAYS:
            if isinstance(group, dict) and isinstance(group.get(name), list):
                seconds = [found["searching"] for found in group[name]]
                print(
                    f"   {model}, {name}: {statistics.median(seconds):.1f} s of searching, n {len(seconds)}", flush=True
                )


def _search(way: int | tuple[str, int], model: str, kind: str, trials: int, epochs: int, seed: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/s.db"
        if isinstance(way, int):
            command = [sys.executable, "-m", "bench.competent", url, str(trials), model, "--device", kind]
            command += ["--processes", str(way), "--epochs", str(epochs)]
        else:
            fuse, workers = way
            spec = spec_of(model, trials, fuse, seed)
            Path(folder, "s.toml").write_text(spec.replace("epochs = 10", f"epochs = {epochs}"))
            where = ["--devices", "auto" if kind == "cuda" else kind, "--slots", str(workers)]
            command = [
                sys.executable,
                "-m",
                "winnow",
                "run",
                f"{folder}/s.toml",
                *where,
                "--report",
                f"{folder}/r.html",
            ]
        environment = {**os.environ, "OPTUNA_STORAGE": url, "OMP_NUM_THREADS": "1", "WINNOW_CACHE": f"{folder}/cache"}
        began = time.time()
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        ended = time.time()
        if done.returncode:
            raise RuntimeError(f"ended with {done.returncode}: {done.stdout[-300:]}{done.stderr[-600:]}")
        ended_trials = trials_of(Path(folder, "s.db"))
    return {
        "searching": ended_trials[-1].ended - min(trial.began for trial in ended_trials),
        "in_all": ended - began,
        "trials": len(ended_trials),
        "completed": sum(trial.complete for trial in ended_trials),
        "epochs": sum(trial.epochs for trial in ended_trials),
        "best": max(trial.value for trial in ended_trials if trial.value is not None),
    }
