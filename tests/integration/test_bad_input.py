"""Bad input gets one clear sentence on stderr and exit status 2, no traceback, and leaves no trial behind."""

import os
from pathlib import Path
from typing import Any

import pytest

from integration.winnow import Place

DIGITS = 'name = "s"\n[data]\nname = "digits"\n[budget]\ntrials = 3\n'


def write(place: Place, content: str) -> str:
    (place.folder / "bad.toml").write_text(content)
    return "bad.toml"


def refused(place: Place, *arguments: str, **environment: Any) -> str:
    done = place.run(*arguments, **environment)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("name = ", "bad.toml: this is not TOML"),
        (DIGITS + "[serach]\n", "bad.toml: serach: there is no such key; did you mean 'search'?"),
        (DIGITS + "[search]\nlr = { low = 1, high = 0.1 }\n", "[search] lr: low 1 is above high 0.1"),
        (DIGITS + "[search]\nlr = { low = 0, high = 0.1, log = true }\n", "a log scale cannot begin at 0"),
        (DIGITS.replace("digits", "imagenot"), "there is no data set 'imagenot'"),
        (DIGITS + '[fixed]\nmodel = "transformer"\n', "model = 'transformer' is not known"),
        (DIGITS + '[fixed]\nmodel = "mlp"\n[search]\nkernel = { low = 1, high = 5 }\n', "[search] kernel: "),
        ('name = "s"\nobjective = "nowhere:run"\n[budget]\ntrials = 3\n', "no module 'nowhere' can be found"),
        ('name = "s"\nobjective = "train.py:fit"\n[budget]\ntrials = 3\n', 'write "train:fit"'),
    ],
)
def test_a_bad_spec(place: Place, content: str, says: str) -> None:
    assert says in refused(place, "run", write(place, content))
    assert not _trials(place)


def test_a_place_for_files_that_cannot_be_one_is_refused_before_a_study_is_made(place: Place) -> None:
    said = refused(place, "run", write(place, DIGITS), WINNOW_FILES="bad.toml")
    assert "WINNOW_FILES is bad.toml, where no folder can be made: File exists; name a folder" in said
    assert not (place.folder / "winnow.db").exists()


def test_a_missing_spec(place: Place) -> None:
    assert "none.toml: there is no such file" in refused(place, "run", "none.toml")
    assert "none.toml: there is no such file" in refused(place, "check", "none.toml")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2@127.0.0.1:1/none",
        "postgresql://user:hunter2 127.0.0.1/none",
        "postgresql://user:{hunter2}@127.0.0.1:1/none",
        "nonsense://user:hunter2@127.0.0.1/none",
        "hunter2",
        "sqlite:////no/such/folder/hunter2.db",
    ],
)
def test_an_unreachable_storage_keeps_its_password(place: Place, url: str) -> None:
    said = refused(place, "run", place.spec(trials=2), OPTUNA_STORAGE=url)
    if "folder" not in url:
        assert "hunter2" not in said


def test_another_spec_under_the_name_of_a_study(place: Place) -> None:
    assert place.run("create", place.spec(trials=2)).returncode == 0
    place.spec(trials=2, more="[fixed]\nepochs = 2\n")
    assert "exists with another [fixed]" in refused(place, "run", "s.toml")
    assert _trials(place) == 0, "an objective of one's own has no baseline that nobody named"


def test_a_study_that_is_not_there(place: Place) -> None:
    assert place.run("create", place.spec(trials=2)).returncode == 0
    for command in (["work", "none"], ["status", "none"], ["report", "none"], ["replay", "none", "0"]):
        assert "there is no study 'none'" in refused(place, *command)
    assert place.run("status").stdout == "s\n", "which studies there are"


def test_what_cannot_be_concluded(place: Place) -> None:
    assert place.run("create", place.spec(trials=2)).returncode == 0
    for command, why in (("confirm", "has no finished trial yet"), ("ablate", "has no baseline; begin at a trial")):
        assert f"the study 's' {why}" in refused(place, command, "s")
        assert "there is no study 'none'" in refused(place, command, "none")
    assert "no completed trial of 's' has recorded its parameters" in refused(place, "front", "s")


def test_a_debugging_person_gets_the_traceback(place: Place) -> None:
    done = place.run("--debug", "check", "none.toml")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def _trials(place: Place) -> int:
    return len(place.states()) if Path(place.folder / "winnow.db").exists() and _studies(place) else 0


def _studies(place: Place) -> list[str]:
    return [study.study_name for study in place.storage().get_all_studies()]


def test_a_package_that_another_tool_brought_in_a_version_of_its_own_is_named(place: Place) -> None:
    old = place.folder / "old"
    for file, content in (
        ("optuna/__init__.py", ""),
        ("optuna-2.10.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: optuna\nVersion: 2.10.1\n"),
    ):
        (old / file).parent.mkdir(parents=True, exist_ok=True)
        (old / file).write_text(content)
    path = os.pathsep.join([str(old), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    for command in ("status", "doctor"):
        done = place.run(command, PYTHONPATH=path)
        assert done.returncode == 1
        assert "winnow: optuna 2.10.1 is installed, and Winnow needs optuna<6" in done.stderr
        assert "Traceback" not in done.stderr
