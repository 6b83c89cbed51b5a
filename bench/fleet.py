"""What a fleet costs: the share of time in which its devices train, and how soon a worker's first step begins.

    python -m bench.fleet share     # 1, 2 and 4 workers on trials of 1, 5 and 30 seconds: seven minutes
    python -m bench.fleet start     # a worker of a study with 20,000 finished trials, beyond importing torch

Training is stood in for by a loop that keeps a core busy for a fixed time, ten epochs a trial. A share is the time in
such loops over workers times the time from the first loop to the last: what is missing went to the storage, the
sampler, the messages between supervisor and trainer, and to waiting for a core.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.storage import databases
from winnow import storage
from winnow.search.study import study as studies
from winnow.search.study.validation import check

ROOT = Path(__file__).parents[1]
TRIALS = {1: 20, 5: 8, 30: 2}
"""So many trials a worker, by their seconds."""


def share(kind: str, seconds: list[int], workers: list[int]) -> None:
    print(f"{kind}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    print("| seconds a trial | " + " | ".join(f"{count} workers" for count in workers) + " |")
    print("|---" * (len(workers) + 1) + "|")
    for lasts in seconds:
        shares = [f"{_share(kind, lasts, count):.1%}" for count in workers]
        print(f"| {lasts} | " + " | ".join(shares) + " |", flush=True)


def _share(kind: str, seconds: int, workers: int) -> float:
    with databases(kind) as of_size, tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        spec = Path(folder) / "fleet.toml"
        spec.write_text(
            'name = "fleet"\nobjective = "bench.stand_ins:train"\n'
            f'[fixed]\nseconds = {seconds / 1.0}\nlog = "{log}"\n'
            f'[pruner]\nname = "none"\n[budget]\ntrials = {workers * TRIALS.get(seconds, 4)}\n'
        )
        command = [sys.executable, "-m", "winnow", "run", str(spec), "--devices", "cpu", "--workers", str(workers)]
        subprocess.run(
            [*command, "--report", str(Path(folder) / "report.html")],
            cwd=ROOT,
            env={**os.environ, "OPTUNA_STORAGE": of_size(0)(), "WINNOW_FILES": folder, "OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
        )
        spans = [(float(began), float(ended)) for _, began, ended in map(str.split, log.read_text().splitlines())]
    whole = max(ended for _, ended in spans) - min(began for began, _ in spans)
    return sum(ended - began for began, ended in spans) / (workers * whole)


def start(kind: str, size: int, repeats: int) -> None:
    print(f"{kind}, {size} finished trials, load {os.getloadavg()[0]:.1f}")
    with databases(kind) as of_size, tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        url = of_size(size)()
        content = {
            "name": "s",
            "objective": "bench.first_step:begin",
            "direction": "minimize",
            "fixed": {"log": str(log)},
            "pruner": {"name": "none"},
        }
        opened = storage.open(url)
        beyond = []
        for more in range(1, repeats + 1):  # the baseline, which does not count, and then trials that are sampled
            budget = {"trials": size + more}
            studies.create(opened, check({**content, "budget": budget}, "the benchmark"))
            imported = _seconds(_import_torch)
            beyond.append(_until_first_step(url, folder, log) - imported)
        opened.database.release()
        beyond = beyond[1:]
        spread = f"{statistics.median(beyond):.2f} s ({min(beyond):.2f} to {max(beyond):.2f})"
        print(f"start to first step beyond importing torch: {spread}")


def _import_torch() -> None:
    subprocess.run([sys.executable, "-c", "import torch._dynamo"], check=True, cwd=ROOT)


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _until_first_step(url: str, folder: str, log: Path) -> float:
    began = time.time()
    subprocess.run(
        [sys.executable, "-m", "winnow", "work", "s"],
        cwd=ROOT,
        env={**os.environ, "OPTUNA_STORAGE": url, "WINNOW_FILES": folder, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    return float(log.read_text()) - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=["share", "start"])
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--seconds", type=int, nargs="+", default=[1, 5, 30])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=6)
    chosen = parser.parse_args()
    if chosen.question == "share":
        share(chosen.database, chosen.seconds, chosen.workers)
    else:
        start(chosen.database, chosen.size, chosen.repeats)


if __name__ == "__main__":
    main()
