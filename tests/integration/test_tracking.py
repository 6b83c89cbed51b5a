"""`[log]`: each trial is a run elsewhere too, once, and a server that is away costs nothing and gets the rest later."""

import pytest

from integration.winnow import Place

pytest.importorskip("tensorboardX")
pytest.importorskip("mlflow")
event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what MLflow uses


def test_a_server_that_was_away_gets_every_trial_later_and_none_twice(place: Place) -> None:
    # Nobody listens at the discard port.
    place.spec(3, more='[log]\ntensorboard = true\nmlflow = "http://127.0.0.1:9"\n')
    done = place.run("run", "s.toml", "--workers", "1", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert done.returncode == 0, done.stderr
    assert "mlflow gets the numbers of s later" in done.stderr
    written = sorted((place.folder / "tensorboard" / "s").iterdir())
    assert [folder.name for folder in written] == ["trial-0", "trial-1", "trial-2"]
    files = sorted((place.folder / "tensorboard").rglob("events*"))
    place.spec(3, more=f'[log]\ntensorboard = true\nmlflow = "sqlite:///{place.folder}/mlflow.db"\n')
    assert place.run("run", "s.toml", "--workers", "1").returncode == 0
    assert sorted((place.folder / "tensorboard").rglob("events*")) == files

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{place.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("s")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    trials = place.study().trials
    assert sorted(runs) == [f"trial {trial.number}" for trial in trials]
    for trial, folder in zip(trials, written, strict=True):
        run = runs[f"trial {trial.number}"]
        curve = [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, "value")]
        assert curve == sorted(trial.intermediate_values.items())
        assert run.data.params["x"] == str(trial.params["x"])
        read = event_accumulator.EventAccumulator(str(folder)).Reload()
        assert [event.step for event in read.Scalars("value")] == sorted(trial.intermediate_values)


OPENS = """
import mlflow

def opens(trial):
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.start_run()  # and leaves it open, as a script does that trains once
    mlflow.log_param("number", trial.number)
    return 1.0
"""


def test_a_run_that_an_objective_left_open_is_not_the_next_trials(place: Place) -> None:
    spec = place.spec(3, function="opens")
    (place.folder / "mine.py").write_text(OPENS)
    done = place.run("run", spec, "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert place.states() == ["COMPLETE"] * 3
    assert "tried once more" not in "".join(log.read_text() for log in place.folder.rglob("*.log"))
    from mlflow import MlflowClient

    runs = MlflowClient(tracking_uri=f"sqlite:///{place.folder}/mlflow.db").search_runs(["0"])
    assert sorted(run.data.params["number"] for run in runs) == ["0", "1", "2"]
    assert {run.info.status for run in runs} == {"FINISHED"}
