"""`winnow export STUDY`: its trials, epochs and ablations as tables, for other programs.

Every column is described here, and docs/export.md is written from the descriptions.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from winnow.errors import StudyError
from winnow.search.analysis.ablation import Ablation
from winnow.search.analysis.effects import Effect
from winnow.search.analysis.history import History, TrialRecord

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
    "seconds": "device time",
    "epochs": "epochs that it trained",
    "parameters": "weights and biases of its model, frozen ones included",
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
    "verdict": "helps, hurts, or cannot tell",
    "runs": "trainings behind it",
}
TABLES = {"trials": TRIALS, "epochs": EPOCHS, "ablation": ABLATION}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so is run as a formula by spreadsheets."""


def write(history: History, ablations: Sequence[Ablation], folder: Path, kind: Format) -> list[Path]:
    """Write one file a table that has rows; returns them. Raises StudyError without pyarrow, OSError."""
    tables = {
        "trials": _trials(history),
        "epochs": [row for trial in history.trials for row in _epochs(trial)],
        "ablation": [row for ablation in ablations for row in _ablation(ablation)],
    }
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, rows in tables.items():
        if rows:
            path = folder / f"{name}.{kind}"
            _WRITERS[kind](path, [{column: _plain(value) for column, value in row.items()} for row in rows])
            written.append(path)
    return written


def _trials(history: History) -> list[Row]:
    settings = list(dict.fromkeys(name for trial in history.trials for name in trial.config))
    rows = []
    for trial in history.trials:
        own = {name: getattr(trial, name) for name in TRIALS if name in TrialRecord.__dataclass_fields__}
        own["epochs"], own["parameters"] = len(trial.curve), trial.training.get("parameters")
        searched = {f"search.{name}": trial.parameters.get(name) for name in history.parameter_names}
        rows.append({**own, **searched, **{f"config.{name}": trial.config.get(name) for name in settings}})
    order = [name for name in TRIALS if "NAME" not in name]
    return [{**{name: row[name] for name in order}, **row} for row in rows]


def _epochs(trial: TrialRecord) -> list[Row]:
    return [
        {"trial": trial.number, **{name: getattr(record, name) for name in EPOCHS if name != "trial"}}
        for record in trial.curve
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


def _plain(value: Any) -> Any:
    """A number, a text, a truth value, a time or None: lists as JSON text, what is not finite as nothing."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return json.dumps(value) if isinstance(value, list | tuple | Mapping) else value


def _write_csv(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([_cell(name) for name in rows[0]])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)


def without_formula(text: str) -> str:
    """A text that a spreadsheet shows and does not run."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _cell(value: Any) -> Any:
    """What stands in a cell. Texts come from users: none of them may become a spreadsheet's formula."""
    if isinstance(value, str):
        return without_formula(value)
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else value


def _write_json(path: Path, rows: Sequence[Row]) -> None:
    path.write_text(json.dumps(rows, indent=1, default=str) + "\n", encoding="utf-8")


def _write_parquet(path: Path, rows: Sequence[Row]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise StudyError(
            "the package pyarrow is missing", "pip install 'winnow-hpo[parquet]', or export csv or json"
        ) from None
    columns = {name: _one_type([row[name] for row in rows]) for name in rows[0]}
    parquet.write_table(pyarrow.table(columns), path)


def _one_type(values: Sequence[Any]) -> Sequence[Any]:
    """A column's values; as texts where they are of kinds that one column cannot hold."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 or kinds == {int, float}:
        return [float(value) if kinds == {int, float} and value is not None else value for value in values]
    return [None if value is None else str(value) for value in values]


_WRITERS = {"csv": _write_csv, "json": _write_json, "parquet": _write_parquet}
