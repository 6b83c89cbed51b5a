"""Studies of stock Optuna that hold what few studies hold: each is read, reported and exported like any other."""

import math
import warnings
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner
from optuna.trial import TrialState

from winnow import storage
from winnow.errors import StudyError
from winnow.search.analysis import importance, study_reader
from winnow.search.cli.main import cli
from winnow.search.report import pictures, report

Objective = Callable[[optuna.Trial], float]


def x(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", 0, 1)


def once(value: float) -> Objective:
    return lambda trial: x(trial) if trial.number != 4 else value


def choosing(*choices: object) -> Objective:
    return lambda trial: x(trial) + choices.index(trial.suggest_categorical("c", choices))  # type: ignore[arg-type]


def reporting(trial: optuna.Trial) -> float:
    for step in range(3):
        trial.report([math.inf, -math.inf, math.nan, x(trial)][(trial.number + step) % 4], step)
    return x(trial)


ODD: dict[str, Objective] = {
    "inf among others": once(math.inf),
    "-inf among others": once(-math.inf),
    "NaN among others": once(math.nan),
    "nothing but inf": lambda trial: math.inf * (x(trial) + 1),
    "values whose squares are inf": lambda trial: x(trial) * 1e308 * (-1) ** trial.number,
    "reports of inf and NaN": reporting,
    "choices that are lists": choosing([1, 2], [64, 128, 256], [3]),
    "choices that are objects": choosing({"a": 1}, {"b": [2]}, None, "a"),
    "names of nothing and of markup": lambda trial: trial.suggest_int("", 1, 9) + trial.suggest_float("<b>|`\n", 0, 1),
}


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.parametrize("kind", ODD)
def test_an_odd_study_is_reported(kind: str) -> None:
    study = optuna.create_study(study_name="odd", sampler=optuna.samplers.RandomSampler(seed=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # stock Optuna's, of the choices
        study.optimize(ODD[kind], n_trials=14)
    record = study_reader.read(study, {})
    page = report.render(record)
    assert "What was found" in page
    usable = [trial.value for trial in record.ranked if abs(trial.value or 0.0) < 1e150]
    if len(usable) < 10:
        with pytest.raises(StudyError, match="importance needs 10 completed or pruned trials"):
            importance.compare(record)
    else:
        assert all(share.share >= 0 for found in importance.compare(record) for share in found.shares)


@pytest.mark.parametrize("trials", [0, 3])
def test_nothing_is_drawn_where_no_trial_has_a_value(trials: int) -> None:
    study = optuna.create_study(study_name="odd")
    for _ in range(trials):
        asked = study.ask()
        x(asked)
        study.tell(asked, state=TrialState.FAIL)
    record = study_reader.read(study, {})
    assert [picture for chapter in pictures.chapters(record) for picture in chapter.pictures] == []
    assert "What was found" in report.render(record)


def test_every_command_takes_a_stock_study_or_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    opened = storage.open("sqlite:///w.db")
    optuna.create_study(study_name="stock", storage=opened).optimize(once(math.inf), n_trials=11)
    optuna.create_study(study_name="bare", storage=opened)
    for command, says in (
        ("status stock", "stock: 11 completed"),
        ("status stock", "it has no spec, so a script of its own trains it; winnow create SPEC gives it one"),
        ("status none", "there is no study 'none' in sqlite:///w.db; there are bare, stock"),
        ("importance none", "there is no study 'none' in sqlite:///w.db; there are bare, stock"),
        ("importance stock", "MDI asks what the order of 10 trials varies with."),
        ("importance bare", "importance needs 10 completed or pruned trials"),
        ("export stock", "trials.csv"),
        ("export bare", "the study 'bare' has no trial yet, so there is nothing to write; run it first"),
        ("confirm stock", "has no spec; give it one: winnow create SPEC"),
        ("ablate stock --method lr", "'lr' names no hyperparameters: lr=lr,schedule"),
    ):
        done = CliRunner().invoke(cli, [*command.split(), "--storage", "sqlite:///w.db"], env={"COLUMNS": "200"})
        assert says in done.output, command


@pytest.mark.parametrize("name", ["../../escape", "/escape", "..", "a/b", "a\\b", "x" * 300, "ü <b>"])
def test_a_name_leads_out_of_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    here = tmp_path / "one" / "two" / "three"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    opened = storage.open("sqlite:///w.db")
    optuna.create_study(study_name=name, storage=opened).optimize(x, n_trials=2)
    for command in (["report"], ["export"]):
        done = CliRunner().invoke(cli, [*command, "--storage", "sqlite:///w.db", "--", name])
        assert done.exit_code == 0, done.output
    written = [file for file in tmp_path.rglob("*") if file.is_file() and not file.name.startswith("w.db")]
    assert sorted(file.relative_to(here).parts[0] for file in written) == ["exports", "reports"]
