"""`winnow export STUDY`: its trials, epochs and ablations as tables, for other programs.

Every column is described here, and docs/export.md is written from the descriptions.
"""

import json
import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from winnow.errors import StudyError
from winnow.search.analysis import curve_reading
from winnow.search.analysis.ablation import Ablation
from winnow.search.analysis.effects import Effect
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.storage.files import write_whole

if TYPE_CHECKING:
    from pandas import DataFrame

Format = Literal["csv", "parquet", "json"]
Row = dict[str, Any]

TRIALS = {
    "number": "the trial's number in its study, from 0",
    "state": "COMPLETE, PRUNED, FAIL, RUNNING or WAITING",
    "value": "its result; of a pruned trial, the last value that it reported",
    "baseline": "whether it is the baseline",
    "feasible": "whether it keeps every limit of the study",
    "reason": "why it was pruned or failed",
    "started": "when its first attempt began (UTC where Winnow ran it)",
    "ended": "when it ended (UTC where Winnow ran it)",
    "seconds": "training time, of all attempts",
    "epochs": "epochs that it trained",
    "parameters": "weights and biases of its model, frozen ones included",
    "curve": "what its learning curves show, the first shape the weightiest (docs/curves.md)",
    "worker": "the worker that ended it, as host:process",
    "host": "that worker's machine",
    "device": "cpu, cuda:0, …",
    "search.NAME": "one column for each searched hyperparameter, as Optuna holds it; empty where it was not drawn",
    "config.NAME": "one column for each hyperparameter as it was trained, and the seed (docs/hyperparameters.md)",
}
EPOCHS = {
    "trial": "the trial's number",
    "epoch": "counted from 1",
    "value": "what the search judges a trial by",
    "train_loss": "mean over the epoch's steps, without label smoothing or penalties",
    "train_accuracy": "share, 0 to 1; empty in a regression",
    "validation_loss": "after the epoch",
    "validation_accuracy": "share, 0 to 1; empty in a regression",
    "lr": "learning rate of the epoch's last step",
    "weight_norm": "Frobenius norm of all weights",
    "seconds": "training and evaluation together",
    "metric.NAME": "one column for each metric that an objective of your own reported besides",
}
ABLATION = {
    "ablation": "the study of its trainings",
    "start": "number of the trial before (the baseline, where none was named)",
    "goal": "number of the trial after (the best, where none was named)",
    "question": "whole, alone, removed, path, order or together (docs/conclusions.md)",
    "step": "place in the path, from 1; empty elsewhere",
    "method": "which method; `A and B` for two",
    "effect": "gain in the metric: above 0 is better, whatever the metric's direction",
    "low": "lower end of the 95 % interval; empty where one score says nothing",
    "high": "its upper end",
    "verdict": "helps, hurts or inconclusive",
    "runs": "trainings behind it",
}
TABLES = {"trials": TRIALS, "epochs": EPOCHS, "ablation": ABLATION}
_DTYPES = {bool: "boolean", int: "Int64", float: "Float64", str: "string"}
"""Of columns with one kind of value: those that also know what is missing."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so is run as a formula by spreadsheets."""


def write(record: StudyRecord, ablations: Sequence[Ablation], folder: Path, kind: Format) -> list[Path]:
    """Write a file for each table that has rows, and return their paths; raises StudyError without pyarrow, OSError."""
    if kind == "parquet" and find_spec("pyarrow") is None:
        raise StudyError("the package pyarrow is missing", "pip install 'winnow-hpo[parquet]', or export csv or json")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, frame in frames(record, ablations).items():
        if len(frame):
            path = folder / f"{name}.{kind}"
            write_whole(path, _content(frame, kind))
            written.append(path)
    return written


def _content(frame: "DataFrame", kind: Format) -> bytes:
    if kind == "csv":
        return str(_without_formulas(frame).to_csv(index=False, lineterminator="\r\n")).encode()
    if kind == "parquet":
        return bytes(frame.to_parquet(engine="pyarrow", index=False))
    # Not by pandas, which rounds small numbers to 15 decimals.
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return (json.dumps(rows, indent=1, default=str) + "\n").encode()


def frames(record: StudyRecord, ablations: Sequence[Ablation] = ()) -> "dict[str, DataFrame]":
    """Return each of TABLES as a DataFrame with the columns described there; what is missing is NA."""
    return {
        "trials": _frame(_trials(record)),
        "epochs": _frame([row for trial in record.trials for row in _epochs(trial)]),
        "ablation": _frame([row for ablation in ablations for row in _ablation(ablation)]),
    }


def _frame(rows: Sequence[Row]) -> "DataFrame":
    from pandas import DataFrame

    names = dict.fromkeys(name for row in rows for name in row)
    return DataFrame({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: Sequence[Any]) -> Any:
    """Return the values as one type, so that every format can hold them: as texts where they are of several kinds."""
    from pandas import Series

    plain = [_plain(value) for value in values]
    kinds = {type(value) for value in plain if value is not None}
    if kinds == {int, float}:
        kinds = {float}
    if len(kinds) > 1:
        return Series([None if value is None else str(value) for value in plain], dtype="string")
    return Series(plain, dtype=_DTYPES.get(next(iter(kinds), str)))


def _plain(value: Any) -> Any:
    """Return a number, a text, a truth value, a time or None: lists as JSON text, what is not finite as nothing."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return json.dumps(value) if isinstance(value, list | tuple | Mapping) else value


def _trials(record: StudyRecord) -> list[Row]:
    return [
        {
            **{name: getattr(trial, name, None) for name in TRIALS if "NAME" not in name},
            "epochs": len(trial.curve),
            "curve": curve_reading.read(trial).words,
            "parameters": trial.training.get("parameters"),
            **{f"search.{name}": trial.parameters.get(name) for name in record.parameter_names},
            **{f"config.{name}": value for name, value in trial.config.items()},
        }
        for trial in record.trials
    ]


def _epochs(trial: TrialRecord) -> list[Row]:
    return [
        {
            "trial": trial.number,
            **{name: getattr(epoch, name) for name in EPOCHS if name != "trial" and "NAME" not in name},
            **{f"metric.{name}": value for name, value in epoch.extra.items()},
        }
        for epoch in trial.curve
    ]


def _ablation(found: Ablation) -> list[Row]:
    asked: dict[str, list[Effect]] = {
        "whole": [found.whole] if found.whole else [],
        "alone": found.alone,
        "removed": found.removed,
        "path": found.path,
        "order": [entry.shapley for entry in found.order],
        "together": found.together,
    }
    return [
        {
            "ablation": found.name,
            "start": found.start_number,
            "goal": found.goal_number,
            "question": question,
            "step": step if question == "path" else None,
            **{name: getattr(effect, name) for name in ("method", "effect", "low", "high", "verdict", "runs")},
        }
        for question, effects in asked.items()
        for step, effect in enumerate(effects, start=1)
    ]


def without_formula(text: str) -> str:
    """Return a text that a spreadsheet shows and does not run."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _without_formulas(frame: "DataFrame") -> "DataFrame":
    """Return the table for a spreadsheet. Texts come from users: none of them may become a formula."""
    safe = frame.map(lambda cell: without_formula(cell) if isinstance(cell, str) else cell)
    return safe.rename(columns=without_formula)
