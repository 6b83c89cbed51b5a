"""The notebook of the documentation runs from top to bottom, and its committed outputs are those of its cells."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLOTLY_RENDERER", "json")
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    committed = [[output.output_type for output in cell.get("outputs", ())] for cell in notebook.cells]
    assert sum(map(len, committed)) > 8, "it is committed with its outputs"
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "reports" / "digits.html").exists()
    assert {file.name for file in (tmp_path / "winner").iterdir()} >= {"model.safetensors", "config.json"}
    shown = [str(output) for cell in notebook.cells for output in cell.get("outputs", ())]
    for words in (
        "16 of 16 trials",
        "The winner, trained again",
        "What each method does",
        "application/json",
        "to 10 classes",
    ):
        assert any(words in output for output in shown), words
