"""What a study has come to, read from the storage: any study, one of stock Optuna included."""

import logging
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from winnow.search.analysis import ablation, conclusions, confirm, export, study_reader
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.api import notebook
from winnow.search.report import ablation as ablation_chapter
from winnow.search.report import confirmation, decoration, pictures, report
from winnow.search.report import markdown as markdown_report
from winnow.search.study.spec import Spec
from winnow.storage import Storage

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure

TableName = Literal["trials", "epochs", "ablation"]


class Confirmation(confirm.Confirmation):
    """What fresh seeds and test data say of the winner; shows itself in a notebook."""

    @classmethod
    def of(cls, found: confirm.Confirmation) -> Self:
        """Return the same confirmation with this class's methods."""
        return cls(*(getattr(found, field.name) for field in fields(found)))

    def __str__(self) -> str:
        return "\n".join(confirmation.chapter(self).sentences)

    def _repr_html_(self) -> str:
        return notebook.document(confirmation.chapter(self))


class Ablation(ablation.Ablation):
    """What each method between two trials does; shows itself in a notebook."""

    _record: StudyRecord

    @classmethod
    def of(cls, found: ablation.Ablation, record: StudyRecord) -> Self:
        """Return the same ablation with this class's methods; `record` is the search."""
        made = cls(*(getattr(found, field.name) for field in fields(found)))
        object.__setattr__(made, "_record", record)
        return made

    def __str__(self) -> str:
        return "\n".join(ablation_chapter.chapter(self._record, self).sentences)

    def _repr_html_(self) -> str:
        return notebook.document(ablation_chapter.chapter(self._record, self))


def to_dataframe(storage: Storage, study: str, table: TableName = "trials") -> "DataFrame":
    """Return one of the tables that `winnow export` writes (docs/export.md describes every column)."""
    record = study_reader.load(storage, study)
    found = conclusions.load(storage, record).ablations if table == "ablation" else ()
    return export.frames(record, found)[table]


def figures(storage: Storage, study: str) -> "dict[str, Figure]":
    """Return every figure of the report by its name."""
    record = study_reader.load(storage, study)
    chapters = report.contents(record, conclusions.load(storage, record))["chapters"]
    return {picture.name: picture.titled() for chapter in chapters for picture in chapter.pictures}


def write_report(
    storage: Storage,
    record: StudyRecord,
    path: Path | None = None,
    *,
    markdown: bool = False,
    trials: Sequence[int] = (),
    by: str = "",
) -> Path:
    """Write the report of a study as read and return its path, by default reports/STUDY.html or .md; raises OSError.

    Markdown's figures are PNG files in a folder beside it; a warning is logged where they cannot be drawn. The curves
    of `trials`, and of all trials by the hyperparameter `by`, stand first.
    """
    path = path or report_path(record.study, markdown=markdown)
    asked = pictures.chosen(record, trials, by)
    first = [asked] if asked else []
    path.parent.mkdir(parents=True, exist_ok=True)
    if markdown:
        missing = markdown_report.write(record, path, conclusions.load(storage, record), first=first)
        if missing:
            logging.getLogger(__name__).warning("the report has no figures: %s", missing)
    else:
        report.write(record, path, conclusions.load(storage, record), first=first)
    return path


def write_all(storage: Storage, spec: Spec, record: StudyRecord, path: Path | None) -> Path:
    """Write the report of a study as read, and what optuna-dashboard shows of it; returns the report's path."""
    path = write_report(storage, record, path)
    decoration.add(storage, record)
    decoration.add_augmentations(storage, spec)
    return path


def report_path(study: str, *, markdown: bool = False) -> Path:
    """Return where the report of a study is written where nobody names a file."""
    return Path("reports") / f"{file_name(study)}{'.md' if markdown else '.html'}"


def file_name(study: str) -> str:
    """Return a file's name for a study, whatever it is called: one that leads out of no folder and can be written."""
    plain = re.sub(r"[^\w.-]+", "-", study).strip(".-")[:100]
    return plain or "study"
