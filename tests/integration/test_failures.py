"""What goes wrong inside a trial ends that trial with its reason, and the search goes on."""

import os
import signal
import sys

import pytest

from integration.winnow import Place, wait_for


def test_an_exception_fails_its_trial_and_no_other(place: Place) -> None:
    done = place.run("run", place.spec(trials=6, function="sometimes_fails"), "--workers", "1")
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL"] * 3
    assert trials[1].user_attrs["winnow:reason"] == "RuntimeError: odd numbers fail"
    assert "sometimes_fails" in trials[1].user_attrs["winnow:traceback"]
    told = place.run("status", "s").stdout
    assert "3 failed: RuntimeError: odd numbers fail" in told


def test_what_can_be_done_only_once_in_a_process_is_done_in_a_new_one(place: Place) -> None:
    spec = place.spec(trials=3, function="once")
    code = "import multiprocessing\n\ndef once(trial):\n    multiprocessing.set_start_method('fork')\n    return 1.0\n"
    (place.folder / "mine.py").write_text(code)
    done = place.run("run", spec, "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert place.states() == ["COMPLETE"] * 3
    said = "trial 1: RuntimeError: context has already been set; tried once more in a new process"
    assert said in "".join(log.read_text() for log in place.folder.rglob("*.log"))


def test_a_mistake_in_the_objective_does_not_use_up_the_budget(place: Place) -> None:
    done = place.run("run", place.spec(trials=200, function="fails"), "--workers", "1")
    assert done.returncode == 1
    assert "trials all failed: RuntimeError: the disk is on fire" in done.stderr
    assert len(place.states()) < 200


def test_a_search_of_which_every_trial_failed_says_why_and_is_no_success(place: Place) -> None:
    spec = place.spec(trials=2, function="fails")
    done = place.run("run", spec, "--workers", "1")
    assert done.returncode == 1
    lines = (place.folder / "mine.py").read_text().splitlines()
    line = 1 + lines.index('    raise RuntimeError("the disk is on fire")')
    said = f"RuntimeError: the disk is on fire (mine.py, line {line})"
    assert f"winnow: its 2 trials all failed: {said}; fix that and run it again" in done.stderr
    assert f"2 failed: {said}" in place.run("status", "s").stdout


def test_a_mended_objective_begins_anew_with_its_whole_budget_and_what_failed_can_be_restored(place: Place) -> None:
    baseline = "[search]\nx = { low = 0.0, high = 1.0 }\n[baseline]\nx = 0.5"
    broken = place.spec(trials=3, function="of_x", more=baseline)
    for content, code in (("return y", 1), ("return 1 - (x - 0.3) ** 2", 0)):
        (place.folder / "mine.py").write_text(f"def of_x(trial, x):\n    {content}\n")
        done = place.run("run", broken, "--workers", "1")
        assert done.returncode == code, done.stderr
    assert "s begins anew, as every trial of it had failed; they are kept: winnow restore" in done.stderr
    assert place.states() == ["COMPLETE"] * 3
    assert place.study().trials[0].params == {"x": 0.5}, "the baseline is trained at last"
    assert "s: deleted" in place.run("restore").stdout


def test_a_trial_that_was_handed_back_before_it_told_anything_holds_no_new_beginning_up(place: Place) -> None:
    spec = place.spec(trials=20, function="mends")
    hangs = "import time\ndef mends(trial):\n    return 1 / 0 if trial.number < 5 else time.sleep(600)\n"
    (place.folder / "mine.py").write_text(hangs)
    assert place.run("run", spec, "--workers", "2", "--grace-seconds", "0").returncode == 1
    assert "WAITING" in place.states()
    (place.folder / "mine.py").write_text("def mends(trial):\n    return 1.0\n")
    done = place.run("run", spec, "--workers", "2", "--trials", "3")
    assert "begins anew" in done.stderr
    assert place.states() == ["COMPLETE"] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a dead worker is waited for")
def test_a_search_that_was_killed_holds_no_new_beginning_up(place: Place) -> None:
    spec = place.spec(trials=20, function="hangs")
    (place.folder / "mine.py").write_text(
        "import time\ndef hangs(trial):\n    return 1 / 0 if trial.number < 2 else time.sleep(600)\n"
    )
    place.run("create", spec)
    fleet = place.start("work", "s", "--devices", "cpu")
    wait_for(lambda: place.states()[:3] == ["FAIL", "FAIL", "RUNNING"])
    os.killpg(fleet.pid, signal.SIGKILL)
    fleet.communicate()
    (place.folder / "mine.py").write_text("def hangs(trial):\n    return 1.0\n")
    done = place.run("run", spec, "--workers", "1", "--trials", "3")
    assert "begins anew" in done.stderr
    assert place.states() == ["COMPLETE"] * 3


def test_what_was_measured_before_a_trial_failed_does_not_begin_anew(place: Place) -> None:
    spec = place.spec(trials=2, function="sometimes_fails")
    assert place.run("run", spec, "--workers", "1").returncode == 0
    assert place.run("run", spec, "--workers", "1", "--trials", "3").returncode == 0
    assert place.states() == ["COMPLETE", "FAIL", "COMPLETE"]


def test_an_objective_that_cannot_be_imported_fails_before_a_trial(place: Place) -> None:
    spec = place.spec(trials=3)
    (place.folder / "mine.py").write_text("import surely_not_installed\n")
    done = place.run("run", spec, "--workers", "1")
    assert done.returncode == 2
    assert "No module named 'surely_not_installed'" in done.stderr
    assert not (place.folder / "winnow.db").exists(), "and before a study"
