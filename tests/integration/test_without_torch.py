"""What trains nothing runs where torch is not installed; and the doctor says what is wrong with a machine."""

import json

import pytest

from example_spec import SPEC
from integration.winnow import Place

WITHOUT_TORCH = """
import sys
from importlib.machinery import PathFinder
class NoTorch(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        absent = name.partition(".")[0] in ("torch", "torchvision", "sklearn", "safetensors")
        return None if absent else super().find_spec(name, path, target)
sys.meta_path = [NoTorch if finder is PathFinder else finder for finder in sys.meta_path]
from winnow.search.cli.main import cli
for command in (["check", "s.toml"], ["create", "s.toml"], ["status", "s"], ["report", "s"]):
    cli(command, standalone_mode=False)
"""


def test_what_trains_nothing_needs_no_torch(place: Place) -> None:
    (place.folder / "s.toml").write_text(SPEC)
    done = place.python("-c", WITHOUT_TORCH)
    assert done.returncode == 0, done.stderr
    assert (place.folder / "reports" / "s.html").exists()


def test_what_trains_says_so_before_there_is_a_study(place: Place) -> None:
    (place.folder / "s.toml").write_text(SPEC)
    refused = place.python("-c", WITHOUT_TORCH.partition("for command")[0] + 'cli(["run", "s.toml"])')
    assert refused.returncode == 2
    assert "torch is not installed, and training 's' here needs it; pip install 'winnow-hpo[train]'" in refused.stderr
    assert not (place.folder / "winnow.db").exists()


def test_a_fresh_folder_lacks_nothing(place: Place) -> None:
    told = place.run("doctor", OPTUNA_STORAGE="sqlite:///new.db")
    assert "ok  storage            there is no storage at new.db yet: the first study makes it" in told.stdout
    assert "NO" not in told.stdout
    assert told.returncode == 0
    astray = place.run("doctor", OPTUNA_STORAGE="sqlite:///nowhere/new.db")
    assert "the folder of the storage nowhere/new.db is not there; make it: mkdir -p nowhere" in astray.stdout


def test_a_machine_that_trains_nothing_is_not_ill(place: Place) -> None:
    hidden = """
import importlib.metadata, winnow.search.cli.doctor as doctor
def absent(name): raise importlib.metadata.PackageNotFoundError(name)
doctor.version = lambda name: absent(name) if name in doctor.EXTRAS else "1"
doctor.winnow_version = lambda: "1"
"""
    told = place.python("-c", WITHOUT_TORCH.partition("for command")[0] + hidden + 'cli(["doctor"])')
    assert told.returncode == 0, told.stdout + told.stderr
    trains_nothing = (
        "--  torch              not installed; this machine creates, watches and reports, but trains nothing;"
    )
    assert f"{trains_nothing} pip install 'winnow-hpo[train]'" in told.stdout


@pytest.mark.parametrize("url", ["postgresql://user:hunter2@127.0.0.1:1/none"])
def test_the_doctor_says_what_is_wrong(place: Place, url: str) -> None:
    told = place.run("doctor", OPTUNA_STORAGE=url)
    assert told.returncode == 1
    assert "NO  storage" in told.stdout
    assert "hunter2" not in told.stdout + told.stderr
    findings = json.loads(place.run("doctor", "--json", OPTUNA_STORAGE=url).stdout)
    assert {"winnow", "cpu", "storage", "optuna", "torch"} <= {finding["what"] for finding in findings}


# What each process of a search imports only when it needs it, or never: together they were half of its start.
STARTS = {
    "the command": ("import winnow.search.cli.run", ("torch", "sklearn", "pandas", "plotly", "boto3")),
    "a worker": ("import winnow.search.cli.work", ("torch", "sklearn", "pandas", "plotly", "boto3")),
    "its trainer": ("import winnow.search.worker.trainer", ("torch", "sqlalchemy", "scipy", "pandas")),
    "a training": (
        "from winnow.objectives.data import catalog, loading\n"
        "from winnow.objectives import training, hyperparameters\n"
        "data = loading.load(catalog.DataSpec('two_moons', train=64, validation=64))\n"
        "training.train(hyperparameters.make_config(epochs=1, batch_size=64), data, lambda epoch, state: None)",
        ("torch._dynamo", "sympy", "optuna"),
    ),
}


@pytest.mark.parametrize("who", STARTS)
def test_a_start_waits_for_no_library_that_it_does_not_need(place: Place, who: str) -> None:
    code, not_needed = STARTS[who]
    done = place.python("-c", f"{code}\nimport sys\nprint([name for name in {not_needed!r} if name in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr
