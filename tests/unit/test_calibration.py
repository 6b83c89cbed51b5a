"""What trains faster here is measured once on a machine, and then known: precision, and how many trials as a stack."""

import json
from pathlib import Path
from typing import Any

import pytest

from winnow import objectives
from winnow.objectives import calibration
from winnow.objectives.calibration import best_stack, faster_precision
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data, load
from winnow.objectives.hyperparameters import change, make_config
from winnow.objectives.stack import Stacks
from winnow.objectives.training_objective import TrainingObjective
from winnow.search.study.objective import load as load_objective
from winnow.search.study.spec import Spec
from winnow.search.study.validation import check
from winnow.search.worker.fusing import at_once, of_shape


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("WINNOW_CACHE", str(tmp_path))
    return tmp_path / "measured"


def few() -> Data:
    return load(DataSpec("digits", train=100, validation=60))


def say_instead(cache: Path, *found: object) -> None:
    """Put other answers where those that were measured are kept, one for each, or one for all."""
    files = sorted(cache.glob("*.json"))
    for file, answer in zip(files, found * len(files) if len(found) == 1 else found, strict=True):
        file.write_text(json.dumps({**json.loads(file.read_text()), "found": answer}))


def test_precision_is_measured_once(cache: Path) -> None:
    config = make_config(batch_size=10, lr=1e9)
    assert faster_precision(config, few()) in ("fp32", "bf16")
    say_instead(cache, "bf16, it says")
    assert faster_precision(change(config, lr=0.1, seed=3), few()) == "bf16, it says", "the same shape"


def test_a_later_version_of_training_keeps_the_precision(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert faster_precision(make_config(batch_size=10), few()) in ("fp32", "bf16")
    say_instead(cache, "bf16, it says")
    monkeypatch.setattr(calibration, "TRAINING_VERSION", objectives.TRAINING_VERSION + 1)
    assert faster_precision(make_config(batch_size=10), few()) == "bf16, it says"


def test_what_was_measured_of_another_shape_or_is_damaged_says_nothing(cache: Path) -> None:
    assert faster_precision(make_config(batch_size=10), few()) in ("fp32", "bf16")
    say_instead(cache, "bf16, it says")
    assert faster_precision(make_config(widths=[7], batch_size=10), few()) in ("fp32", "bf16")
    for file in cache.glob("*.json"):
        file.write_text("{")
    assert faster_precision(make_config(batch_size=10), few()) in ("fp32", "bf16")


def test_a_metric_that_needs_two_classes_is_no_matter() -> None:
    assert faster_precision(make_config(metric="auroc", batch_size=10), few()) in ("fp32", "bf16")


def test_without_a_folder_to_write_to_it_is_measured_each_time(cache: Path) -> None:
    cache.parent.joinpath("measured").write_text("a file")
    assert faster_precision(make_config(batch_size=10), few()) in ("fp32", "bf16")


def test_a_stack_is_measured_once(cache: Path) -> None:
    config = make_config(widths=[8], batch_size=20)
    found = best_stack(config, few(), 4)
    assert found.size in (1, 4)
    assert found.tried == 4
    assert (found.gain >= 1.1) == (found.size == 4)
    say_instead(cache, [8, 8, 2.5])
    assert best_stack(change(config, dropout=0.5), few(), 4) == (8, 8, 2.5)


MINE = """
from torch import nn

def plain(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))

def convolving(shape, classes):
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, classes))

def fit(trial):
    return trial.suggest_float("x", 0, 1)
"""
SEARCH: dict[str, Any] = {
    "name": "s",
    "data": {"name": "digits", "train": 100, "validation": 60},
    "fixed": {"widths": [8], "batch_size": 20},
    "search": {"lr": {"low": 0.001, "high": 0.1}},
    "budget": {"trials": 100},
}


def test_auto_takes_what_pays_and_says_so(cache: Path) -> None:
    spec = check({**SEARCH, "fixed": {**SEARCH["fixed"], "precision": "fp32"}, "fleet": {"fuse": "auto"}}, "s.toml")
    objective = load_objective(spec)
    at_once("auto", spec, objective)
    say_instead(cache, [8, 8, 1.5])
    assert at_once("auto", spec, objective)[:2] == (
        8,
        "8 trials at a time: their stack trains 1.50 times as many a second",
    )
    say_instead(cache, [1, 4, 0.7])
    found = at_once("auto", spec, objective)
    assert found[:2] == (1, "one trial at a time: a stack of 4 trains 0.70 times as many a second")


def searching_shapes(**changed: object) -> Spec:
    fixed = {"batch_size": 20, "precision": "fp32"}
    search = {"widths": {"choices": [[units] for units in range(8, 64)]}, "lr": {"low": 0.001, "high": 0.1}}
    return check({**SEARCH, "fixed": fixed, "search": search, "fleet": {"fuse": "auto"}, **changed}, "s.toml")


def test_where_the_shape_is_searched_it_is_measured_of_each_when_it_comes(cache: Path) -> None:
    spec = searching_shapes()
    objective = load_objective(spec)
    found = at_once("auto", spec, objective)
    assert (found.trials, found.by_shape) == (5, True), "of 100 trials five have one shape"
    planned = searching_shapes(sampler={"name": "qmc"})
    assert at_once("auto", planned, load_objective(planned)).trials == 1
    assert not cache.exists(), "nothing had to be measured yet"
    assert isinstance(objective, TrainingObjective)
    values = {**spec.fixed, "widths": [8]}
    assert of_shape(spec, objective, values, 4).trials in (1, 4)
    say_instead(cache, [4, 4, 1.3])
    assert "costs as much" in of_shape(spec, objective, values, 4).why
    assert of_shape(spec, objective, {**values, "lr": 0.01}, 4).trials == 1, "known of the shape"
    say_instead(cache, [4, 4, 3.0])
    assert of_shape(spec, objective, values, 4).trials == 4
    of_shape(spec, objective, {**values, "widths": [9]}, 4)
    assert len([*cache.glob("*.json")]) == 2, "another shape is measured"


def test_a_grid_by_shape_takes_whatever_pays(cache: Path) -> None:
    rates = [0.001 * (1 + each) for each in range(40)]
    search = {"widths": {"choices": [[8], [9]]}, "lr": {"choices": rates}}
    spec = searching_shapes(sampler={"name": "grid", "by_shape": True}, search=search, budget={})
    objective = load_objective(spec)
    assert isinstance(objective, TrainingObjective)
    assert at_once("auto", spec, objective).trials == 8
    of_shape(spec, objective, {**spec.fixed, "widths": [8]}, 8)
    say_instead(cache, [8, 8, 1.2])
    assert of_shape(spec, objective, {**spec.fixed, "widths": [8]}, 8).trials == 8, "the order of cells costs nothing"


def test_of_a_training_with_long_steps_no_stack_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "LONGEST", 0.0)
    monkeypatch.setattr(calibration, "STACKS", (2**40,))  # which no machine could hold
    assert best_stack(make_config(widths=[8], batch_size=20), few(), 2**40) == (1, 1, 1.0)


def test_beside_trainings_under_way_it_is_measured_between_their_steps(cache: Path) -> None:
    spec = searching_shapes()
    objective = load_objective(spec)
    assert isinstance(objective, TrainingObjective)
    objective.stacks = Stacks()
    assert objective.stack_size({**spec.fixed, "widths": [8]}, 4).tried == 4


def test_a_small_search_trains_one_trial_at_a_time(cache: Path) -> None:
    spec = check({**SEARCH, "budget": {"trials": 20}, "fleet": {"fuse": "auto"}}, "s.toml")
    trials, why, _ = at_once("auto", spec, load_objective(spec))
    assert trials == 1
    assert "of 20 in all" in why


def test_what_a_person_says_is_not_measured(cache: Path) -> None:
    spec = check({**SEARCH, "fleet": {"fuse": 3}}, "s.toml")
    assert at_once(3, spec, load_objective(spec)) == (3, "", False)
    assert not cache.exists()


def test_why_ones_own_is_no_stack_or_a_smaller_gain_is_said(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine_of_a_test.py").write_text(MINE)
    for model, why in [
        ("plain", ""),
        ("convolving", "3 trials at a time, each network called by itself: it.0 is a Conv2d"),
    ]:
        spec = check(
            {**SEARCH, "fixed": {"model": f"mine_of_a_test:{model}", "batch_size": 20}, "fleet": {"fuse": 3}}, "s.toml"
        )
        found = at_once(3, spec, load_objective(spec))
        assert found.trials == 3
        assert found.why.startswith(why) if why else not found.why
    spec = check(
        {"name": "s", "objective": "mine_of_a_test:fit", "budget": {"trials": 9}, "fleet": {"fuse": 3}}, "s.toml"
    )
    assert at_once(3, spec, load_objective(spec)).why == "one trial at a time: an objective of one's own is no stack"
