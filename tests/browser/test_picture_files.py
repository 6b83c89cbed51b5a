"""Pictures as files, drawn by Kaleido in a real Chrome."""

import shutil
from pathlib import Path

import pytest

from example_search import searched
from winnow.search.report.figures import curves, files, progress

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine"),
]


def test_one_chrome_writes_all_pictures(tmp_path: Path) -> None:
    history = searched(20)
    png, svg = tmp_path / "history.png", tmp_path / "curves.svg"
    drawn_by = files.write({png: progress.optimisation_history(history), svg: curves.learning_curves(history)})
    assert drawn_by == "kaleido"
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "validation accuracy" in svg.read_text()
