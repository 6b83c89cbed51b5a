"""Stacks of trials against trials one by one, and a whole search against a competent person's script.

    python -m bench.fused core mlp|cnn|smallnet     # CPU time of K trainings ÷ that of one stack of them
    python -m bench.fused search mlp|cnn|fashion_mlp|smallnet  # a search: both scripts, and two workers by `fuse`
    python -m bench.fused best mlp|cnn|fashion_mlp --against 1|competent --rounds 20  # best value at equal time
    python -m bench.fused ready e_circles mixed     # ready studies, and a grid of small and large networks, by `fuse`

Everything but `best` in turns, by the CPU time of all processes together: what else runs on the machine changes it
little, and on a quiet one the wall time goes with it.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from bench.competent import FASHION_TRAINED, FASHION_VALIDATED
from bench.search_times import trials_of

ROOT = Path(__file__).parents[1]
SEARCH = """
name = "s"
seed = {seed}
[data]
{data}
[fixed]
{fixed}
epochs = 10
batch_size = 64
[search]
optimizer       = {{ choices = ["sgd", "adam", "adamw"] }}
lr              = {{ low = 1e-4, high = 1e-1, log = true }}
momentum        = {{ low = 0.0, high = 0.95, when = {{ optimizer = ["sgd"] }} }}
weight_decay    = {{ low = 1e-6, high = 1e-2, log = true }}
dropout         = {{ low = 0.0, high = 0.6 }}
label_smoothing = {{ low = 0.0, high = 0.2 }}
{more}
[budget]
trials = {trials}
[fleet]
fuse = {fuse}
"""
MIXED = """
name = "mixed"
[data]
name = "digits"
validation = 0.2
[fixed]
epochs = 6
batch_size = 64
[search]
widths = { choices = [[16], [64], [128], [64, 64], [1024, 1024]] }
lr     = { choices = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 2e-1, 5e-1] }
[sampler]
name = "grid"
[pruner]
name = "none"
"""
FUSE = ("1", "8", '"auto"')
DIGITS = 'name = "digits"\nvalidation = 0.2'
FASHION = f'name = "fashion_mnist"\ntrain = {FASHION_TRAINED}\nvalidation = {FASHION_VALIDATED}'
SEARCHES = {
    "mlp": (DIGITS, 'model = "mlp"\nwidths = [128]', ""),
    "fashion_mlp": (FASHION, 'model = "mlp"\nwidths = [128]', ""),
    "smallnet": (FASHION, 'model = "smallnet"\nconv_dropout = 0.2', ""),
    "cnn": (
        DIGITS,
        'model = "cnn"\nfilters = [16, 32]\nhidden = [64]',
        "crop = { choices = [true, false] }\ncrop_padding = { low = 1, high = 2, when = { crop = [true] } }",
    ),
}
"""Data, what is fixed, and what is searched besides."""
SCRIPTS = ("competent", "usual")
DATA = "data.pt"
"""Where a script reads the examples on which Winnow trains and validates."""


def spec_of(model: str, trials: int, fuse: str, seed: int) -> str:
    """The spec of a search."""
    data, fixed, more = SEARCHES[model]
    return SEARCH.format(data=data, fixed=fixed, more=more, trials=trials, fuse=fuse, seed=seed)


def core(model: str, counts: list[int], rounds: int) -> None:
    import torch

    from winnow.objectives.data.catalog import DataSpec
    from winnow.objectives.data.loading import load
    from winnow.objectives.hyperparameters import make_config
    from winnow.objectives.stack import train_stack
    from winnow.objectives.training import begin, train

    torch.set_num_threads(1)
    data = load(DataSpec("digits", validation=0.2))
    shapes: dict[str, dict[str, Any]] = {
        "mlp": {"model": "mlp", "widths": [128]},
        "cnn": {"model": "cnn", "filters": [16, 32], "hidden": [64]},
        "smallnet": {"model": "smallnet"},
    }

    def config(seed: int) -> Any:
        kind = ["adam", "adamw", "sgd"][seed % 3]
        own = {"lr": 1e-3 * (1 + seed), "dropout": 0.1 * (seed % 4), "label_smoothing": 0.02 * (seed % 4)}
        return make_config({**shapes[model], **own, "optimizer": kind, "seed": seed, "epochs": 3, "batch_size": 64})

    def silent(*_: object) -> None:
        pass

    for count in counts:
        configs = [config(seed) for seed in range(count)]
        ratios = []
        for turn in range(rounds + 1):
            alone = _cpu(lambda: [train(each, data, silent) for each in configs])  # noqa: B023 - called at once
            stacked = _cpu(lambda: train_stack([(begin(each, data, silent), silent) for each in configs]))  # noqa: B023
            ratios += [alone / stacked] if turn else []
        print(f"{model}, stack of {count}: {_spread(ratios)} times the trainings per CPU second", flush=True)


def search(model: str, trials: int, rounds: int) -> None:
    names = [*SCRIPTS, *(f"two workers, fuse = {fuse}" for fuse in FUSE)]
    ways: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for turn in range(rounds):
        for way in list(ways) if turn % 2 == 0 else list(ways)[::-1]:
            found = _search(way, model, trials)
            ways[way].append(found)
            print(f"{way}: " + ", ".join(f"{name} {value:.4g}" for name, value in found.items()), flush=True)
    shown = ("cpu", "wall", "epochs", "start", "stop", "best")
    over = [(name, rate) for name in SCRIPTS for rate in ("trials", "epochs")]
    titles = ["", "CPU s", "wall s", "epochs", "start s", "stop s", "best"]
    titles += [f"{rate} a CPU second ÷ {name}'s" for name, rate in over]
    print("| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
    for way, all_found in ways.items():
        columns = [_spread([found[name] for found in all_found]) for name in shown]
        for name, rate in over:
            pairs = zip(all_found, ways[name], strict=True)
            columns.append(
                _spread([ours[rate] / ours["cpu"] / (theirs[rate] / theirs["cpu"]) for ours, theirs in pairs])
            )
        print(f"| {way} | " + " | ".join(columns) + " |")


def _search(way: str, model: str, trials: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/s.db"
        if way in SCRIPTS:
            command = [sys.executable, "-m", "bench.competent", url, str(trials), model, "--loop", way]
        else:
            Path(folder, "s.toml").write_text(spec_of(model, trials, way.partition("fuse = ")[2], seed=0))
            command = [sys.executable, "-m", "winnow", "run", f"{folder}/s.toml", "--workers", "2"]
            command += ["--report", f"{folder}/r.html"]
        began = time.time()
        # A cache of its own: what is measured once on a machine is measured in each run here.
        cpu = cpu_of(command, {"OPTUNA_STORAGE": url, "WINNOW_CACHE": f"{folder}/cache"})
        ended = time.time()
        trials_ended = trials_of(Path(folder, "s.db"))
    return {
        "cpu": cpu,
        "wall": ended - began,
        "trials": len(trials_ended),
        "epochs": sum(trial.epochs for trial in trials_ended),
        "start": min(trial.began for trial in trials_ended) - began,
        "stop": ended - trials_ended[-1].ended,
        "best": max(trial.value for trial in trials_ended if trial.value is not None),
    }


def ready(names: list[str], rounds: int) -> None:
    """Run ready studies, or the `mixed` one, as they are but for `fuse` and, of a grid, the order of its cells."""
    for name in names:
        text = MIXED if name == "mixed" else (ROOT / f"studies/{name}.toml").read_text()
        text = re.sub(r"^(by_shape = .*|\[fleet\]|fuse = .*)\n", "", text, flags=re.MULTILINE)
        stacked = text.replace('name = "grid"\n', 'name = "grid"\nby_shape = true\n')
        ways = {fuse: (text if fuse == "1" else stacked) + f"\n[fleet]\nfuse = {fuse}\n" for fuse in FUSE}
        seconds: dict[str, list[tuple[float, float, float]]] = {fuse: [] for fuse in ways}
        for turn in range(rounds):
            for fuse in list(ways)[:: -1 if turn % 2 else 1]:
                seconds[fuse].append(_run_ready(ways[fuse]))
        alone = seconds["1"]
        print(f"{name}, one by one: CPU s {_spread([each[0] for each in alone])}, mean value {alone[0][2]:.4f}")
        for fuse in FUSE[1:]:
            cpu, clock = ([a[kind] / f[kind] for a, f in zip(alone, seconds[fuse], strict=True)] for kind in (0, 1))
            value = seconds[fuse][0][2]
            print(
                f"  fuse = {fuse}: {_spread(cpu)} times as fast, {_spread(clock)} on the clock, mean value {value:.4f}"
            )
        sys.stdout.flush()


def _run_ready(text: str) -> tuple[float, float, float]:
    """Return the seconds of CPU and on the clock that a study takes, and the mean of its trials' values."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "s.toml").write_text(text)
        began = time.perf_counter()
        command = [sys.executable, "-m", "winnow", "run", f"{folder}/s.toml", "--workers", "1", "--devices", "cpu"]
        place = {"OPTUNA_STORAGE": f"sqlite:///{folder}/s.db", "WINNOW_CACHE": f"{folder}/cache"}
        cpu = cpu_of([*command, "--report", f"{folder}/r.html"], place)
        clock = time.perf_counter() - began
        values = [trial.value for trial in trials_of(Path(folder, "s.db")) if trial.value is not None]
        return cpu, clock, statistics.fmean(values)


def cpu_of(command: list[str], environment: dict[str, str]) -> float:
    """Return the seconds of CPU of a command and of all processes that it has started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Compiled once, as what is installed is.
    own = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "", **environment}
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {done.returncode}\n{done.stdout}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def best(model: str, trials: int, seeds: int, against: str) -> None:
    """Compare the best values of stacks of eight and of another way, side by side, one worker each, on one split.

    So they share alike whatever else the machine does. Times are from the command on where the other is a script, else
    from each search's first trial on, and the whole is the time that the quicker one took.
    """
    differences: dict[float, list[float]] = {0.25: [], 0.5: [], 1.0: []}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
            if against in SCRIPTS:
                _write_examples(model, Path(folder, DATA))
            search = partial(_values, model, trials, seed, against, Path(folder))
            ended = dict(zip(("8", against), pool.map(search, ("8", against)), strict=True))
        for part, found in differences.items():
            moment = part * min(values[-1][0] for values in ended.values())
            ours, theirs = (max((v for at, v in ended[way] if at <= moment), default=0.0) for way in ("8", against))
            found.append(ours - theirs)
            print(f"seed {seed}, after {moment:.1f} s: stacks {ours:.4f}, {against} {theirs:.4f}", flush=True)
    for part, found in differences.items():
        half = 1.96 * statistics.stdev(found) / len(found) ** 0.5
        better, worse = sum(each > 0 for each in found), sum(each < 0 for each in found)
        print(
            f"{part:.0%}: {statistics.mean(found):+.4f} ± {half:.4f}; better {better}, worse {worse}, of {len(found)}"
        )


def _values(model: str, trials: int, seed: int, against: str, folder: Path, way: str) -> list[tuple[float, float]]:
    """Return when each whole trial of a search had its value, in seconds since the beginning, and that."""
    url = f"sqlite:///{folder}/{way}.db"
    if way in SCRIPTS:
        command = [sys.executable, "-m", "bench.competent", url, str(trials), model, "--loop", way]
        command += ["--processes", "1", "--seed", str(seed), "--data", str(folder / DATA)]
    else:
        spec = folder / f"{way}.toml"
        spec.write_text(spec_of(model, trials, way, seed))
        command = [sys.executable, "-m", "winnow", "run", str(spec), "--workers", "1"]
    began = time.time()
    subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "OPTUNA_STORAGE": url, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=True,
    )
    trials_ended = trials_of(folder / f"{way}.db")
    if against not in SCRIPTS:
        began = min(trial.began for trial in trials_ended)
    return [(trial.ended - began, trial.value) for trial in trials_ended if trial.complete and trial.value is not None]


def _write_examples(model: str, file: Path) -> None:
    """Write the examples that Winnow trains and validates on for a script."""
    import torch

    from winnow.objectives.data.catalog import DataSpec
    from winnow.objectives.data.loading import load

    data = load(DataSpec(**tomllib.loads(SEARCHES[model][0])))
    parts = (data.train, data.validation)
    torch.save([*(part.inputs for part in parts), *(part.targets for part in parts)], file)


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=["core", "search", "best", "ready"])
    parser.add_argument("models", nargs="+", metavar="mlp|cnn|smallnet, or names of ready studies")
    parser.add_argument("--stacks", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--against", choices=["1", *SCRIPTS], default="1")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    if chosen.question == "ready":
        ready(chosen.models, chosen.rounds)
        return
    (model,) = chosen.models
    if chosen.question == "core":
        core(model, chosen.stacks, chosen.rounds)
    elif chosen.question == "search":
        search(model, chosen.trials, chosen.rounds)
    else:
        best(model, chosen.trials, chosen.rounds, chosen.against)


if __name__ == "__main__":
    main()
