"""`winnow stop`, `pause` and `resume` reach every worker through the storage, and no training is thrown away."""

import json

from integration.winnow import Place, wait_for

SLOW = "[fixed]\nepochs = 100\nepoch_seconds = 0.2\n[pruner]\nname = 'none'\n"


def test_a_stopped_fleet_drains_and_is_taken_up_again(place: Place) -> None:
    spec = place.spec(trials=2, more=SLOW)
    search = place.start("run", spec, "--workers", "2")
    wait_for(lambda: _epochs(place) >= 2)
    told = place.run("stop", "s")
    assert told.returncode == 0, told.stderr
    assert "s is stopped: its 2 workers will hand back their trials and exit" in told.stdout
    said, errors = search.communicate(timeout=300)
    assert search.returncode == 0, errors
    assert "Run the same command to continue" in errors
    assert "Report: " in said
    assert "RUNNING" not in place.states()
    before = _curves(place)
    assert "stopped by hand: winnow resume s goes on" in place.run("status", "s").stdout

    assert place.run("work", "s").returncode == 0, "a worker that comes late leaves again"
    assert _curves(place) == before
    assert place.run("run", spec, "--workers", "2").returncode == 0
    assert place.states() == ["COMPLETE"] * 2
    after = _curves(place)
    assert all(after[number].items() >= curve.items() for number, curve in before.items())
    for command in ("stop", "work"):
        refused = place.run(command, "s")
        assert refused.returncode == 2
        assert "the study 's' is finished: its budget of 2 trials is used up; give it a larger budget" in refused.stderr


def test_a_paused_study_holds_no_device_until_it_is_resumed(place: Place) -> None:
    assert place.run("create", place.spec(trials=1, more=SLOW)).returncode == 0
    worker = place.start("work", "s")
    wait_for(lambda: _epochs(place) >= 1)
    assert place.run("pause", "s").returncode == 0
    wait_for(lambda: _doing(place) == ["paused"])
    assert place.states() == ["WAITING"]
    paused = _curves(place)
    assert "s is resumed, with 1 worker." in place.run("resume", "s").stdout
    _, errors = worker.communicate(timeout=300)
    assert worker.returncode == 0, errors
    assert place.states() == ["COMPLETE"]
    assert _curves(place)[0].items() >= paused[0].items()


def test_a_study_that_nobody_works_on_can_be_stopped_and_resumed(place: Place) -> None:
    assert place.run("create", place.spec(trials=2)).returncode == 0
    for command, says in (("stop", "it has no workers"), ("resume", "To start one: winnow work s")):
        told = place.run(command, "s")
        assert says in told.stdout, told.stderr
        if command == "stop":
            worker = place.run("work", "s")
            assert (worker.returncode, worker.stderr) == (0, "s is stopped by hand: winnow resume s goes on\n")
    assert "there is no study 'none'" in place.run("pause", "none").stderr


def _curves(place: Place) -> dict[int, dict[int, float]]:
    return {trial.number: trial.intermediate_values for trial in place.study().trials}


def _epochs(place: Place) -> int:
    try:
        return sum(map(len, _curves(place).values())) if (place.folder / "winnow.db").exists() else 0
    except KeyError:
        return 0


def _doing(place: Place) -> list[str]:
    return [worker["state"] for worker in json.loads(place.run("status", "s", "--json").stdout)["workers"]]
