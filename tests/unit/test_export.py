"""Exported tables say what their documentation says, in three formats, and run no formula."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from example_search import EPOCHS as EPOCHS_OF_A_TRIAL
from example_search import searched
from winnow.search.analysis import export
from winnow.search.analysis.ablation import Ablation
from winnow.search.analysis.effects import Effect, OrderedEffect
from winnow.search.analysis.statistics import Sample

EFFECT = Effect("dropout", 0.02, 0.01, 0.03, 10)


def ablation() -> Ablation:
    return Ablation(
        study="example",
        name="example-ablation-0-3",
        metric="validation accuracy",
        direction="maximize",
        start_number=0,
        goal_number=3,
        methods={"dropout": {"dropout": (0.0, 0.2)}},
        start=Sample((0.5,)),
        goal=Sample((0.6,)),
        whole=replace(EFFECT, method="all together"),
        alone=[EFFECT],
        removed=[replace(EFFECT, low=float("-inf"), high=float("inf"))],
        path=[EFFECT],
        order=[OrderedEffect(EFFECT, 0.01, 0.02)],
        together=[],
        exact_order=True,
        trainings=20,
        failed=0,
        diverged=0,
        repeated=0,
        breaks={},
        complete=True,
    )


def documented(table: str, column: str) -> bool:
    return column in export.TABLES[table] or f"{column.partition('.')[0]}.NAME" in export.TABLES[table]


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_every_column_is_documented_and_every_row_is_there(tmp_path: Path, kind: export.Format) -> None:
    history = searched(12)
    written = export.write(history, [ablation()], tmp_path, kind)
    assert [path.name for path in written] == [f"{name}.{kind}" for name in export.TABLES]
    rows = {}
    for path in written:
        if kind == "csv":
            rows[path.stem] = list(csv.DictReader(path.read_text().splitlines()))
        elif kind == "json":
            rows[path.stem] = json.loads(path.read_text())
        else:
            parquet = pytest.importorskip("pyarrow.parquet")
            rows[path.stem] = parquet.read_table(path).to_pylist()
    for table, found in rows.items():
        assert all(documented(table, column) for column in found[0]), table
        plain = [column for column in export.TABLES[table] if "NAME" not in column]
        assert list(found[0])[: len(plain)] == plain
    assert len(rows["trials"]) == 12
    assert len(rows["epochs"]) == sum(len(trial.curve) for trial in history.trials) <= 12 * EPOCHS_OF_A_TRIAL
    assert [row["question"] for row in rows["ablation"]] == ["whole", "alone", "removed", "path", "order"]
    assert float(rows["trials"][3]["value"]) == history.trials[3].value
    assert float(rows["trials"][3]["config.lr"]) == history.trials[3].config["lr"]
    assert rows["ablation"][2]["low"] in (None, ""), "what is not finite is left empty"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_becomes_a_formula(tmp_path: Path, text: str) -> None:
    history = searched(2)
    history = replace(history, trials=tuple(replace(trial, reason=text) for trial in history.trials))
    export.write(history, [], tmp_path, "csv")
    with (tmp_path / "trials.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["reason"] == f"'{text}"


def test_values_of_several_kinds_share_a_parquet_column_as_texts(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    history = searched(3)
    values = (1, "two", [3, 4])
    trials = tuple(replace(t, config={"x": value}) for t, value in zip(history.trials, values, strict=True))
    export.write(replace(history, trials=trials), [], tmp_path, "parquet")
    assert parquet.read_table(tmp_path / "trials.parquet").to_pydict()["config.x"] == ["1", "two", "[3, 4]"]


def test_small_numbers_keep_all_their_digits_and_what_is_missing_is_empty(tmp_path: Path) -> None:
    history = searched(3)
    values: tuple[float | None, ...] = (1.234567890123456e-07, 2, None)
    trials = tuple(replace(t, config={"x": value}) for t, value in zip(history.trials, values, strict=True))
    told = replace(history, trials=trials)
    export.write(told, [], tmp_path, "json")
    export.write(told, [], tmp_path, "csv")
    assert [row["config.x"] for row in json.loads((tmp_path / "trials.json").read_text())] == list(values)
    with (tmp_path / "trials.csv").open(newline="") as file:
        assert [row["config.x"] for row in csv.DictReader(file)] == ["1.234567890123456e-07", "2.0", ""]


def test_frames_have_one_type_for_each_column() -> None:
    trials = export.frames(searched(12))["trials"]
    types = {name: str(trials[name].dtype) for name in ("number", "state", "value", "baseline", "config.lr")}
    assert types == {
        "number": "Int64",
        "state": "string",
        "value": "Float64",
        "baseline": "boolean",
        "config.lr": "Float64",
    }
    assert trials["value"].max() == max(trial.value for trial in searched(12).trials if trial.value is not None)


def test_a_study_without_trials_has_no_rows() -> None:
    assert [len(frame) for frame in export.frames(replace(searched(1), trials=())).values()] == [0, 0, 0]
