"""The examples of objectives of one's own: how little a script changes, and that each is searched and reports all."""

import difflib
import shutil
from pathlib import Path

import pytest

from integration.winnow import Place
from winnow.storage import epochs

OWN = Path(__file__).parents[2] / "studies" / "own"


def test_an_ordinary_script_changes_in_few_lines() -> None:
    before, after = ((OWN / name).read_text().splitlines() for name in ("plain_before.py", "plain.py"))
    changes = list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
    written = [line for line in changes if line.startswith("+")]
    assert len(before) == 110
    assert len(written) <= 12
    assert len(after) < len(before)


@pytest.mark.parametrize(
    ("script", "library", "metrics"),
    [
        ("plain", "torch", {"validation_loss"}),
        ("with_lightning", "lightning", {"train_loss", "extra:val_loss"}),
        ("with_transformers", "transformers", {"extra:eval_loss", "extra:eval_runtime"}),
    ],
)
def test_an_example_is_searched_and_reports_all(place: Place, script: str, library: str, metrics: set[str]) -> None:
    pytest.importorskip(library)
    for file in OWN.glob(f"{script}*"):
        shutil.copy(file, place.folder)
    done = place.run("run", f"{script}.toml", "--workers", "1", "--trials", "3")
    assert done.returncode == 0, done.stderr
    storage, study = place.storage(), place.study(script)
    assert [trial.state.name for trial in study.trials[:1]] == ["COMPLETE"]
    assert study.trials[0].value > 0.5
    for number, curve in epochs.read(storage.database, study._study_id).items():
        assert study.trials[number].intermediate_values == {epoch.epoch: epoch.value for epoch in curve}
        for epoch in curve:
            named = {name for name, value in epoch.metrics.items() if value is not None}
            assert {name.removeprefix("extra:") for name in metrics} <= named
            assert {name.removeprefix("extra:") for name in metrics if ":" in name} <= epoch.extra.keys()
