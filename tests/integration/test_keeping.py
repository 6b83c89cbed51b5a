"""`[keep] weights`: the best trials keep what they trained, in a folder or on S3, and the others leave no file."""

import shutil

import pytest

from integration.winnow import Place, wait_for
from winnow.storage import artifacts


@pytest.mark.parametrize("where", ["folder", "s3"])
def test_only_the_best_keep_their_weights(
    place: Place, where: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = request.getfixturevalue("s3_place") if where == "s3" else str(place.folder / "files")
    monkeypatch.setenv("WINNOW_FILES", files)
    done = place.run("run", place.spec(trials=8, function="keeps", more="[keep]\nweights = 2\n"), "--workers", "2")
    assert done.returncode == 0, done.stderr
    study, store = place.study(), place.storage().store
    best = sorted(study.trials, key=lambda trial: trial.value or 0.0)[-2:]
    names = [trial.user_attrs["winnow:artifact:weights"] for trial in best]
    assert sorted(artifacts.names(store, place.storage().home(study._study_id))) == sorted(names)
    kept = [artifacts.read(store, name).decode() for name in names]
    assert kept == [f"{trial.value!r} of trial {trial.number}" for trial in best]
    assert not [name for name in store.names("") if "/checkpoints/" in name]
    if where == "s3":
        store.store.client.close()  # type: ignore[attr-defined]


def test_files_that_cannot_be_are_refused_before_a_trial_is_taken(place: Place) -> None:
    assert place.run("create", place.spec(trials=2)).returncode == 0
    refused = place.run("work", "s", WINNOW_FILES="s3:///prefix")
    assert refused.returncode == 2
    assert "s3:///prefix names no bucket; write s3://BUCKET/PREFIX" in " ".join(refused.stderr.split())
    assert place.states() == []


def test_a_confirmation_waits_for_the_store_of_its_weights(place: Place) -> None:
    files = place.folder / "files"
    assert place.run("run", place.spec(trials=3, function="keeps"), WINNOW_FILES=str(files)).returncode == 0
    of_database = files / place.storage().home(place.study()._study_id).partition("/")[0]
    shutil.rmtree(of_database, ignore_errors=True)
    of_database.touch()  # a file where its folder was: nothing can be written into it
    run = place.start("confirm", "s", "--top", "1", "--seeds", "2", "--workers", "1", WINNOW_FILES=str(files))
    waits = "waits for its weights to be kept"
    wait_for(lambda: any(waits in log.read_text() for log in (files / "logs").glob("s-confirm-*.log")))
    assert run.poll() is None
    of_database.unlink()
    _, told = run.communicate(timeout=120)
    assert run.returncode == 0, told
    trials = place.study("s-confirm").trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * len(trials)
    assert all("winnow:artifact:weights" in trial.user_attrs for trial in trials)
