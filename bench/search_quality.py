"""How near to the best a search comes, training for training: searches replayed by asynchronous workers.

    OMP_NUM_THREADS=1 python -m bench.search_quality formula --budget 25
    OMP_NUM_THREADS=1 python -m bench.search_quality lcbench-judging --lcbench FOLDER --workers 8
    OMP_NUM_THREADS=1 python -m bench.search_quality tables --tables bench/curves --methods freeze_thaw random+asha

A line a method, for all tasks and for each family: mean regret of its best whole training (2 while it has none) after
the epochs of so many trainings, and the ratio of that to the first method's, with 95 % of a paired bootstrap over tasks
and their seeds, which are the same for all methods and others for each task. Of the formulas those from 100 on, and of
LCBench the tuning ones, are for choosing; the others judge, and by no kind of other-formulas anything was chosen.
"""

import argparse
import heapq
import json
import math
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler

from bench.other_formulas import OTHER_KINDS, OtherFormula
from bench.regret import families, picture, table
from bench.rivals import RIVALS, first_rung
from bench.search_tasks import BELIEFS, JUDGING, KINDS, TUNING, Curve, Formula, LCBench, Task, believe, tables
from bench.yahpo import tasks as yahpo_tasks
from winnow.objectives.space import suggest
from winnow.search.study.encoding import Encoding
from winnow.search.study.freeze_thaw.scheduler import FreezeThaw
from winnow.search.study.prior import PriorSampler
from winnow.search.study.schedulers import (
    AsynchronousHalving,
    Direction,
    GoOn,
    Outline,
    Scheduler,
    Standing,
    rungs_between,
)

LOOKS = (10, 25, 50)
UNFINISHED = 2.0


class Search(Protocol):
    """A method on one task: which trial is trained next, and what it says of each epoch."""

    def next(self) -> tuple[int, Mapping[str, Any] | None, int]:
        """Return a trial's number, its parameters if it is new, and the epoch until which it is trained."""

    def begun(self, number: int, parameters: Mapping[str, Any]) -> None:
        """Take in what a new trial really trains."""

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Return whether the trial ends here."""

    def left(self, number: int, epoch: int, *, failed: bool) -> None:
        """Take in that the trial trains no more for now."""


class Scheduled:
    """A scheduler of Winnow's; what it leaves open is drawn at random."""

    def __init__(self, task: Task, scheduler: Scheduler, seed: int) -> None:
        self._random, self._encoding, self._epochs = np.random.default_rng(seed), Encoding(task.space), task.epochs
        self._scheduler = scheduler
        self._trials: list[Outline] = []

    def next(self) -> tuple[int, Mapping[str, Any] | None, int]:
        """Decide from all trials."""
        decision = self._scheduler.next(self._trials, self._random)
        assert decision is not None
        until = decision.until or self._epochs
        if isinstance(decision, GoOn):
            going = replace(self._trials[decision.number], standing=Standing.RUNNING, until=decision.until)
            self._trials[decision.number] = going
            return decision.number, None, until
        self._trials.append(Outline(len(self._trials), Standing.RUNNING, {}, [], decision.until))
        drawn = self._encoding.parameters(self._encoding.draw(1, self._random)[0])
        return len(self._trials) - 1, decision.parameters or drawn, until

    def begun(self, number: int, parameters: Mapping[str, Any]) -> None:
        """Keep its parameters."""
        self._trials[number] = replace(self._trials[number], parameters=parameters)

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Keep the value; only pauses end a turn."""
        trial = self._trials[number]
        self._trials[number] = replace(trial, curve=[*trial.curve, (epoch, value)])
        return False

    def left(self, number: int, epoch: int, *, failed: bool) -> None:
        """Pause the trial, or end it."""
        whole = Standing.COMPLETE if epoch == self._epochs else Standing.PAUSED
        self._trials[number] = replace(self._trials[number], standing=Standing.PRUNED if failed else whole)


class Stock:
    """Stock Optuna: a sampler, and a pruner that ends trials."""

    def __init__(self, task: Task, sampler: BaseSampler, pruner: BasePruner | None) -> None:
        direction: Direction = "maximize" if task.maximize else "minimize"
        # By the study's name Hyperband gives trials their brackets.
        self._study = optuna.create_study(study_name=task.name, direction=direction, sampler=sampler, pruner=pruner)
        self._space, self._epochs, self._prunes = task.space, task.epochs, pruner is not None
        self._trials: dict[int, optuna.Trial] = {}
        self._values: dict[int, float] = {}

    def next(self) -> tuple[int, Mapping[str, Any] | None, int]:
        """Draw a new trial."""
        trial = self._study.ask()
        suggest(trial, self._space, {})
        self._trials[len(self._trials)] = trial
        return len(self._trials) - 1, trial.params, self._epochs

    def begun(self, number: int, parameters: Mapping[str, Any]) -> None:
        """Tell the sampler what was really trained."""
        if dict(parameters) != self._trials[number].params:  # a table's nearest: the sampler is told what was trained
            self._study.tell(self._trials[number], state=optuna.trial.TrialState.FAIL)
            self._study.enqueue_trial(dict(parameters))
            self._trials[number] = self._study.ask()
            suggest(self._trials[number], self._space, {})

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Report, and ask the pruner."""
        self._values[number] = value
        self._trials[number].report(value, epoch)
        return self._prunes and epoch < self._epochs and self._trials[number].should_prune()

    def left(self, number: int, epoch: int, *, failed: bool) -> None:
        """Tell how the trial ended."""
        if failed or epoch < self._epochs:
            self._study.tell(self._trials[number], state=optuna.trial.TrialState.PRUNED)
        else:
            self._study.tell(self._trials[number], self._values[number])


# --- the methods


def _asha(task: Task) -> BasePruner:
    return SuccessiveHalvingPruner(min_resource=first_rung(task), reduction_factor=3)


def _median(task: Task) -> BasePruner:
    return MedianPruner(n_startup_trials=5, n_warmup_steps=3)


def _hyperband(task: Task) -> BasePruner:
    return HyperbandPruner(min_resource=first_rung(task), max_resource=task.epochs, reduction_factor=3)


def _old_tpe(seed: int) -> BaseSampler:
    return TPESampler(seed=seed, n_startup_trials=10, multivariate=True, constant_liar=True)


def _old_asha(task: Task) -> BasePruner:
    return SuccessiveHalvingPruner(min_resource=max(2, task.epochs // 10), reduction_factor=3)


def _stock(sampler: Callable[..., BaseSampler], pruner: Callable[[Task], BasePruner] | None) -> Any:
    return lambda task, seed: Stock(task, PriorSampler(sampler(seed=seed), task.space, seed), pruner and pruner(task))


def _freeze_thaw(task: Task, seed: int) -> Search:
    return Scheduled(task, FreezeThaw(task.space, task.epochs, "maximize" if task.maximize else "minimize"), seed)


def _promotion(task: Task, seed: int) -> Search:
    rungs = rungs_between(first_rung(task), task.epochs, 3)
    return Scheduled(task, AsynchronousHalving(rungs, 3, "maximize" if task.maximize else "minimize"), seed)


METHODS: dict[str, Callable[[Task, int], Search]] = {
    "random+asha": _stock(RandomSampler, _asha),
    "freeze_thaw": _freeze_thaw,
    "random+promotion": _promotion,
    "tpe": _stock(TPESampler, None),
    "tpe+median": _stock(TPESampler, _median),
    "tpe+asha": _stock(TPESampler, _asha),
    "tpe+hyperband": _stock(TPESampler, _hyperband),
    "gp": _stock(GPSampler, None),
    "gp+asha": _stock(GPSampler, _asha),
    "winnow's defaults": _stock(_old_tpe, _old_asha),
    **RIVALS,
}


# --- the replay


@dataclass
class Replay:
    """What a search came to."""

    regrets: list[float] = field(default_factory=list)
    """Of its best whole training, after the epochs of 1, 2, … trainings of all workers together."""
    costs: list[float] = field(default_factory=list)
    """Milliseconds of the process for each decision, with all that was told before the next."""
    trials: int = 0


def replay(task: Task, search: Search, budget: int, workers: int, seed: int) -> Replay:
    """Train so many trainings' worth of epochs; every worker's epoch takes about as long."""
    random, found = np.random.default_rng(777 + seed), Replay()
    at_work: list[tuple[float, int, int, int, int]] = []  # when its epoch ends, a tie's order, trial, epoch, until
    curves: dict[int, tuple[Curve, Any]] = {}
    epochs: dict[int, int] = {}
    used: set[int] = set()
    best, regret, order = -math.inf, UNFINISHED, 0

    def work(now: float, number: int, until: int) -> None:
        nonlocal order
        order += 1
        heapq.heappush(at_work, (now + random.uniform(0.97, 1.03), order, number, epochs[number] + 1, until))

    def timed(call: Callable[[], Any]) -> Any:
        began = time.process_time()
        answer = call()
        found.costs[-1] = round(found.costs[-1] + 1000 * (time.process_time() - began), 3)
        return answer

    def ask(now: float) -> None:
        found.costs.append(0.0)
        number, parameters, until = timed(search.next)
        if parameters is not None:
            real, curve, about = task.train(parameters, used)
            curves[number], epochs[number] = (curve, about), 0
            timed(partial(search.begun, number, real))
        work(now, number, until)

    for _ in range(workers):
        ask(0.0)
    for spent in range(1, budget * task.epochs + 1):
        now, _, number, epoch, until = heapq.heappop(at_work)
        curve, about = curves[number]
        value, epochs[number] = float(curve[epoch - 1]), epoch
        failed = not math.isfinite(value)
        ends = failed or timed(partial(search.report, number, epoch, value))
        if epoch == task.epochs and not failed and (value if task.maximize else -value) > best:
            best, regret = value if task.maximize else -value, task.regret(value, about)
        if spent % task.epochs == 0:
            found.regrets.append(regret)
        if ends or epoch >= until:
            timed(partial(search.left, number, epoch, failed=failed))
            ask(now)
        else:
            work(now, number, until)
    found.trials = len(curves)
    return found


def tasks_of(chosen: argparse.Namespace) -> Sequence[Task]:
    if chosen.tasks.startswith("lcbench"):
        return [LCBench(chosen.lcbench, task) for task in (TUNING if "tuning" in chosen.tasks else JUDGING)]
    if chosen.tasks == "yahpo":
        return yahpo_tasks(chosen.yahpo)
    if chosen.tasks == "tables":
        return tables(chosen.tables)
    if chosen.tasks == "other-formulas":
        return [OtherFormula(kind, seed) for kind in OTHER_KINDS for seed in range(chosen.formulas)]
    first = 100 if chosen.tasks == "formula-tuning" else 0
    return [Formula(kind, first + seed) for kind in KINDS for seed in range(chosen.formulas)]


def seed_of(task: Task, seed: int) -> int:
    """Return a seed of the task's own: with one for all, tasks of one space begin with the same draws, as one task."""
    return zlib.crc32(f"{task.name} {seed}".encode()) >> 1


def replays(chosen: argparse.Namespace) -> dict[tuple[str, str, int], Replay]:
    """Replay what the file of results does not have yet, seed by seed, so that what there is can be compared.

    No method knows the budget, so a longer replay that is there serves as well.
    """
    tasks, found = tasks_of(chosen), {}
    for task in tasks if chosen.prior else ():
        believe(task, chosen.prior)
    known = chosen.results.read_text().splitlines() if chosen.results and chosen.results.exists() else []
    done: dict[tuple[str, str, int, int], Replay] = {}
    for line in sorted(map(json.loads, known), key=lambda line: int(line["key"][4])):
        method, name, seed, workers, _ = line["key"]
        done[method, name, seed, workers] = Replay(**line["replay"])
    for seed in range(chosen.seeds):
        for task in tasks:
            for method in chosen.methods:
                own = seed_of(task, seed)
                key = (method, task.name, own, chosen.workers)
                if key not in done or len(done[key].regrets) < chosen.budget:
                    done[key] = replay(task, METHODS[method](task, own), chosen.budget, chosen.workers, own)
                    if chosen.results:
                        with chosen.results.open("a") as file:
                            file.write(json.dumps({"key": (*key, chosen.budget), "replay": asdict(done[key])}) + "\n")
                found[method, task.name, seed] = replace(done[key], regrets=done[key].regrets[: chosen.budget])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sets = ["lcbench-tuning", "lcbench-judging", "yahpo", "tables", "formula-tuning", "formula", "other-formulas"]
    parser.add_argument("tasks", choices=sets)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["random+asha", "freeze_thaw"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--budget", type=int, default=50, help="in whole trainings")
    parser.add_argument("--formulas", type=int, default=3, help="of each family")
    parser.add_argument("--prior", choices=BELIEFS, help="the best, any or the worst of 100 draws, or by the book")
    parser.add_argument("--lcbench", type=Path, help="folder of the surrogate: model.onnx and encoding.json")
    parser.add_argument("--yahpo", type=Path, help="folder of another surrogate, with a benchmark.json (bench.yahpo)")
    parser.add_argument("--tables", type=Path, default=Path(__file__).parent / "curves")
    parser.add_argument("--results", type=Path, help="file of replays: what it has is not run again, what is new added")
    parser.add_argument("--picture", type=Path, help="file to draw regret against epochs in, .svg or .png")
    chosen = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = replays(chosen)
    names = list(dict.fromkeys(name for _, name, _ in found))
    regrets = {
        method: np.array([[found[method, name, seed].regrets for seed in range(chosen.seeds)] for name in names])
        for method in chosen.methods
    }
    least = np.minimum(np.min(list(regrets.values()), axis=(0, 2, 3)), 0)[:, None, None]  # a search found a better best
    regrets = {method: (of - least) / (1 - least) for method, of in regrets.items()}
    looks = [look for look in LOOKS if look <= chosen.budget]
    print(table(regrets, looks))
    panels = families(names)
    for family, places in panels.items() if len(panels) > 1 else ():
        print(f"\n{family}\n" + table({method: of[places] for method, of in regrets.items()}, looks))
    for method in chosen.methods:
        costs = np.concatenate([run.costs for (by, _, _), run in found.items() if by == method])
        middle, most = np.quantile(costs, [0.5, 0.95])
        print(f"{method}: {middle:.1f} ms a decision in the median, {most:.1f} ms the 95th percentile of {len(costs)}")
    if chosen.picture:
        picture(regrets, names, f"{chosen.tasks}, workers: {chosen.workers}", chosen.picture)


if __name__ == "__main__":
    main()
