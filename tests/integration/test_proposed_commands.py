"""A command that a report or an answer proposes is one that the command line then takes."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from example_conclusions import confirmed
from example_study import told, work
from integration.winnow import Place
from winnow.errors import StudyError
from winnow.search.analysis import ablation, commands, conclusions, repetitions, study_reader
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.cli.main import cli
from winnow.search.report import report
from winnow.search.study.study import WinnowStudy

BASELINE: dict[str, Any] = {}
OTHER = {"lr": 0.01, "dropout": 0.1}
COPY = {"copied": True}
"""Stands for the baseline's own configuration."""


def take(study: WinnowStudy, record: StudyRecord, command: str) -> None:
    """Have the command's own parser and planner take it; trains nothing."""
    program, name, *arguments = shlex.split(command)
    assert program == "winnow"
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    asked = found.make_context(name, [*arguments, "--storage", "sqlite:///asked.db"]).params
    if name == "confirm":
        repetitions.plan_confirmation(study, asked["top"], asked["seeds"])
    if name == "ablate":
        ablation.plan_ablation(study, asked["start"], asked["goal"], record=record)


@pytest.mark.parametrize(
    ("values", "configs", "proposed"),
    [
        ([None, None], [BASELINE, OTHER], [None, None]),
        ([0.5, None], [BASELINE, OTHER], [None, None]),
        ([0.9, 0.5], [BASELINE, OTHER], ["winnow confirm told --top 2", "winnow confirm told"]),
        ([0.9, 0.8], [BASELINE, COPY], [None, None]),
        ([0.8, 0.9], [BASELINE, COPY], [None, None]),
        ([0.5, 0.9], [BASELINE, OTHER], ["winnow ablate told", "winnow confirm told"]),
        ([None, 0.9], [BASELINE, OTHER], ["winnow ablate told", "winnow confirm told"]),
    ],
    ids=["nothing", "baseline alone", "baseline best", "a copy of it", "a better copy", "better", "baseline failed"],
)
def test_what_is_proposed_is_taken(
    tmp_path: Path, values: list[float | None], configs: list[dict[str, Any]], proposed: list[str | None]
) -> None:
    (tmp_path / "first").mkdir()
    its_own = told(tmp_path / "first", [0.5]).optuna.trials[0].user_attrs["winnow:config"]
    study = told(tmp_path, values, [its_own if config is COPY else config for config in configs])
    record = study_reader.load(study.storage, study.name)
    assert [commands.methods_command(record), commands.confirm_command(record)] == proposed
    content = report.contents(record, Conclusions(spec=study.spec))
    named = [*content["commands"], *(command for chapter in content["chapters"] for command in chapter.commands)]
    for command in {*filter(None, proposed), *named}:
        take(study, record, command)
    if proposed[1] is None:
        with pytest.raises(StudyError, match=r"no finished trial yet|nothing to confirm"):
            repetitions.plan_confirmation(study, repetitions.TOP, repetitions.SEEDS)


def test_what_was_measured_leads_to_what_was_not(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9, 0.8], [BASELINE, OTHER, {**OTHER, "dropout": 0.3}])
    record = study_reader.load(study.storage, study.name)
    plan = ablation.plan_ablation(study, seeds=2, looks=1)
    work(ablation.add_trainings(plan, plan.design.next_trainings({})), lambda row: 0.5)
    ablated = conclusions.load(study.storage, record)
    only = Conclusions(confirmed())
    assert conclusions.next_command(record, Conclusions()) == "winnow confirm told"
    assert conclusions.next_command(record, ablated) == "winnow confirm told"
    assert conclusions.next_command(record, only) == "winnow ablate told"
    both = replace(ablated, confirmation=only.confirmation)
    assert conclusions.next_command(record, both) == "winnow report told"


def test_a_baseline_that_nothing_beats_is_confirmed_alone_and_then_beside_what_was_tried(place: Place) -> None:
    code = "def near(trial, x, seed):\n    return -(x - 0.5) ** 2 + seed % 7 / 1000\n"
    spec = place.spec(trials=3, function="near", more="[search]\nx = { low = 0.0, high = 1.0 }\n[baseline]\nx = 0.5")
    (place.folder / "mine.py").write_text(code)
    assert f"Next: winnow run {spec}" in place.run("check", spec).stdout
    assert place.run("run", spec, "--workers", "1").returncode == 0
    alone = place.run("confirm", "s", "--top", "1", "--seeds", "2", "--workers", "1")
    assert alone.returncode == 0, alone.stderr
    assert "The confirmation takes 2 trainings" in alone.stderr
    assert "The winner is the baseline itself, and there is no other to compare it with." in alone.stdout
    assert alone.stdout.splitlines()[-1] == "Next: winnow confirm s --top 2"
    beside = place.run("confirm", "s", "--top", "2", "--seeds", "2", "--workers", "1")
    assert beside.stdout.splitlines()[-1] == "Next: winnow report s"


def test_without_a_baseline_methods_are_measured_from_a_trial_that_is_named(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9, 0.7], [BASELINE, OTHER, {**OTHER, "dropout": 0.3}])
    record = study_reader.load(study.storage, study.name)
    record = replace(record, trials=tuple(replace(trial, baseline=False) for trial in record.trials))
    command = commands.methods_command(record)
    assert command == "winnow ablate told --from 0"
    with pytest.raises(StudyError, match="has no baseline; begin at a trial by --from, for example winnow ablate told"):
        ablation.plan_ablation(study, record=record)
    take(study, record, command)
