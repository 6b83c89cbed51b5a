"""Trials that a worker trains at once are asked for in one shape, by the study's own sampler."""

import math
import threading
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any

import optuna
import pytest

from winnow import storage
from winnow.objectives.space import suggest
from winnow.records import Epoch, Outcome
from winnow.search.study import study as studies
from winnow.search.study import validation
from winnow.search.study.study import WinnowStudy
from winnow.search.worker.fusing import in_a_row
from winnow.search.worker.scheduling import Scheduling
from winnow.search.worker.shape_runs import ShapeRuns
from winnow.storage import claims, endings, epochs
from winnow.storage.errors import LeaseLost
from winnow.storage.leases import Lease

SEARCH = {
    "model": {"choices": ["mlp", "cnn"]},
    "widths": {"choices": [[16], [32], [64], [128], [256], [512]], "when": {"model": ["mlp"]}},
    "filters": {"choices": [[8], [16], [32], [64]], "when": {"model": ["cnn"]}},
    "lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "optimizer": {"choices": ["sgd", "adam"]},
    "momentum": {"low": 0.0, "high": 0.95, "when": {"optimizer": ["sgd"]}},
}
SHAPE = ("model", "widths", "filters")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[storage.Storage]:
    made = storage.open(f"sqlite:///{tmp_path}/winnow.db")
    yield made
    made.database.release()


def study_with(opened: storage.Storage, sampler: str, name: str = "s") -> WinnowStudy:
    content = {"name": name, "data": {"name": "digits"}, "search": SEARCH, "budget": {"trials": 64}}
    return studies.create(opened, validation.check({**content, "sampler": {"name": sampler}}, "s.toml"))


def rows_of(study: WinnowStudy, row: int, sizes: Mapping[str, int] = MappingProxyType({})) -> ShapeRuns:
    """Rows of a worker that trains so many of each model at once, by default as many as a row has."""
    return ShapeRuns(study, row, threading.Lock(), lambda _, values: sizes.get(values["model"], row), row)


def drawn(study: WinnowStudy, count: int, row: int) -> list[dict[str, Any]]:
    """What the first trials of one worker take; the baseline, which is drawn when it trains, is left out."""
    shapes, taken = rows_of(study, row), []
    for _ in range(count + 1):
        lease = claims.claim(study.storage.database, study.study_id, "w")
        assert lease is not None
        shapes.draw(lease)
        if lease.number:
            taken.append(study.storage.get_trial(lease.trial_id).params)
    return taken


def shapes_of(trials: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(trial.get(name) for name in SHAPE) for trial in trials]


@pytest.mark.parametrize(("sampler", "first"), [("random", 1), ("tpe", 10)])
def test_so_many_in_a_row_have_one_shape_and_differ_in_all_else(
    opened: storage.Storage, sampler: str, first: int
) -> None:
    began = drawn(study_with(opened, sampler), first + 15, row=4)
    start, trials = began[: first - 1], began[first - 1 :]
    assert len(set(shapes_of(start))) >= min(len(start), 4), "what begins a model of the search is as varied as can be"
    runs = [len(list(run)) for _, run in groupby(shapes_of(trials))]
    assert all(run % 4 == 0 for run in runs), runs
    assert len(runs) >= 2, "and the next have another"
    assert len({trial["lr"] for trial in trials}) == 16
    assert all(("momentum" in trial) == (trial["optimizer"] == "sgd") for trial in trials)


def test_a_trial_whose_worker_died_before_it_drew_is_drawn_in_the_shape_of_its_row(opened: storage.Storage) -> None:
    study = study_with(opened, "random")
    shapes, trials = rows_of(study, 8), []
    for number in range(8):
        lease = claims.claim(opened.database, study.study_id, "dying")
        assert lease is not None
        if number == 5:
            assert endings.requeue_of(opened.database, "dying")
            while (lease := claims.claim(opened.database, study.study_id, "w")) is not None and lease.number < 5:
                shapes.draw(lease)  # has its parameters
            assert lease is not None
        shapes.draw(lease)
        trials.append(opened.get_trial(lease.trial_id).params)
    assert trials[0] == {}, "the baseline, which is queued with its parameters, is drawn when it trains"
    assert len(set(shapes_of(trials[1:]))) == 1


def test_what_a_trial_draws_is_written_whole_or_not_at_all(opened: storage.Storage) -> None:
    study = study_with(opened, "random")
    shapes = rows_of(study, 1)
    _, whole, lost = (claims.claim(opened.database, study.study_id, "w") for _ in range(3))
    assert whole is not None
    assert lost is not None
    shapes.draw(whole)
    assert {"model", "lr", "optimizer"} <= opened.get_trial(whole.trial_id).params.keys()
    endings.give_back(opened.database, lost, Outcome.WORKER_KILLED)
    with pytest.raises(LeaseLost):
        shapes.draw(lost)
    assert not opened.get_trial(lost.trial_id).params


def test_first_looks_of_freeze_thaw_come_in_rows_of_one_shape_beside_what_goes_on(opened: storage.Storage) -> None:
    study = study_with(opened, "freeze_thaw")
    rows, scheduling = rows_of(study, 4), Scheduling.of(study, "w", 60)
    assert scheduling is not None
    went_on, looks = 0, list[dict[str, Any]]()
    for _ in range(26):
        lease = scheduling.claim(rows)
        assert lease is not None
        rows.draw(lease)
        trial = opened.get_trial(lease.trial_id)
        went_on += bool(trial.intermediate_values)
        if lease.number and not trial.intermediate_values:
            looks.append(trial.system_attrs["fixed_params"])
        trained(opened, study, lease)
    assert went_on >= 2
    start, beyond = looks[:7], looks[7:]
    assert len(set(shapes_of(start))) >= 4, "what begins a model of the search is as varied as can be"
    runs = [len(list(run)) for _, run in groupby(shapes_of(beyond))]
    assert all(run % 4 == 0 for run in runs[1:-1]), runs
    assert len({repr(sorted(trial.items())) for trial in beyond}) == len(beyond)


def test_of_trials_that_may_go_on_alike_those_of_one_shape_come_in_a_row(opened: storage.Storage) -> None:
    search = {"widths": {"choices": [[16], [32], [64]]}, "lr": SEARCH["lr"]}
    content = {"name": "s", "data": {"name": "digits"}, "fixed": {"epochs": 8, "model": "mlp"}, "search": search}
    halving = {"name": "asha_promotion", "min_resource": 2, "reduction_factor": 2}
    spec = {**content, "budget": {"trials": 17}, "sampler": {"name": "random"}, "pruner": halving}
    study = studies.create(opened, validation.check(spec, "s.toml"))
    scheduling = Scheduling.of(study, "w", 60)
    assert scheduling is not None
    began = [scheduling.claim() for _ in range(17)]  # at once, so that half of them may go on when they have paused
    alone = rows_of(study, 1)
    for lease in began:
        assert lease is not None
        alone.draw(lease)
    for lease in began:
        assert lease is not None
        trained(opened, study, lease)
    rows, shapes, epochs_had = rows_of(study, 4), list[tuple[Any, ...]](), set[int]()
    for _ in range(8):
        lease = scheduling.claim(rows)
        assert lease is not None
        rows.draw(lease)
        trial = opened.get_trial(lease.trial_id)
        shapes += shapes_of([trial.params])
        epochs_had.add(len(trial.intermediate_values))
    assert epochs_had == {2}
    while shapes:
        length = min(4, shapes.count(shapes[0]))
        assert shapes[:length] == [shapes[0]] * length
        del shapes[:length]


def trained(opened: storage.Storage, study: WinnowStudy, lease: Lease) -> None:
    """Train to where it pauses, or to its end."""
    begun = len(opened.get_trial(lease.trial_id).intermediate_values)
    with opened.holding(lease):
        trial = optuna.trial.Trial(study.optuna, lease.trial_id)
        suggest(trial, study.spec.space, {})  # as a trainer does: a model learns nothing of what was not drawn
        for epoch in range(begun + 1, (lease.until or 20) + 1):
            loss = abs(math.log10(trial.params["lr"]) + 2) + 1 / epoch
            epochs.record(opened.database, lease, Epoch(epoch, 1 / (1 + loss)))
    if lease.until:
        endings.give_back(opened.database, lease, Outcome.RUNG)
    else:
        endings.finish(opened.database, lease, Outcome.COMPLETE, 1 / (1 + loss))


def test_a_shape_that_no_stack_makes_faster_has_no_row(opened: storage.Storage) -> None:
    study = study_with(opened, "random")
    rows, taken = rows_of(study, 8, {"cnn": 1, "mlp": 4}), []
    for _ in range(30):
        lease = claims.claim(opened.database, study.study_id, "w")
        assert lease is not None
        size, trial = rows.draw(lease)
        assert trial.params == opened.get_trial(lease.trial_id).params
        taken.append(trial.params)
        assert not taken[-1] or size == {"cnn": 1, "mlp": 4}[taken[-1]["model"]]
    lengths = [(shape[0], len(list(run))) for shape, run in groupby(shapes_of(taken[1:]))]
    assert {model for model, _ in lengths} == {"mlp", "cnn"}
    assert all(length % 4 == 0 for model, length in lengths[:-1] if model == "mlp"), lengths
    assert min(length for model, length in lengths[:-1] if model == "cnn") == 1, lengths


def test_trials_that_were_given_back_go_on_in_rows_of_one_shape(opened: storage.Storage) -> None:
    study = study_with(opened, "random")
    rows, leases = rows_of(study, 1), list[Lease]()
    while (lease := claims.claim(opened.database, study.study_id, "w")) is not None and lease.number < 24:
        rows.draw(lease)
        leases.append(lease)
    assert lease is not None
    for each in [*leases, lease]:
        endings.give_back(opened.database, each, Outcome.STOPPED)
    again, order = rows_of(study, 4), list[int]()
    for _ in leases:
        lease = claims.claim(opened.database, study.study_id, "w", rather=again.mates)
        assert lease is not None
        again.draw(lease)
        order.append(lease.number)
    assert sorted(order) == [*range(24)], "each goes on"
    assert order != sorted(order)
    waiting = [*range(24)]
    trials = [opened.get_trial(each.trial_id) for each in leases]
    shape = {each.number: shapes_of([each.params or each.system_attrs["fixed_params"]])[0] for each in trials}
    while order:
        first = order[0]
        assert first == waiting[0], "the oldest begins the next row"
        row = [number for number in waiting if shape[number] == shape[first]][:4]
        assert order[: len(row)] == row
        order = order[len(row) :]
        waiting = [number for number in waiting if number not in row]


def test_a_study_draws_the_same_again(opened: storage.Storage) -> None:
    first, again = (drawn(study_with(opened, "random", name), 12, row=4) for name in ("first", "again"))
    assert first == again
    alone = drawn(study_with(opened, "random", "alone"), 12, row=1)
    assert [alone[place] for place in (0, 4, 8)] == [first[place] for place in (0, 4, 8)], "who decides on a shape"
    assert shapes_of(alone) != shapes_of(first)


def test_a_short_search_and_samplers_that_plan_ask_for_one_at_a_time(opened: storage.Storage) -> None:
    assert in_a_row(study_with(opened, "tpe").spec, 8) == 3, "64 trials look at 20 shapes or more"
    assert in_a_row(study_with(opened, "grid", "other").spec, 8) == 1
