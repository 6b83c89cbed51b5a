"""A study goes on with the code that it began with, or with other code by a person's word, which is then shown."""

from pathlib import Path
from typing import Any

import pytest

from integration.winnow import Place
from winnow.objectives import TRAINING_VERSION

OWN = 'name = "s"\nobjective = "mine:search"\nbudget = { trials = %d }\n'
HELPED = "import helper\ndef search(trial):\n    return helper.VALUE\n"
BUILT_IN = """
name = "s"
extensions = %s
fixed = { model = "mlp", epochs = 1 }
search = { lr = { low = 1e-3, high = 1e-1, log = true } }
budget = { trials = %d }
[data]
name = "digits"
train = 256
validation = 256
"""


def lay(folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("_toml", ".toml").replace("_py", ".py")).write_text(content)


def work(place: Place, refusal: str = "", *more: str) -> None:
    done = place.run("work", "s", *more, OPTUNA_STORAGE=place.url)
    assert done.returncode == (2 if refusal else 0), done.stderr
    assert refusal in done.stderr
    assert "Traceback" not in done.stderr


def code_of_trials(place: Place) -> list[Any]:
    return [trial.user_attrs.get("winnow:run", {}).get("code") for trial in place.study().trials]


def test_a_comment_ends_no_study_and_other_code_is_accepted_by_name(place: Place) -> None:
    lay(place.folder, mine_py=HELPED, helper_py="VALUE = 1.0\n", s_toml=OWN % 2)
    assert place.run("create", "s.toml").returncode == 0
    work(place)
    lay(place.folder, mine_py="# why\n" + HELPED, helper_py='"""One."""\n\nVALUE = (1.0)  # it is\n', s_toml=OWN % 3)
    assert place.run("run", "s.toml", "--workers", "1").returncode == 0
    assert "same code" not in place.run("status", "s").stdout
    lay(place.folder, helper_py="VALUE = 2.0\n", s_toml=OWN % 5)
    refusal = "is not the code that the study 's' began with; bring back that code, begin a study under another name"
    done = place.run("run", "s.toml", "--workers", "1")
    assert done.returncode == 1
    assert f"the module helper (helper.py) {refusal}" in " ".join(done.stderr.split())
    assert place.states() == ["COMPLETE"] * 3
    assert place.run("create", "s.toml", "--accept-code").returncode == 0
    assert place.run("run", "s.toml", "--workers", "1").returncode == 0
    assert [trial.value for trial in place.study().trials] == [1.0, 1.0, 1.0, 2.0, 2.0]
    said = "The trials did not all run the same code, so they compare only so far: helper (2 versions)."
    assert said in " ".join(place.run("status", "s").stdout.split())
    assert said in (place.folder / "reports" / "s.html").read_text()


def test_a_helper_that_is_edited_while_a_worker_lives_is_noticed_when_its_trainer_starts_again(place: Place) -> None:
    objective = """
import os, helper
def search(trial):
    if trial.number == 1:
        open("helper.py", "w").write("VALUE = 2.0")
    if trial.number == 2:
        os._exit(7)
    return helper.VALUE
"""
    lay(place.folder, mine_py=objective, helper_py="VALUE = 1.0\n", s_toml=OWN % 4)
    assert place.run("create", "s.toml").returncode == 0
    work(place, "the module helper (helper.py) is not the code that the study 's' began with")
    assert [trial.value for trial in place.study().trials] == [1.0, 1.0, None]
    assert place.states()[2] == "WAITING", "it goes on with the code that it began with"
    first, second, _ = code_of_trials(place)
    assert first == second, "what was imported is what ran"


@pytest.mark.parametrize(
    ("objective", "ended"),
    [(HELPED, 2), ("def search(trial):\n    import helper\n    return helper.VALUE\n", 3)],
    ids=["when it starts", "after the first trial that imports it"],
)
def test_two_checkouts_that_differ_in_a_helper(place: Place, objective: str, ended: int) -> None:
    mine, theirs = (Place(place.folder / name) for name in ("mine", "theirs"))
    for checkout, value, trials in ((mine, 1.0, 2), (theirs, 2.0, 6)):
        lay(checkout.folder, mine_py=objective, helper_py=f"VALUE = {value}\n", s_toml=OWN % trials)
    url = mine.url
    assert mine.run("create", "s.toml").returncode == 0
    work(mine)
    assert theirs.run("create", "s.toml", OPTUNA_STORAGE=url).returncode == 0
    done = theirs.run("work", "s", OPTUNA_STORAGE=url)
    assert done.returncode == 2, done.stderr
    assert "the module helper (helper.py) is not the code that the study 's' began with" in done.stderr
    assert mine.states().count("COMPLETE") == ended
    work(mine)
    assert mine.states() == ["COMPLETE"] * 6


def test_the_modules_of_extensions(place: Place) -> None:
    extension = "import helper\n"
    lay(place.folder, more_py=extension, helper_py="SLOPE = 0.1\n", s_toml=BUILT_IN % ('["more"]', 1))
    assert place.run("create", "s.toml").returncode == 0
    work(place)
    assert {"more", "helper", "winnow.objectives"} <= code_of_trials(place)[0].keys()
    lay(place.folder, helper_py="SLOPE = 0.2\n", s_toml=BUILT_IN % ('["more"]', 2))
    assert place.run("create", "s.toml").returncode == 0
    work(place, f"the module helper ({place.folder}/helper.py) is not the code that the study 's' began with")
    work(place, "", "--accept-code")
    assert place.states() == ["COMPLETE"] * 2


def test_another_training_version(place: Place) -> None:
    lay(place.folder, s_toml=BUILT_IN % ("[]", 1))
    assert place.run("create", "s.toml").returncode == 0
    place.study().set_user_attr("winnow:code", {"winnow.objectives": "0"})  # as an earlier Winnow would have begun it
    refusal = f"Winnow's training is version {TRAINING_VERSION} here and not 0, which the study 's' began with"
    work(place, refusal)
    for command in (["replay", "s", "0"], ["confirm", "s"], ["ablate", "s"]):
        done = place.run(*command)
        assert done.returncode == 2
        if command[0] == "replay":
            assert refusal in done.stderr
    assert place.states() == ["WAITING"]
    assert place.run("run", "s.toml", "--workers", "1", "--accept-code").returncode == 0
    assert code_of_trials(place) == [{"winnow.objectives": str(TRAINING_VERSION)}]
    assert place.run("replay", "s", "0").returncode == 0
