"""A training script of one's own under a declared space: everything that the built-in objective has works on it."""

import json
import logging
import os
import tomllib

import pytest
from safetensors.torch import load_file

import winnow
from integration.winnow import Place
from winnow.search.study import objective_checks
from winnow.search.study.validation import check
from winnow.storage import ledger

SCRIPT = """
import math
import random
import optuna
print("a module may say what it likes")

def fit(trial, lr: float, width: int = 4, optimizer="sgd", momentum=None, epochs=4, seed=0, test=False):
    value = 0.0
    for epoch in range(1, epochs + 1):
        value = 1 - abs(math.log10(lr) + 1) / 4 / epoch - abs(width - 8) / 50 + (momentum or 0) / 10 + seed % 97 / 1e4
        trial.report(value, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    trial.keep_model(Net(lr))
    return (value, value - 0.1) if test else value

class Net:
    def __init__(self, lr):
        self.lr = lr

    def state_dict(self):  # asked for where it is kept
        import torch
        return {"weight": torch.tensor([self.lr])}

def draws(trial, epochs=4):
    lr = trial.suggest_float("lr", 1e-3, 1.0, log=True)
    optimizer = trial.suggest_categorical("optimizer", ["adam", "sgd"])
    momentum = trial.suggest_float("momentum", 0.0, 0.9) if optimizer == "sgd" else None
    return fit(trial, lr, 4, optimizer, momentum, epochs, seed=random.randrange(1000))
"""
SPEC = """
name = "s"
objective = "mine:fit"
sampler = { name = "SAMPLER" }
budget = { trials = 8 }
[fixed]
epochs = 5
[search]
lr = { low = 1e-3, high = 1.0, log = true }
width = { low = 1, high = 16 }
optimizer = { choices = ["adam", "sgd"] }
momentum = { low = 0.0, high = 0.9, when = { optimizer = ["sgd"] } }
[baseline]
lr = 0.01
width = 4
optimizer = "adam"
"""


def write(place: Place, sampler: str, **changes: str) -> str:
    (place.folder / "mine.py").write_text(SCRIPT)
    spec = SPEC.replace("SAMPLER", sampler)
    for old, new in changes.items():
        spec = spec.replace(old, new)
    (place.folder / "s.toml").write_text(spec)
    return "s.toml"


@pytest.mark.parametrize("sampler", ["tpe", "grid", "coordinate"])
def test_a_declared_space_is_searched_from_its_baseline(place: Place, sampler: str) -> None:
    done = place.run("run", write(place, sampler), "--workers", "1")
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED"}
    assert trials[0].user_attrs["winnow:baseline"]
    assert trials[0].params == {"lr": 0.01, "width": 4, "optimizer": "adam"}
    for trial in trials:
        assert ("momentum" in trial.params) == (trial.params["optimizer"] == "sgd")
        config = trial.user_attrs["winnow:config"]
        assert config == {**trial.params, "epochs": 5, "seed": config["seed"]}
    assert "lr" in done.stdout
    assert "baseline" in done.stdout
    if sampler == "grid":  # whose draws are the same each time
        goal = next(trial for trial in trials if trial.params["optimizer"] == "sgd" and trial.params["width"] != 4)
        repeats_and_takes_apart(place, "lr", "width", "optimizer", sides=("--to", str(goal.number)))
        confirms(place, test=True)


def test_what_an_objective_draws_by_itself_is_repeated_and_taken_apart(place: Place) -> None:
    write(place, "tpe")
    drawn = 'name = "s"\nobjective = "mine:draws"\nsampler = { name = "random" }\npruner = { name = "none" }\n'
    (place.folder / "s.toml").write_text(f"{drawn}budget = {{ trials = 10 }}\n[fixed]\nepochs = 3\n")
    assert place.run("run", "s.toml", "--workers", "1").returncode == 0
    trials = place.study().trials
    assert not any("winnow:baseline" in trial.user_attrs for trial in trials)
    assert all(trial.user_attrs["winnow:config"].keys() == {*trial.params, "epochs", "seed"} for trial in trials)
    adam, sgd = (
        next(str(trial.number) for trial in trials if trial.params["optimizer"] == name) for name in ("adam", "sgd")
    )
    repeats_and_takes_apart(place, "lr", "optimizer", sides=("--from", adam, "--to", sgd))
    confirms(place, test=False)


def confirms(place: Place, *, test: bool) -> None:
    """Confirm twice: the second time nothing is trained or read again."""
    for more in ((), ("--export", "winner")):
        done = place.run("confirm", "s", "--workers", "1", "--top", "2", "--seeds", "3", "--json", *more)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
    repeated = [trial for trial in place.study("s-confirm").trials if "winnow:test_score" in trial.user_attrs]
    sides = 2 if found["baseline_number"] is not None else 1
    assert len(repeated) == (3 * sides if test else 0)
    entries = ledger.entries(place.storage().database, "s")
    assert len(entries) == test
    assert found["read_before"] == 0
    exported(place, found["winner_number"])
    assert len(found["winner"]["scores"]) == 3
    if test:
        assert len(entries[0].models) == len(repeated)
        expected = [pytest.approx(score - 0.1) for score in found["winner"]["scores"]]
        assert found["winner_on_test"]["scores"] == expected
    else:
        assert found["winner_on_test"] is None


def exported(place: Place, winner: int) -> None:
    """The folder and the storage hold what the function handed over, and the card says how it is used."""
    about = json.loads((place.folder / "winner" / "config.json").read_text())
    assert about["trial"] == winner
    assert "load_state_dict" in (place.folder / "winner" / "README.md").read_text()
    loaded = winnow.load_winner("s", place.url)
    assert loaded.config == about["config"]
    weights = load_file(place.folder / "winner" / "model.safetensors")
    assert weights.keys() == loaded.weights.keys() == {"weight"}
    assert loaded.weights["weight"].item() == pytest.approx(about["config"]["lr"])
    refused = place.run("predict", "winner", "mine.py")
    assert (refused.returncode, "alone knows how to build it" in refused.stderr) == (2, True), refused.stderr


def repeats_and_takes_apart(place: Place, *methods: str, sides: tuple[str, ...]) -> None:
    again = place.run("replay", "s", "3", "--json")
    assert json.loads(again.stdout)["identical"], again.stderr
    done = place.run("ablate", "s", *sides, "--workers", "1", "--seeds", "2", "--looks", "1", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {effect["method"] for effect in found["alone"]} == set(methods)
    assert ("momentum" in found["methods"]["optimizer"]) == ("sgd" in found["methods"]["optimizer"]["optimizer"])
    assert (found["failed"], found["complete"]) == (0, True)


PARSES = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--offset", type=float, default=1.0)
args = parser.parse_args()

def fit(trial, lr, **others):
    if trial.number:
        parser.add_argument("-net", required=True)
        parser.parse_args()
    return lr + args.offset
"""


def test_a_script_that_reads_its_command_line_finds_it_empty_and_what_it_misses_is_said(place: Place) -> None:
    write(place, "tpe")
    (place.folder / "mine.py").write_text(PARSES)
    done = place.run("run", "s.toml", "--workers", "1", "--trials", "2")
    assert done.returncode == 0, done.stderr
    first, second = place.study().trials
    assert first.value == pytest.approx(1.01)
    reason = second.user_attrs["winnow:reason"]
    assert reason == "SystemExit: 2: mine.py: error: the following arguments are required: -net"


def test_what_does_not_fit_is_said_before_a_study_is_made(place: Place) -> None:
    done = place.run("check", write(place, "tpe", **{"width =": "widht ="}))
    said = "s.toml: [search] widht: mine:fit has no parameter 'widht'; did you mean 'width'?"
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    write(place, "tpe")
    (place.folder / "mine.py").write_text("import nothing_of_this_name")
    done = place.run("create", "s.toml")
    said = "mine:fit cannot be imported: ModuleNotFoundError: No module named 'nothing_of_this_name'"
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    (place.folder / "project").mkdir()
    for name in ("mine.py", "nothing_of_this_name.py"):
        (place.folder / "project" / name).write_text("import nothing_of_this_name")
    write(place, "tpe", **{"mine:fit": "project.mine:fit"})
    done = place.run("create", "s.toml")
    said = 'run winnow in the folder project, where nothing_of_this_name lies, with objective = "mine:fit"'
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not (place.folder / "winnow.db").exists()


def test_a_confirmation_looks_at_the_function_once_before_it_trains(place: Place) -> None:
    write(place, "tpe")
    (place.folder / "mine.py").write_text(
        f"import os\nif {objective_checks.CHECKED!r} in os.environ:\n    open('looked', 'a').write('.')\n{SCRIPT}"
    )
    for command in (("run", "s.toml", "--trials", "2"), ("confirm", "s", "--top", "1", "--seeds", "1")):
        (place.folder / "looked").unlink(missing_ok=True)
        done = place.run(*command, "--workers", "1")
        assert done.returncode == 0, done.stderr
        assert (place.folder / "looked").read_text() == "."


def test_a_module_that_takes_long_to_import_is_spoken_of_meanwhile(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spec = check(tomllib.loads((place.folder / write(place, "tpe")).read_text()), "s.toml")
    gate = place.folder / "gate"
    os.mkfifo(gate)
    (place.folder / "mine.py").write_text(f"open({str(gate)!r}).read()\n{SCRIPT}")
    monkeypatch.chdir(place.folder)
    monkeypatch.setattr(objective_checks, "PATIENCE_SECONDS", 0.01)
    opens = logging.Handler()
    monkeypatch.setattr(opens, "emit", lambda record: gate.write_text(""))  # it is imported once it was spoken of
    monkeypatch.setattr(logging.getLogger("winnow"), "handlers", [opens])
    assert "lr" in objective_checks.examine(spec, "s.toml")
    assert "importing mine:fit takes long; move what takes long into the function" in caplog.text


BEGINS = {
    "study.optimize": "import optuna\noptuna.create_study().optimize(fit, n_trials=3)\n",
    "winnow.create_study": "import winnow\nwinnow.create_study('s.toml').run()\n",
}


@pytest.mark.parametrize("began_by", BEGINS)
def test_a_module_that_searches_where_it_is_imported_is_refused_before_it_does(place: Place, began_by: str) -> None:
    write(place, "tpe")
    mine = place.folder / "mine.py"
    mine.write_text(SCRIPT + BEGINS[began_by])
    done = place.run("check", "s.toml", seconds=120)
    said = "importing mine:fit begins a search"
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert 'put what begins it under: if __name__ == "__main__":' in done.stderr
    assert not (place.folder / "winnow.db").exists()
    mine.write_text(SCRIPT + "if __name__ == '__main__':\n    " + BEGINS[began_by].replace("\n", "\n    "))
    assert place.run("check", "s.toml").returncode == 0


def test_a_mistake_where_test_data_are_read_is_mended_and_confirmed_anew(place: Place) -> None:
    write(place, "random", **{"budget = { trials = 8 }": "budget = { trials = 3 }"})
    mine = place.folder / "mine.py"
    mine.write_text(SCRIPT.replace("value - 0.1) if", "no_such_value) if"))
    assert place.run("run", "s.toml", "--workers", "1").returncode == 0
    confirming = ("confirm", "s", "--workers", "1", "--top", "2", "--seeds", "2", "--json")
    for _ in range(2):
        done = place.run(*confirming)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
    mine.write_text(SCRIPT)
    done = place.run(*confirming)
    assert done.returncode == 0, done.stderr
    assert "s-confirm begins anew, as its trainings had failed" in done.stderr
    assert len(json.loads(done.stdout)["winner_on_test"]["scores"]) == 2
