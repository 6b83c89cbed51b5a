"""A worker with several trials at once: each comes to what it comes to alone, whatever befalls the others."""

import json
import os
import signal
from collections import Counter

import psutil
import pytest
import torch
from optuna.trial import FrozenTrial

from integration.winnow import Place, wait_for
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import load
from winnow.objectives.errors import Diverged
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.training import train
from winnow.records import CONFIG, RUN
from winnow.storage import epochs

SPEC = """
name = "s"
[data]
name = "digits"
train = 400
validation = 100
[fixed]
model = "mlp"
widths = [32]
batch_size = 50
epochs = {epochs}
[search]
lr = {{ choices = {rates} }}
dropout = {{ low = 0.0, high = 0.5 }}
optimizer = {{ choices = ["sgd", "adam", "adamw"] }}
[sampler]
name = "random"
[pruner]
name = "none"
[budget]
trials = 12
[fleet]
fuse = {fuse}
"""
HUNGRY = """
import os

import torch
from torch import nn
from winnow.objectives.registry import model

called = []


class Hungry(nn.Module):
    def __init__(self, shape, outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, outputs))

    def forward(self, x):
        if self.training:
            since = called[len(called) - 1 - called[::-1].index(self) :] if self in called else []
            called.append(self)  # and so kept: no other network is ever taken for it
            with open(f"together-{os.getpid()}", "a") as file:
                print(len(set(since)), file=file)
            if len(set(since)) > 3:
                torch.empty(2**60, dtype=torch.uint8)  # which no machine has
        return self.layers(x)


@model("hungry")
def hungry(shape, outputs):
    return Hungry(shape, outputs)
"""
SPOILING = """
import sys
from pathlib import Path

import torch
from torch import nn


class Spoiling(nn.Linear):
    def forward(self, x):
        if torch.is_grad_enabled() and not Path("spoilt").exists():
            Path("spoilt").touch()
            trainer = sys.modules.get("winnow.search.worker.trainer", sys.modules["__main__"])
            trainer.code_of = None  # so that what a trainer does after a trial fails
        return super().forward(x)


def build(shape, outputs):
    return nn.Sequential(nn.Flatten(), Spoiling(64, outputs))
"""


def spec(place: Place, epochs: int = 4, rates: str = "[0.001, 0.01]", fuse: str = "8") -> str:
    (place.folder / "s.toml").write_text(SPEC.format(epochs=epochs, rates=rates, fuse=fuse))
    return "s.toml"


def assert_as_alone(place: Place, trial: FrozenTrial) -> None:
    """The curve of a trial is that of its configuration, trained in one piece with no other beside it."""
    torch.set_num_threads(1)
    alone = train(
        make_config(trial.user_attrs[CONFIG]), load(DataSpec("digits", train=400, validation=100)), lambda *_: None
    )
    storage = place.storage()
    curve = epochs.read(storage.database, storage.get_study_id_from_name("s"))[trial.number]
    assert [epoch.epoch for epoch in curve] == [epoch.epoch for epoch in alone.epochs]
    for ours, theirs in zip(curve, alone.epochs, strict=True):
        assert ours.validation_loss == pytest.approx(theirs.validation_loss, abs=1e-6)
        assert ours.weight_norm == pytest.approx(theirs.weight_norm, rel=1e-6)
        assert ours.value == theirs.value


def descendants(process: psutil.Process, module: str) -> list[psutil.Process]:
    return [each for each in process.children(recursive=True) if module in each.cmdline()]


def reported(place: Place, least: int) -> bool:
    return sum(len(trial.intermediate_values) for trial in place.study().trials) >= least


def test_trials_in_a_stack_come_to_what_they_come_to_alone(place: Place) -> None:
    done = place.run("run", spec(place), "--workers", "1")
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 12
    for trial in trials[:4] + trials[-2:]:
        assert_as_alone(place, trial)


def test_a_member_of_a_stack_is_replayed_alone(place: Place) -> None:
    (place.folder / "s.toml").write_text(SPEC.format(epochs=3, rates=[0.01, 0.003], fuse=4).replace("= 50", "= 30"))
    assert place.run("run", "s.toml", "--workers", "1").returncode == 0
    replays = [json.loads(place.run("replay", "s", str(number), "--json").stdout) for number in (1, 2, 3, 4)]
    assert {found["stacked"] for found in replays} == {True}
    assert not [said for found in replays for said in found["differences"] if "train_loss" in said]


def test_one_that_diverges_takes_nobody_along(place: Place) -> None:
    done = place.run("run", spec(place, rates="[0.001, 1e30]"), "--workers", "1")
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    for trial in trials:
        config = make_config(trial.user_attrs[CONFIG])
        assert trial.state.name == ("COMPLETE" if config.lr < 1 else "PRUNED")
    assert {trial.state.name for trial in trials} == {"COMPLETE", "PRUNED"}
    assert_as_alone(place, next(trial for trial in reversed(trials) if trial.state.name == "COMPLETE"))
    with pytest.raises(Diverged):
        assert_as_alone(place, next(trial for trial in trials if trial.state.name == "PRUNED"))


@pytest.mark.parametrize("module", ["winnow.search.worker.trainer", "work"])
def test_all_trials_of_a_stack_go_on_after_a_kill(place: Place, module: str) -> None:
    run = place.start("run", spec(place, epochs=30), "--workers", "1")
    wait_for(lambda: (place.folder / "winnow.db").exists() and "s" in place_names(place) and reported(place, 24))
    (victim,) = descendants(psutil.Process(run.pid), module)
    os.kill(victim.pid, signal.SIGKILL)
    _, said = run.communicate(timeout=600)
    assert run.returncode == 0, said
    trials = place.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 12
    attempts = Counter(trial.user_attrs[RUN]["attempts"] for trial in trials)
    assert attempts[2] >= 2, attempts
    again = [trial for trial in trials if trial.user_attrs[RUN]["attempts"] > 1]
    for trial in again[:3]:
        assert_as_alone(place, trial)


def test_what_fails_beside_a_trial_ends_the_trainer_and_all_go_on(place: Place) -> None:
    (place.folder / "spoiling.py").write_text(SPOILING)
    file = place.folder / spec(place, epochs=2)
    text = file.read_text().replace('"mlp"\nwidths = [32]', '"spoiling:build"')
    file.write_text(text.replace("dropout = {", "label_smoothing = {"))
    done = place.run("run", file.name, "--workers", "1")
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 12
    assert max(trial.user_attrs[RUN]["attempts"] for trial in trials) == 2


def test_one_that_was_told_by_others_takes_nobody_along(place: Place) -> None:
    run = place.start("run", spec(place, epochs=30), "--workers", "1")
    wait_for(lambda: (place.folder / "winnow.db").exists() and "s" in place_names(place) and reported(place, 24))
    study = place.study()
    told = next(trial.number for trial in study.trials if trial.state.name == "RUNNING")
    study.tell(told, 0.5)
    _, said = run.communicate(timeout=600)
    assert run.returncode == 0, said
    trials = place.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 12
    assert trials[told].value == 0.5
    assert all(trial.user_attrs[RUN]["attempts"] == 1 for trial in trials if trial.number != told)


def test_first_looks_of_freeze_thaw_train_beside_what_it_goes_on_with(place: Place) -> None:
    text = SPEC.format(epochs=18, rates="[0.001, 0.01]", fuse='"auto"').replace('"random"', '"freeze_thaw"')
    (place.folder / "s.toml").write_text(text.replace("trials = 12", "trials = 33"))
    done = place.run("run", "s.toml", "--workers", "1")
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED"}
    thawed = [t for t in trials if t.state.name == "COMPLETE" and t.user_attrs[RUN]["attempts"] > 1]
    assert thawed, "what was looked at first, and gone on with"
    for trial in thawed[:2]:
        assert_as_alone(place, trial)


def test_of_a_search_of_shapes_each_is_measured_and_trials_come_to_what_they_come_to_alone(place: Place) -> None:
    text = SPEC.format(epochs=2, rates=[0.001 * (1 + each) for each in range(16)], fuse='"auto"')
    text = text.replace("widths = [32]\n", "").replace("[search]\n", "[search]\nwidths = { choices = [[16], [32]] }\n")
    text = "".join(line for line in text.splitlines(True) if not line.startswith(("dropout", "optimizer")))
    text = text.replace('"random"', '"grid"\nby_shape = true').replace("trials = 12", "trials = 33")
    (place.folder / "s.toml").write_text(text)
    assert place.run("create", "s.toml").returncode == 0
    done = place.run("--debug", "work", "s", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "cpu trains up to 4 trials at a time: those of one shape" in done.stderr
    assert "of 2 shapes" in done.stderr
    trials = place.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 33
    for trial in trials[-2:]:
        assert_as_alone(place, trial)


def test_what_does_not_fit_together_goes_on_alone_and_then_in_stacks_of_half_the_size(place: Place) -> None:
    (place.folder / "hungry.py").write_text(HUNGRY)
    text = SPEC.format(epochs=30, rates="[0.001, 0.01]", fuse=4).replace('"mlp"\nwidths = [32]', '"hungry"')
    text = text.replace("dropout = { low = 0.0, high = 0.5 }\n", "").replace("trials = 12", "trials = 8")
    (place.folder / "s.toml").write_text(text.replace('name = "s"', 'name = "s"\nextensions = ["hungry"]'))
    done = place.run("run", "s.toml", "--workers", "1")
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 8, "each that failed beside others fits alone"
    attempts = Counter(trial.user_attrs[RUN]["attempts"] for trial in trials)
    assert attempts == {1: 4, 2: 4}, "all of the stack went back once"
    together = sorted(max(map(int, file.read_text().split())) for file in place.folder.glob("together-*"))
    assert together[-1] == 4, "the stack that did not fit"
    assert together[0] == 1, "alone"
    assert together[-2] == 2, "two from then on"


def place_names(place: Place) -> list[str]:
    return [study.study_name for study in place.storage().get_all_studies()]
