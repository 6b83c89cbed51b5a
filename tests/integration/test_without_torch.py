"""What trains nothing runs where torch is not installed; and the doctor says what is wrong with a machine."""

import json

import pytest

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
SPEC = """
name = "s"
[data]
name = "digits"
[search]
lr = { low = 1e-4, high = 1e-1, log = true }
[budget]
trials = 4
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


@pytest.mark.parametrize("url", ["postgresql://user:hunter2@127.0.0.1:1/none"])
def test_the_doctor_says_what_is_wrong(place: Place, url: str) -> None:
    told = place.run("doctor", OPTUNA_STORAGE=url)
    assert told.returncode == 1
    assert "NO  storage" in told.stdout
    assert "hunter2" not in told.stdout + told.stderr
    findings = json.loads(place.run("doctor", "--json", OPTUNA_STORAGE=url).stdout)
    assert {"winnow", "cpu", "storage", "optuna", "torch"} <= {finding["what"] for finding in findings}
