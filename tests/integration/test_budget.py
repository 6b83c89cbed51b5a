"""A budget of N trials is N trials: with any number of workers, continued, interrupted, and with workers killed."""

import os
import signal

import pytest

from integration.winnow import Place, wait_for
from winnow.storage import workers

SLOW = "[fixed]\nepochs = 6\nepoch_seconds = 0.3\n[pruner]\nname = 'none'\n"


@pytest.mark.parametrize("count", [1, 2, 8])
def test_exact_with_any_number_of_workers(place: Place, count: int) -> None:
    done = place.run("run", place.spec(trials=20), "--workers", str(count))
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    assert [trial.number for trial in trials] == list(range(20))
    assert all(trial.state.is_finished() for trial in trials)
    assert (place.folder / "reports" / "s.html").exists()


def test_audited_trials_finish_and_keep_where_they_would_have_been_pruned(place: Place) -> None:
    pruner = "[pruner]\nname = 'median'\naudit = 1.0\nn_startup_trials = 2\nn_warmup_steps = 0\n"
    done = place.run("run", place.spec(trials=8, more=pruner), "--workers", "1")
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    assert any(trial.user_attrs.get("winnow:would_prune") == 1 for trial in trials)
    assert "An audit let" in " ".join(done.stdout.split())


def test_a_search_that_stagnates_stops_with_its_reason_and_stays_stopped(place: Place) -> None:
    spec = place.spec(trials=200, more="[sampler]\nname = 'random'\n")
    with (place.folder / spec).open("a") as file:
        file.write("stagnation = 5\n")
    done = place.run("run", spec, "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "stopped early: none of the 5 trials after trial" in " ".join(done.stdout.split())
    count = len(place.states())
    assert count < 200
    assert "stopped early" in place.run("status", "s").stdout
    assert place.run("run", spec, "--workers", "1").returncode == 0
    assert len(place.states()) == count, "the same command does not begin again"


def test_a_finished_study_goes_on_with_a_larger_budget(place: Place) -> None:
    spec = place.spec(trials=3)
    assert place.run("run", spec, "--workers", "1").returncode == 0
    values = [trial.value for trial in place.study().trials]
    again = place.run("run", spec, "--workers", "1")
    assert again.returncode == 0
    assert [trial.value for trial in place.study().trials] == values
    assert "Its budget is spent. Next: winnow report s" in place.run("create", spec).stdout
    assert "Next: winnow work s" in place.run("create", spec, "--trials", "5").stdout
    assert place.run("run", spec, "--workers", "1", "--trials", "5").returncode == 0
    assert len(place.states()) == 5
    assert [trial.value for trial in place.study().trials][:3] == values


def test_an_interrupted_search_gives_its_trials_back_and_goes_on(place: Place) -> None:
    spec = place.spec(trials=4, more=SLOW)
    search = place.start("run", spec, "--workers", "2")
    wait_for(lambda: (place.folder / "winnow.db").exists() and _reported(place) >= 2)
    os.killpg(search.pid, signal.SIGINT)
    _, errors = search.communicate(timeout=300)
    assert search.returncode == 130, errors
    assert "Run the same command to continue" in errors
    assert "RUNNING" not in place.states()
    interrupted = [trial for trial in place.study().trials if trial.state.name == "WAITING"]
    assert interrupted
    assert place.run("run", spec, "--workers", "2").returncode == 0
    after = place.study().trials
    assert [trial.state.name for trial in after] == ["COMPLETE"] * 4
    for before in interrupted:
        assert after[before.number].params.items() >= before.params.items()
        assert list(after[before.number].intermediate_values) == list(range(1, 7))


def test_a_killed_worker_costs_no_trial(place: Place) -> None:
    spec = place.spec(trials=4, more=SLOW)
    # The fleet saw its worker die: nobody waits for the lease.
    search = place.start("run", spec, "--workers", "2", WINNOW_WORK_LEASE_SECONDS="600")
    busy = wait_for(
        lambda: (place.folder / "winnow.db").exists() and [w for w in _workers(place) if (w.epoch or 0) >= 1]
    )
    os.kill(busy[0].process, signal.SIGKILL)
    _, errors = search.communicate(timeout=90)
    assert search.returncode == 0, errors
    assert place.states() == ["COMPLETE"] * 4
    for trial in place.study().trials:
        assert list(trial.intermediate_values) == list(range(1, 7))


def test_workers_do_not_outlive_their_fleet(place: Place) -> None:
    search = place.start("run", place.spec(trials=4, more=SLOW), "--workers", "2")
    found = wait_for(lambda: (place.folder / "winnow.db").exists() and len(_workers(place)) == 2 and _workers(place))
    search.kill()
    search.communicate()
    wait_for(lambda: not any(_alive(worker.process) for worker in found))
    assert "RUNNING" not in place.states()


def _workers(place: Place) -> list[workers.Worker]:
    study = place.storage()
    try:
        return workers.present(study.database, study.get_study_id_from_name("s"))
    except KeyError:
        return []


def _reported(place: Place) -> int:
    try:
        return sum(len(trial.intermediate_values) for trial in place.study().trials)
    except KeyError:
        return 0


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
