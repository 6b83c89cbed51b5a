"""Optuna's own tools work on a Winnow storage unchanged, and Winnow on a study that they made."""

import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import optuna
import pytest
from sqlalchemy import text

from integration.winnow import Place, wait_for, wait_for_listening

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("stock"))
    assert place.run("run", place.spec(trials=4), "--workers", "1").returncode == 0
    return place


def stock(place: Place, *arguments: str) -> str:
    done = subprocess.run(
        [BIN / "optuna", *arguments], env=place.environment({}), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_optuna_lists_studies_and_trials(searched: Place) -> None:
    assert [study["name"] for study in json.loads(stock(searched, "studies", "--format", "json"))] == ["s"]
    trials = json.loads(stock(searched, "trials", "--study-name", "s", "--format", "json"))
    assert len(trials) == 4
    best = json.loads(stock(searched, "best-trial", "--study-name", "s", "--format", "json"))
    assert best["number"] == searched.study().best_trial.number


def test_a_study_of_stock_optuna_is_given_a_spec_and_run(place: Place) -> None:
    stock(place, "create-study", "--study-name", "s", "--direction", "maximize")
    done = place.run("run", place.spec(trials=3), "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert place.states() == ["COMPLETE"] * 3 or "PRUNED" in place.states()


def test_a_study_of_the_other_direction_is_refused(place: Place) -> None:
    stock(place, "create-study", "--study-name", "s", "--direction", "minimize")
    done = place.run("run", place.spec(trials=3))
    assert done.returncode == 2
    assert 'was made to minimize, and this spec\'s values are to maximize; write direction = "minimize"' in done.stderr
    assert place.states() == []


def test_stock_optuna_optimises_a_winnow_study(searched: Place) -> None:
    study = optuna.load_study(study_name="s", storage=searched.url)
    before = len(study.trials)
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=2)
    assert [trial.number for trial in study.trials] == list(range(before + 2))


def test_a_trial_that_stock_optuna_left_running_is_not_waited_for(place: Place) -> None:
    assert place.run("create", place.spec(trials=2)).returncode == 0
    left = f"import optuna; optuna.load_study(study_name='s', storage='{place.url}').ask()"
    assert place.python("-c", left).returncode == 0
    done = place.run("run", "s.toml", "--devices", "cpu", "--workers", "1", seconds=100)
    assert done.returncode == 0, done.stderr
    assert "not waited for: 1 trial that no worker of Winnow's runs" in done.stderr
    assert "to be continued" not in done.stderr
    assert sorted(place.states()) == ["COMPLETE", "RUNNING"]


def test_a_study_that_is_deleted_ends_its_run_in_a_sentence(place: Place) -> None:
    assert place.run("create", place.spec(trials=40, more="fixed = { epoch_seconds = 0.5 }")).returncode == 0
    run = place.start("run", "s.toml", "--devices", "cpu", "--workers", "1")
    wait_for(lambda: "RUNNING" in place.states())
    optuna.delete_study(study_name="s", storage=place.storage())
    _, said = run.communicate(timeout=60)
    assert "the study 's' was deleted while it was worked on" in " ".join(said.split()), said
    assert "bug" not in said
    assert run.returncode


def test_deleting_a_study_with_stock_optuna_leaves_nothing_of_ours(place: Place) -> None:
    assert place.run("run", place.spec(trials=2), "--workers", "1").returncode == 0
    stock(place, "delete-study", "--study-name", "s")
    database = place.storage().database
    for table in ("epochs", "attempts", "budgets", "checkpoints"):
        assert database.scalar(text(f"select count(*) from winnow_{table}")) == 0, table


def test_optuna_dashboard_shows_it(searched: Place) -> None:
    dashboard = shutil.which("optuna-dashboard", path=str(BIN))
    assert dashboard, "the [dashboard] extra is part of the tests' environment"
    log = searched.folder / "optuna-dashboard.log"
    command = [dashboard, searched.url, "--port", "0", "--host", "127.0.0.1"]
    with log.open("wb") as said:
        server = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        port = wait_for_listening(server, log.read_text)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies", timeout=300) as answer:
            studies = json.load(answer)
        assert [study["study_name"] for study in studies["study_summaries"]] == ["s"]
    finally:
        server.terminate()
        server.wait()
