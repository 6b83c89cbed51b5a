"""What goes wrong inside a trial ends that trial with its reason, and the search goes on."""

from integration.winnow import Place


def test_an_exception_fails_its_trial_and_no_other(place: Place) -> None:
    done = place.run("run", place.spec(trials=6, function="sometimes_fails"), "--workers", "1")
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL"] * 3
    assert trials[1].user_attrs["winnow:reason"] == "RuntimeError: odd numbers fail"
    assert "sometimes_fails" in trials[1].user_attrs["winnow:traceback"]
    told = place.run("status", "s").stdout
    assert "3 failed: RuntimeError: odd numbers fail" in told


def test_a_mistake_in_the_objective_does_not_use_up_the_budget(place: Place) -> None:
    done = place.run("run", place.spec(trials=200, function="fails"), "--workers", "1")
    assert done.returncode == 1
    assert "trials all failed: RuntimeError: the disk is on fire" in done.stderr
    assert len(place.states()) < 200


def test_a_search_of_which_every_trial_failed_says_why_and_is_no_success(place: Place) -> None:
    spec = place.spec(trials=2, function="fails")
    for _ in range(2):  # the second finds it done
        done = place.run("run", spec, "--workers", "1")
        assert done.returncode == 1
        assert "winnow: its 2 trials all failed: RuntimeError: the disk is on fire; fix that" in done.stderr


def test_an_objective_that_cannot_be_imported_fails_before_a_trial(place: Place) -> None:
    spec = place.spec(trials=3)
    (place.folder / "mine.py").write_text("import surely_not_installed\n")
    done = place.run("run", spec, "--workers", "1")
    assert done.returncode == 2
    assert "No module named 'surely_not_installed'" in done.stderr
    assert not (place.folder / "winnow.db").exists(), "and before a study"
