"""What a trial costs the storage: stock Optuna and ours in pairs, by study size, sampler, pruner and workers.

    python -m bench.storage cost            # one worker: client CPU, wall and statements a trial, at several sizes
    python -m bench.storage workers         # trials a second with 1, 2 and 8 worker processes
    python -m bench.storage ready           # seconds until a worker that opens a large study has sampled once

A trial suggests five hyperparameters and reports ten epochs, asking after each whether to prune. `--database` is
sqlite or postgresql (of its own, started here). Stock and ours take turns on copies of the same study, so that a busy
machine disturbs both; read the ratios, not the absolutes.
"""

import argparse
import json
import math
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, distribution_to_json
from sqlalchemy import event, insert

from winnow import storage
from winnow.records import Budget, Epoch, Outcome
from winnow.search.study.fast_tpe import QuickTPESampler
from winnow.search.study.percentile import IndexedPercentilePruner
from winnow.storage import claims, endings, epochs
from winnow.storage.budget import set_budget
from winnow.storage.optuna_tables import intermediate_values, parameters, trials, values

optuna.logging.set_verbosity(optuna.logging.ERROR)
STEPS = 10
SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "weight_decay": FloatDistribution(1e-6, 1e-2, log=True),
    "momentum": FloatDistribution(0.0, 0.99),
    "dropout": FloatDistribution(0.0, 0.6),
    "optimizer": CategoricalDistribution(["sgd", "adam", "adamw", "rmsprop"]),
}


# --- a study of a given size


def populate(opened: storage.Storage, size: int) -> None:
    """A study with so many finished trials, half of them pruned, written in bulk."""
    study_id = opened.create_new_study([optuna.study.StudyDirection.MINIMIZE], "s")
    set_budget(opened.database, study_id, Budget())
    rng = random.Random(0)
    rows: dict[Any, list[dict[str, Any]]] = {trials: [], parameters: [], values: [], intermediate_values: []}
    begun = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=size)
    for i in range(size):
        complete = rng.random() < 0.5
        last = STEPS if complete else rng.randint(1, STEPS - 1)
        base = rng.random()
        rows[trials].append(
            {
                "trial_id": i + 1,
                "number": i,
                "study_id": study_id,
                "state": "COMPLETE" if complete else "PRUNED",
                "datetime_start": begun + timedelta(seconds=i),
                "datetime_complete": begun + timedelta(seconds=i + 1),
            }
        )
        for name, kind in SPACE.items():
            value = rng.randrange(4) if name == "optimizer" else _draw(rng, kind)
            content = {"trial_id": i + 1, "param_name": name, "param_value": value}
            rows[parameters].append({**content, "distribution_json": distribution_to_json(kind)})
        for step in range(1, last + 1):
            value = base + math.exp(-0.3 * step)
            content = {"trial_id": i + 1, "step": step, "intermediate_value": value}
            rows[intermediate_values].append({**content, "intermediate_value_type": "FINITE"})
        rows[values].append({"trial_id": i + 1, "objective": 0, "value": value, "value_type": "FINITE"})

    def work(connection: Any) -> None:
        for table, content in rows.items():
            for start in range(0, len(content), 5000):
                connection.execute(insert(table), content[start : start + 5000])
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT setval('trials_trial_id_seq', (SELECT max(trial_id) + 1 FROM trials))")

    opened.database.write(work)
    if opened.database.kind == "postgresql":
        with opened.database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def _draw(rng: random.Random, kind: Any) -> float:
    if kind.log:
        return math.exp(rng.uniform(math.log(kind.low), math.log(kind.high)))
    return rng.uniform(kind.low, kind.high)


@contextmanager
def databases(kind: str) -> Iterator[Callable[[int], Callable[[], str]]]:
    """Gives, for a size, a maker of URLs of fresh databases that hold such a study."""
    folder = Path(tempfile.mkdtemp(prefix="winnow-bench-"))
    folder.chmod(0o755)
    if kind == "sqlite":

        def of_size(size: int) -> Callable[[], str]:
            made = folder / f"{size}.db"
            opened = storage.open(f"sqlite:///{made}")
            populate(opened, size)
            opened.database.release()
            copies = iter(range(10**6))
            return lambda: f"sqlite:///{shutil.copy(made, folder / f'{size}-{next(copies)}.db')}"

        yield of_size
    else:
        sys.path.append(str(Path(__file__).parents[1] / "tests"))
        from storage_servers import PostgresServer

        server = PostgresServer(folder)
        server.init()
        server.start()

        def of_size(size: int) -> Callable[[], str]:
            server.execute(f"CREATE DATABASE size_{size}")
            opened = storage.open(server.url(f"size_{size}"))
            populate(opened, size)
            opened.database.release()
            return lambda: server.url(server.clone(f"size_{size}"))

        try:
            yield of_size
        finally:
            server.stop("immediate")
    shutil.rmtree(folder, ignore_errors=True)


# --- one trial, by stock Optuna and by ours


class Stock:
    """A study of stock Optuna's, as `study.optimize` works with it."""

    def __init__(self, url: str, sampler: str, pruner: str) -> None:
        self.storage = optuna.storages.RDBStorage(url)
        self.engine = self.storage.engine
        samplers: dict[str, Any] = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
        pruners = {"none": optuna.pruners.NopPruner, "median": optuna.pruners.MedianPruner}
        self.study = optuna.load_study(
            study_name="s", storage=self.storage, sampler=samplers[sampler](seed=1), pruner=pruners[pruner]()
        )

    def trial(self, base: float) -> None:
        """Run one trial to its end."""
        trial = self.study.ask()
        for name, kind in SPACE.items():
            trial._suggest(name, kind)
        for step in range(1, STEPS + 1):
            trial.report(base + math.exp(-0.3 * step), step)
            trial.should_prune()
        self.study.tell(trial, base)


class Ours:
    """The same trial as a worker's supervisor runs it."""

    def __init__(self, url: str, sampler: str, pruner: str) -> None:
        self.storage = storage.open(url)
        self.storage.freshness = 1.0
        self.database = self.storage.database
        self.engine = self.database.engine
        samplers: dict[str, Any] = {"random": optuna.samplers.RandomSampler, "tpe": QuickTPESampler}
        self.study = optuna.load_study(
            study_name="s",
            storage=self.storage,
            sampler=samplers[sampler](seed=1),
            pruner=optuna.pruners.NopPruner() if pruner == "none" else IndexedPercentilePruner(50.0),
        )
        self.study_id = self.storage.get_study_id_from_name("s")
        self.storage.get_all_trials(self.study_id, deepcopy=False)  # as a worker does while its trainer starts

    def trial(self, base: float) -> None:
        """Run one trial to its end."""
        since = self.storage.oldest_unfinished(self.study_id)
        lease = claims.claim(self.database, self.study_id, "bench", since=since)
        assert lease is not None
        with self.storage.holding(lease):
            trial = optuna.trial.Trial(self.study, lease.trial_id)
            for name, kind in SPACE.items():
                trial._suggest(name, kind)
            for step in range(1, STEPS + 1):
                value = base + math.exp(-0.3 * step)
                epochs.record(self.database, lease, Epoch(step, value))
                self.storage.note_intermediate_value(lease.trial_id, step, value)
                self.study.pruner.prune(self.study, self.storage.get_trial(lease.trial_id))
            endings.finish(self.database, lease, Outcome.COMPLETE, base)


KINDS: dict[str, type[Stock | Ours]] = {"stock": Stock, "ours": Ours}


def measured(maker: type[Stock | Ours], url: str, sampler: str, pruner: str, repeats: int) -> dict[str, float]:
    """Medians over some trials after a first one, which loads the history."""
    made = maker(url, sampler, pruner)
    statements = [0]

    @event.listens_for(made.engine, "before_cursor_execute")
    def count(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements[0] += not statement.startswith("BEGIN")  # which stock leaves to its drivers

    rng = random.Random(1)
    made.trial(rng.random())
    cpu, wall, counts = [], [], []
    for _ in range(repeats):
        statements[0], began, used = 0, time.perf_counter(), time.process_time()
        made.trial(rng.random())
        cpu.append(time.process_time() - used)
        wall.append(time.perf_counter() - began)
        counts.append(statements[0])
    made.engine.dispose()
    return {
        "cpu_ms": round(1000 * statistics.median(cpu), 1),
        "wall_ms": round(1000 * statistics.median(wall), 1),
        "statements": statistics.median(counts),
    }


# --- the three questions


def cost(kind: str, sizes: list[int], repeats: int) -> None:
    with databases(kind) as of_size:
        for size in sizes:
            url = of_size(size)
            for sampler, pruner in (("random", "none"), ("random", "median"), ("tpe", "median")):
                for name, maker in KINDS.items():
                    found = measured(maker, url(), sampler, pruner, repeats)
                    print(json.dumps({"size": size, "sampler": sampler, "pruner": pruner, "storage": name, **found}))
                    sys.stdout.flush()


def workers(kind: str, size: int, seconds: float) -> None:
    with databases(kind) as of_size:
        url = of_size(size)
        for count in (1, 2, 8):
            for name in KINDS:
                address = url()
                command = [sys.executable, "-m", "bench.storage", "one-worker", "--url", address, "--of", name]
                running = [
                    subprocess.Popen(
                        [*command, "--seconds", str(seconds)],
                        cwd=Path(__file__).parents[1],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                    for _ in range(count)
                ]
                for process in running:
                    assert process.stdout
                    assert process.stdout.readline() == "ready\n"
                for process in running:
                    assert process.stdin
                    process.stdin.write("go\n")
                    process.stdin.flush()
                done = sum(int(process.communicate()[0]) for process in running)
                print(json.dumps({"workers": count, "storage": name, "trials_a_second": round(done / seconds, 1)}))
                sys.stdout.flush()


def one_worker(url: str, of: str, seconds: float) -> None:
    made = KINDS[of](url, "random", "median")
    made.trial(0.5)
    print("ready", flush=True)
    sys.stdin.readline()
    rng, end, done = random.Random(), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        made.trial(rng.random())
        done += 1
    print(done, flush=True)


def ready(kind: str, size: int, repeats: int) -> None:
    with databases(kind) as of_size:
        url = of_size(size)()
        for _ in range(repeats):
            for name, maker in KINDS.items():
                began = time.perf_counter()
                made = maker(url, "random", "none")
                made.study.get_trials(deepcopy=False)
                print(json.dumps({"size": size, "storage": name, "seconds": round(time.perf_counter() - began, 2)}))
                sys.stdout.flush()
                made.engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=["cost", "workers", "ready", "one-worker"])
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 20_000])
    parser.add_argument("--size", type=int)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--url")
    parser.add_argument("--of", choices=list(KINDS))
    chosen = parser.parse_args()
    if chosen.question == "cost":
        cost(chosen.database, chosen.sizes, chosen.repeats)
    elif chosen.question == "workers":
        workers(chosen.database, chosen.size or 1000, chosen.seconds)
    elif chosen.question == "ready":
        ready(chosen.database, chosen.size or 20_000, 3)
    else:
        one_worker(chosen.url, chosen.of, chosen.seconds)


if __name__ == "__main__":
    main()
