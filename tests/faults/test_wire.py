"""Six workers write everything there is to write through a wire that does harm: each write took place exactly once."""

import os
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from sqlalchemy import select

from faults.wire import Wire
from storage_servers import PostgresServer
from winnow import storage
from winnow.records import Budget, Epoch, Outcome
from winnow.storage import (
    Storage,
    audit_log,
    claims,
    connections,
    endings,
    epochs,
    ledger,
    sessions,
    tables,
    tokens,
    workers,
)
from winnow.storage.budget import set_budget
from winnow.storage.optuna_tables import studies, trials, values

SEEDS = int(os.environ.get("WINNOW_SEEDS", "6"))
WORKERS = 6
TRIALS = 18
EPOCHS = 3
SILENCE_SECONDS = 0.5
"""After so long a worker gives a statement up; what is stalled for longer is delivered when nobody waits for it."""


@dataclass
class Written:
    """What the storage acknowledged."""

    entries: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    sessions: list[str] = field(default_factory=list)
    studies: dict[str, int] = field(default_factory=dict)
    queued: list[int] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)
    ends: dict[int, float] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)


def work(url: str, study_id: int, name: str, seed: int, written: Written) -> None:
    """Claim and end trials until there are none, and write all else between them."""
    try:
        opened = storage.open(url, patience=60)
        opened.database.patience = 60
        chance = random.Random(f"{seed}:{name}")
        workers.register(opened.database, study_id, name, "host", 1, "cpu")
        write_all_else(opened, name, written)
        while (lease := claims.claim(opened.database, study_id, name)) is not None:
            written.claims.append(lease.claim)
            with opened.holding(lease):
                opened.set_trial_param(lease.trial_id, "x", chance.random(), FloatDistribution(0, 1))
                for epoch in range(1, EPOCHS + 1):
                    epochs.record(opened.database, lease, Epoch(epoch, lease.number + epoch / 10))
                workers.sign_of_life(opened.database, name, "training", lease.number)
                endings.reap(opened.database, study_id)
                if lease.token < 3 and chance.random() < 0.3:
                    endings.give_back(opened.database, lease, Outcome.PREEMPTED)
                else:
                    value = chance.random()
                    endings.finish(opened.database, lease, Outcome.COMPLETE, value, {"winnow:run": {"worker": name}})
                    assert lease.number not in written.ends, "a trial ends once"
                    written.ends[lease.number] = value
        workers.sign_off(opened.database, name)
        opened.database.release()
    except BaseException as error:
        written.errors.append(error)


READ = ledger.Examples.of(["0123456789abcdef"])


def write_all_else(opened: Storage, name: str, written: Written) -> None:
    entry = ledger.announce(opened.database, "s", READ, name, f"purpose of {name}")
    ledger.conclude(opened.database, entry, READ, [{"score": 0.5}])
    audit_log.conclude(opened.database, audit_log.begin(opened.database, name, "", "stop", ""), 200)
    written.entries.append(name)
    written.secrets[name] = tokens.create(opened.database, name, "reader", None)
    token = tokens.find(opened.database, written.secrets[name])
    assert token is not None
    written.sessions.append(sessions.begin(opened.database, token))
    made = opened.create_new_study([StudyDirection.MINIMIZE], f"study of {name}")
    set_budget(opened.database, made, Budget(trials=1))
    written.studies[f"study of {name}"] = made
    written.queued.append(opened.create_new_trial(made))


def check(opened: Storage, study_id: int, written: Written) -> None:
    """Read everything on a wire that does no harm: what was acknowledged is there once, and nothing else is."""
    rows = opened.database.rows
    names = sorted(written.entries)
    assert sorted(e.reader for e in ledger.entries(opened.database, "s")) == names
    assert all(e.models == [{"score": 0.5}] for e in ledger.entries(opened.database, "s"))
    assert sorted((e.who, e.status) for e in audit_log.entries(opened.database)) == [(name, 200) for name in names]
    assert sorted(t.name for t in tokens.everything(opened.database)) == names
    assert all(tokens.find(opened.database, secret) for secret in written.secrets.values())
    assert all(sessions.find(opened.database, secret) for secret in written.sessions)
    assert len(rows(select(tables.sessions))) == len(written.sessions)
    assert sorted(w.worker for w in rows(select(tables.workers.c.worker))) == names
    made = {row.study_name: row.study_id for row in rows(select(studies)) if row.study_id != study_id}
    assert made == written.studies
    assert sorted(row.trial_id for row in rows(select(trials).where(trials.c.study_id != study_id))) == sorted(
        written.queued
    )
    assert sorted(opened.database.scalars(select(tables.attempts.c.claim))) == sorted(written.claims)
    assert opened.database.scalars(select(tables.attempts.c.outcome).where(tables.attempts.c.ended_at.is_(None))) == []
    found = opened.get_all_trials(study_id)
    assert [trial.number for trial in found] == list(range(TRIALS)), "the budget is exact"
    assert {trial.number: trial.value for trial in found} == written.ends
    curve = {trial.number: {e: trial.number + e / 10 for e in range(1, EPOCHS + 1)} for trial in found}
    assert {trial.number: trial.intermediate_values for trial in found} == curve
    assert max(Counter(row.trial_id for row in rows(select(values))).values()) == 1
    used = sum(
        row.ended_at - row.started_at
        for row in rows(select(tables.attempts).where(tables.attempts.c.study_id == study_id))
    )
    budget = rows(select(tables.budgets).where(tables.budgets.c.study_id == study_id))[0]
    assert budget.used_device_seconds == pytest.approx(used), "each attempt is booked once"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_write_takes_place_once_on_a_bad_wire(
    postgres: PostgresServer, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "SILENCE_SECONDS", SILENCE_SECONDS)
    database = postgres.clone()
    opened = storage.open(postgres.url(database))
    study_id = opened.create_new_study([StudyDirection.MAXIMIZE], "s")
    set_budget(opened.database, study_id, Budget(trials=TRIALS))
    wire = Wire(Path(postgres.folder) / ".s.PGSQL.5432", seed, longest_stall=2 * SILENCE_SECONDS)
    written = Written()
    threads = [
        threading.Thread(target=work, args=(wire.url(database), study_id, f"worker {i}", seed, written))
        for i in range(WORKERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    wire.close()
    assert not any(thread.is_alive() for thread in threads)
    assert written.errors == []
    assert len(wire.done) == 5, f"every kind of harm was done: {wire.done}"
    assert len(written.claims) >= TRIALS
    check(opened, study_id, written)
    opened.database.release()
    postgres.drop(database)


def test_the_checker_would_find_a_write_that_took_place_twice(postgres_url: str) -> None:
    opened = storage.open(postgres_url)
    study_id = opened.create_new_study([StudyDirection.MAXIMIZE], "s")
    set_budget(opened.database, study_id, Budget(trials=TRIALS))
    written = Written()
    work(postgres_url, study_id, "worker", 0, written)
    assert written.errors == []
    check(opened, study_id, written)
    ledger.announce(opened.database, "s", READ, "worker", "again")
    with pytest.raises(AssertionError):
        check(opened, study_id, written)
    opened.database.release()
