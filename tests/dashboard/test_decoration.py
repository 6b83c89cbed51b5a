"""What Winnow puts into optuna-dashboard's own pages, as its API gives it to them."""

import json
from pathlib import Path

import optuna

from dashboard_server import Serve
from example_study import told
from winnow.search.analysis import study_reader
from winnow.search.report import decoration
from winnow.search.study.study import create
from winnow.search.study.validation import check


def test_plots_and_notes_are_there_once_and_a_persons_note_stays(serve: Serve, tmp_path: Path) -> None:
    values = [0.5, 0.9, None, *(0.5 + number / 50 for number in range(12))]
    told(tmp_path, values)
    served = serve(f"sqlite:///{tmp_path}/winnow.db")
    with served.client("editor") as editor:
        for _ in range(2):
            decoration.add(served.storage, study_reader.load(served.storage, "told"))
            shown = editor.get("/api/studies/1").json()
            (plot,) = shown["plotly_graph_objects"]
            assert plot["id"] == "winnow-importance"
            assert json.loads(plot["graph_object"])["layout"]["title"]["text"] == "Importance"
            assert shown["note"]["version"] == 1
            assert shown["note"]["body"].startswith("Trial 1 won")
        assert "nobody said why" in shown["trials"][2]["note"]["body"]
        assert shown["trials"][1]["note"]["body"] == ""
        mine = {"version": shown["note"]["version"] + 1, "body": "mine"}
        assert editor.put("/api/studies/1/note", json=mine).status_code == 204
        decoration.add(served.storage, study_reader.load(served.storage, "told"))
        assert editor.get("/api/studies/1").json()["note"]["body"] == "mine"


def test_a_study_that_augments_has_a_picture_of_it(serve: Serve, sqlite_url: str) -> None:
    served = serve(sqlite_url)
    spec = check(
        {
            "name": "a",
            "data": {"name": "digits"},
            "fixed": {"model": "mlp"},
            "search": {"flip": {"choices": [True, False]}},
            "budget": {"trials": 2},
        },
        "SPEC",
    )
    create(served.storage, spec)
    for _ in range(2):
        decoration.add_augmentations(served.storage, spec)
    study = optuna.load_study(study_name="a", storage=served.storage)
    (picture,) = optuna.artifacts.get_all_artifact_meta(study)
    assert (picture.filename, picture.mimetype) == ("augmentations.png", "image/png")
    content = served.storage.files / decoration.ARTIFACTS / picture.artifact_id
    assert content.read_bytes().startswith(b"\x89PNG")
