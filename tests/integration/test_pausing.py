"""Searches whose trials pause and go on, by the command as people run it; and what a study's seed decides."""

import pytest

from integration.winnow import Place

RESUMABLE = """
import json

def grow(trial, epochs=9, resume=None):
    x = trial.suggest_float("x", 0.0, 1.0)
    kind = trial.suggest_categorical("kind", ["a", "b", "c"])
    state = json.loads(resume) if resume is not None else {"epoch": 0, "value": 0.0}
    for epoch in range(state["epoch"] + 1, epochs + 1):
        state = {"epoch": epoch, "value": state["value"] + x / 9}
        trial.report(state["value"], epoch, lambda state=state: json.dumps(state).encode())
    return state["value"]
"""
DECLARED = RESUMABLE.replace("trial, epochs", "trial, x, kind, epochs").replace(
    """    x = trial.suggest_float("x", 0.0, 1.0)
    kind = trial.suggest_categorical("kind", ["a", "b", "c"])
""",
    "",
)
ASHA = "[pruner]\nname = 'asha_promotion'\nmin_resource = 1\nmax_resource = 9\n"


def spec(place: Place, trials: int, more: str, name: str = "s") -> str:
    (place.folder / "mine.py").write_text(RESUMABLE)
    (place.folder / f"{name}.toml").write_text(
        f'name = "{name}"\nobjective = "mine:grow"\n{more}\n[budget]\ntrials = {trials}\n'
    )
    return f"{name}.toml"


@pytest.mark.parametrize("workers", [1, 4])
def test_a_search_promotes_and_ends_what_is_left(place: Place, workers: int) -> None:
    done = place.run("run", spec(place, 18, ASHA), "--workers", str(workers))
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    assert len(trials) == 18
    for trial in trials:
        steps = sorted(trial.intermediate_values)
        assert steps == list(range(1, len(steps) + 1)), "every epoch once, in order"
        assert trial.value == pytest.approx(trial.params["x"] * len(steps) / 9), "as in an unbroken run"
        if trial.state.name == "PRUNED":
            assert len(steps) in (1, 3)
            assert trial.user_attrs["winnow:reason"] == "paused, not taken up again"
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    assert 1 <= len(complete) <= 18 // 3
    best = max(trials, key=lambda trial: trial.params["x"])
    assert best in complete
    assert best.user_attrs["winnow:run"]["attempts"] == 3
    assert list((place.folder / "winnow.db.files").rglob("*.checkpoint")) == []


def test_a_trial_whose_checkpoint_is_gone_trains_from_the_start_and_says_so(place: Place) -> None:
    name = spec(place, 4, ASHA)
    begins = "def grow(trial, epochs=9, resume=None):\n"
    assert begins in RESUMABLE
    loses = f"{begins}    for path in pathlib.Path().rglob('*.checkpoint'):\n        path.unlink()\n"
    (place.folder / "mine.py").write_text("import pathlib\n" + RESUMABLE.replace(begins, loses))
    done = place.run("run", name, "--workers", "1")
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    again = [trial for trial in trials if "winnow:restarted" in trial.user_attrs]
    assert again
    for trial in trials:
        steps = sorted(trial.intermediate_values)
        assert steps == list(range(1, len(steps) + 1))
        assert trial.state.name in ("COMPLETE", "PRUNED"), "none fails for it"
        assert trial.value == pytest.approx(trial.params["x"] * len(steps) / 9), "as in an unbroken run"
    lines = again[0].user_attrs["winnow:restarted"].splitlines()
    assert lines[0].startswith("attempt 2: the file ")
    ends = "cannot be read: No such file or directory, so it trained again from the start"
    assert all(line.endswith(ends) for line in lines)


STRICT = """
import optuna

class Strict(optuna.pruners.BasePruner):
    def __init__(self, epoch):
        self.epoch = epoch

    def prune(self, study, trial):
        return trial.last_step >= self.epoch
"""


@pytest.mark.parametrize(("epoch", "state"), [(3, "PRUNED"), (4, "COMPLETE")])
def test_a_trial_is_not_pruned_after_its_last_epoch(place: Place, epoch: int, state: str) -> None:
    more = f"[fixed]\nepochs = 4\n[pruner]\nname = 'mine:Strict'\nepoch = {epoch}\n"
    name = place.spec(trials=1, more=more)
    with (place.folder / "mine.py").open("a") as file:
        file.write(STRICT)
    done = place.run("run", name, "--workers", "1")
    assert done.returncode == 0, done.stderr
    (trial,) = place.study().trials
    assert (trial.state.name, sorted(trial.intermediate_values)) == (state, list(range(1, epoch + 1)))


@pytest.mark.parametrize(("sampler", "workers"), [("random", 4), ("tpe", 1)])
def test_the_same_spec_searches_the_same_trials(place: Place, sampler: str, workers: int) -> None:
    """With one worker whatever the sampler; with several where it does not look at other trials."""

    def searched(name: str, workers: int) -> list[dict[str, object]]:
        more = f"seed = 3\n{ASHA}[sampler]\nname = '{sampler}'\n"
        done = place.run("run", spec(place, 14, more, name), "--workers", str(workers))
        assert done.returncode == 0, done.stderr
        return [trial.params for trial in place.study(name).trials]

    first = searched("one", 1)
    assert searched("two", workers) == first
    assert len({str(parameters) for parameters in first}) == 14
    assert len({parameters["kind"] for parameters in first}) == 3


def test_an_objective_without_checkpoints_cannot_be_paused(place: Place) -> None:
    place.spec(trials=3, more=ASHA)
    done = place.run("check", "s.toml")
    assert done.returncode != 0
    assert "mine:search cannot go on from a checkpoint, and so cannot be paused" in " ".join(done.stderr.split())


def test_a_budget_of_epochs(place: Place) -> None:
    name = spec(place, 1000, ASHA)
    text = (place.folder / name).read_text().replace("trials = 1000", "epochs = 40")
    (place.folder / name).write_text(text)
    done = place.run("run", name, "--workers", "2")
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    assert 40 <= sum(len(trial.intermediate_values) for trial in trials) <= 40 + 2 * 6
    assert all(trial.state.is_finished() for trial in trials)


def test_freeze_thaw_begins_by_the_prior_goes_on_and_ends(place: Place) -> None:
    name = spec(place, 1000, "[sampler]\nname = 'freeze_thaw'\nmax_resource = 9\n")
    text = (place.folder / name).read_text().replace("trials = 1000", "epochs = 40")
    rate = "x = { low = 0.0, high = 1.0, prior = 0.9, confidence = 0.99999 }"
    (place.folder / name).write_text(f'{text}[search]\n{rate}\nkind = {{ choices = ["a", "b", "c"] }}\n')
    (place.folder / "mine.py").write_text(DECLARED)
    done = place.run("run", name, "--workers", "2")
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    assert all(trial.state.is_finished() for trial in trials)
    lengths = [len(trial.intermediate_values) for trial in trials]
    assert 40 <= sum(lengths) <= 40 + 2 * 9
    assert set(lengths) <= {2, 9}
    assert {"COMPLETE", "PRUNED"} == {trial.state.name for trial in trials}
    assert trials[0].params["x"] > 0.5, "every other trial of the start is drawn by the prior, and this one first"
