"""What trains nothing runs where torch is not installed; and the doctor says what is wrong with a machine."""

import json

import pytest

from integration.winnow import Place

WITHOUT_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "sklearn"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoTorch())
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


@pytest.mark.parametrize("url", ["postgresql://user:hunter2@127.0.0.1:1/none"])
def test_the_doctor_says_what_is_wrong(place: Place, url: str) -> None:
    told = place.run("doctor", OPTUNA_STORAGE=url)
    assert told.returncode == 1
    assert "NO  storage" in told.stdout
    assert "hunter2" not in told.stdout + told.stderr
    findings = json.loads(place.run("doctor", "--json", OPTUNA_STORAGE=url).stdout)
    assert {"winnow", "cpu", "storage", "optuna", "torch"} <= {finding["what"] for finding in findings}
