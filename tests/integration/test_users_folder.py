"""What else lies in the folder where a person works disturbs no search, and an objective may be installed."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from integration.winnow import Place

INSTALLED = ("-P", "-m", "winnow")
"""As the command `winnow` is: with its own folder first on the path, and not the user's."""
UNRELATED = "open('touched', 'w').write(__name__)\nraise RuntimeError('this file is not for Winnow')\n"
NAMES = ["storage", "objectives", "search", "random", "logging", "optuna", "click", "json", "torch"]
SPEC = 'name = "s"\nobjective = "{}"\n[budget]\ntrials = 2\n'
OBJECTIVE = "def train(trial):\n    return trial.suggest_float('x', 0.0, 1.0)\n"


@pytest.mark.parametrize(
    ("started", "names"),
    [(INSTALLED, [*NAMES, "types", "winnow", "os", "signal", "subprocess"]), (("-m", "winnow"), NAMES)],
    ids=["winnow", "python -m winnow"],
)
def test_unrelated_files_are_never_touched(place: Place, started: tuple[str, ...], names: list[str]) -> None:
    (place.folder / "s.toml").write_text(SPEC.format("studies:train"))
    (place.folder / "studies.py").write_text(OBJECTIVE)
    for name in names:
        (place.folder / f"{name}.py").write_text(UNRELATED)
    done = place.python(*started, "run", "s.toml", "--devices", "cpu", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert place.states() == ["COMPLETE"] * 2
    assert not (place.folder / "touched").exists()


def test_an_installed_objective(place: Place) -> None:
    """As pip puts it: into the site-packages of an environment whose interpreter runs everything."""
    home = place.folder / "environment"
    venv.create(home, symlinks=True)
    (site,) = home.glob("lib/python*/site-packages")
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (site / "ours.pth").write_text("\n".join([*libraries, str(Path(__file__).parents[2])]))
    (site / "theirs").mkdir()
    (site / "theirs" / "__init__.py").write_text(OBJECTIVE)
    (place.folder / "s.toml").write_text(SPEC.format("theirs:train"))
    done = subprocess.run(
        [home / "bin" / "python", *INSTALLED, "run", "s.toml", "--devices", "cpu", "--workers", "1"],
        cwd=place.folder,
        env=place.environment({}),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert place.states() == ["COMPLETE"] * 2
