"""A trial that several processes train: they come to one result, end together, and go on together after a loss."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest

from integration.winnow import Place, wait_for
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import load
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.training import train
from winnow.records import CONFIG, RUN, TRAINING, Epoch, Outcome
from winnow.search.study.spec import Spec
from winnow.search.study.validation import parse
from winnow.search.worker.messages import Answer, Call, Ended, Job, Prepare, Report, Verdict
from winnow.search.worker.process_group import ProcessGroup

DATA: dict[str, Any] = {"name": "digits", "train": 401, "validation": 101}
BUILT_IN = """
name = "s"
[data]
name = "digits"
train = 401
validation = 101
[fixed]
model = "mlp"
widths = [16]
batch_norm = {norm}
dropout = {dropout}
batch_size = 40
epochs = {epochs}
precision = "fp32"
[search]
lr = {{ low = 1e-3, high = 1e-2, log = true }}
[sampler]
name = "random"
[pruner]
name = "none"
[budget]
trials = 1
[fleet]
devices_per_trial = {ranks}
"""
OWN = """
import os
import torch
import torch.distributed as dist
import optuna

def fit(trial, seed, resume=None):
    x = trial.suggest_float("x", 0.0, 1.0)
    dist.init_process_group("gloo")
    if x > 0.5 and os.environ["RANK"] == "1":
        raise MemoryError("no room")
    for epoch in range(1, 4):
        told = torch.tensor([x + dist.get_rank(), float(os.environ["LOCAL_RANK"])])
        dist.all_reduce(told)
        assert told[0] == 2 * torch.tensor(x) + 1, "both have drawn the same"
        trial.report(float(told.sum()), epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return float(told.sum()) if dist.get_rank() == 0 else None
"""


@dataclass
class Trainer:
    """A trainer of several ranks, and what its supervisor would say to it."""

    process: ProcessGroup
    pipe: Connection

    @property
    def last(self) -> psutil.Process:
        return psutil.Process(self.process.process_id).children()[-1]

    def train(
        self, job: Job, value: float = 0.003, answer: Callable[[Report], Verdict] = lambda _: Verdict.CONTINUE
    ) -> tuple[list[Report], dict[str, Any], Ended]:
        """Give it a trial whose parameters are all of this value; returns what it has said of it."""
        self.pipe.send(job)
        reports: list[Report] = []
        attributes: dict[str, Any] = {}
        while not isinstance(said := self.pipe.recv(), Ended):
            if isinstance(said, Report):
                reports.append(said)
                self.pipe.send(answer(said))
            else:
                assert isinstance(said, Call)
                if said.method == "set_user_attr":
                    attributes[said.arguments[0]] = said.arguments[1]
                self.pipe.send(Answer(value if said.method == "suggest_float" else None))
        return reports, attributes, said


@contextmanager
def trainer(spec: Spec, folder: Path, progress_minutes: float = 30.0) -> Iterator[Trainer]:
    ours, theirs = socket.socketpair()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder), "WINNOW_CACHE": str(folder)}
    process = ProcessGroup("winnow.search.worker.trainer", theirs.fileno(), environment)
    theirs.close()
    pipe = Connection(ours.detach())
    try:
        pipe.send(Prepare(spec.model_dump(mode="json"), "cpu", False, progress_minutes=progress_minutes))
        ready = pipe.recv()
        assert not ready.problem, ready
        yield Trainer(process, pipe)
    finally:
        process.kill()
        pipe.close()


def spec_of(epochs: int, dropout: float = 0.0, *, norm: bool = False, ranks: int = 2) -> Spec:
    return parse(BUILT_IN.format(epochs=epochs, dropout=dropout, norm=str(norm).lower(), ranks=ranks), "s.toml")


def test_two_processes_come_to_what_one_comes_to_and_are_pruned_together(tmp_path: Path) -> None:
    with trainer(spec_of(epochs=4), tmp_path) as both:
        reports, attributes, ended = both.train(Job(0, 1, {}))
        assert (ended.outcome, ended.broken) == (Outcome.COMPLETE, False), ended
        assert attributes[TRAINING]["devices_per_trial"] == 2
        alone = train(make_config(attributes[CONFIG]), load(DataSpec(**DATA)), lambda *_: None)
        assert len(reports) == len(alone.epochs) == 4
        for ours, theirs in zip([report.epoch for report in reports], alone.epochs, strict=True):
            assert ours.value == pytest.approx(theirs.value, abs=1e-6)
            assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-4)
            assert ours.validation_loss == pytest.approx(theirs.validation_loss, rel=1e-4)
            assert ours.weight_norm == pytest.approx(theirs.weight_norm, rel=1e-5)
        assert ended.value == reports[-1].epoch.value

        def prune(report: Report) -> Verdict:
            return Verdict.PRUNE if report.epoch.epoch == 2 else Verdict.CONTINUE

        reports, _, ended = both.train(Job(1, 2, {}), answer=prune)
        assert (len(reports), ended.outcome, ended.broken) == (2, Outcome.PRUNED, False), ended
        reports, _, ended = both.train(Job(2, 3, {}), answer=lambda _: Verdict.STOP)
        assert (len(reports), ended.outcome, ended.broken) == (1, Outcome.STOPPED, False), ended
        assert both.train(Job(3, 4, {}))[2].outcome is Outcome.COMPLETE


def test_a_rank_that_is_killed_ends_the_attempt_and_the_next_one_comes_to_the_same(tmp_path: Path) -> None:
    spec = spec_of(epochs=4, dropout=0.3, norm=True)
    with trainer(spec, tmp_path) as both:
        whole, _, ended = both.train(Job(0, 1, {}))
        assert ended.outcome is Outcome.COMPLETE

        def kill(report: Report) -> Verdict:
            if report.epoch.epoch == 2:
                both.last.kill()
            return Verdict.CONTINUE

        first, _, ended = both.train(Job(0, 1, {}), answer=kill)
        assert (ended.outcome, ended.reason) == (Outcome.TRAINER_DIED, "rank 1 was killed by SIGKILL")
        assert ended.broken
    with trainer(spec, tmp_path) as both:
        again = both.train(Job(0, 1, {}, resume=first[1].checkpoint, last_epoch=2))[0]
    assert curve([*first[:2], *again]) == curve(whole)


def test_three_ranks_pause_and_go_on_to_the_same(tmp_path: Path) -> None:
    def pause(report: Report) -> Verdict:
        return Verdict.STOP if report.epoch.epoch == 2 else Verdict.CONTINUE

    with trainer(spec_of(epochs=3, dropout=0.3, norm=True, ranks=3), tmp_path) as three:
        whole, attributes, ended = three.train(Job(0, 1, {}))
        assert (ended.outcome, attributes[TRAINING]["devices_per_trial"]) == (Outcome.COMPLETE, 3), ended
        first, _, ended = three.train(Job(0, 1, {}), answer=pause)
        assert (len(first), ended.outcome, ended.broken) == (2, Outcome.STOPPED, False), ended
        _, _, ended = three.train(Job(1, 2, {}))  # another trial between, in the same processes
        assert ended.outcome is Outcome.COMPLETE, ended
        resumed, _, ended = three.train(Job(0, 1, {}, resume=first[-1].checkpoint, last_epoch=2))
        assert ended.outcome is Outcome.COMPLETE, ended
    assert curve([*first, *resumed]) == curve(whole)


def test_a_rank_that_hangs_ends_the_attempt_with_a_sentence(tmp_path: Path) -> None:
    with trainer(spec_of(epochs=3, ranks=3), tmp_path, progress_minutes=0.3) as three:
        hangs = three.last

        def stop(report: Report) -> Verdict:
            if report.epoch.epoch == 2:
                hangs.suspend()
            return Verdict.CONTINUE

        reports, _, ended = three.train(Job(0, 1, {}), answer=stop)
        assert (ended.outcome, ended.broken) == (Outcome.TRAINER_DIED, True), ended
        assert "heard nothing more of the others" in ended.reason
        assert len(reports) <= 2
    psutil.wait_procs([hangs])  # what a supervisor kills is gone, the one that hung too


def test_an_objective_of_ones_own_finds_its_ranks_as_under_torchrun(place: Place) -> None:
    (place.folder / "mine.py").write_text(OWN)
    text = 'name = "s"\nobjective = "mine:fit"\n[budget]\ntrials = 3\n[fleet]\ndevices_per_trial = 2\n'
    with trainer(parse(text, "s.toml"), place.folder) as both:
        for number in (0, 1):  # each begins a group of its own
            reports, attributes, ended = both.train(Job(number, number + 1, {}), value=0.25)
            assert (ended.outcome, ended.value) == (Outcome.COMPLETE, 2.5), ended
            assert len(reports) == 3
        assert attributes[TRAINING]["devices_per_trial"] == 2
        _, _, ended = both.train(Job(2, 3, {}), value=0.75)
        assert (ended.outcome, ended.reason) == (Outcome.OUT_OF_MEMORY, "rank 1: MemoryError: no room")
        assert ended.broken


def test_a_worker_goes_on_with_new_processes_where_one_was_killed(place: Place) -> None:
    (place.folder / "s.toml").write_text(BUILT_IN.format(epochs=40, dropout=0.1, norm="true", ranks=2))
    run = place.start("run", "s.toml", "--workers", "1", "--slots", "1")
    assert "--slots" in run.communicate(timeout=300)[1], "several devices a trial and several trials a device"
    run = place.start("run", "s.toml", "--workers", "1")
    rank = wait_for(lambda: other_rank(run.pid) if len(reported(place)) >= 3 else None)
    os.kill(rank.pid, signal.SIGKILL)
    _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    (trial,) = place.study().trials
    assert (trial.state.name, len(trial.intermediate_values)) == ("COMPLETE", 40)
    assert trial.user_attrs[RUN]["attempts"] == 2
    assert not rank.is_running()


def reported(place: Place) -> dict[int, float]:
    if not (place.folder / "winnow.db").exists():
        return {}
    studies = optuna.get_all_study_names(place.storage())
    trials = place.study().trials if studies else []
    return trials[0].intermediate_values if trials else {}


def other_rank(process: int) -> psutil.Process | None:
    found = psutil.Process(process).children(recursive=True)
    return next((each for each in found if each.cmdline()[-3:-2] == ["winnow.search.worker.trainer"]), None)


def curve(reports: list[Report]) -> list[Epoch]:
    return [replace(report.epoch, seconds=None) for report in reports]
