"""What a study has come to, read from the storage: any study, one of stock Optuna included."""

import logging
from pathlib import Path

from winnow.search.analysis import conclusions, study_record
from winnow.search.report import markdown as markdown_report
from winnow.search.report import report
from winnow.storage import Storage


def write_report(storage: Storage, study: str, path: Path | None = None, *, markdown: bool = False) -> Path:
    """Write the report of a study and return its path, by default reports/STUDY.html or .md; raises OSError.

    Markdown's figures are PNG files in a folder beside it; a warning is logged where they cannot be drawn.
    """
    path = path or Path("reports") / f"{study}{'.md' if markdown else '.html'}"
    record = study_record.load(storage, study)
    path.parent.mkdir(parents=True, exist_ok=True)
    if markdown:
        missing = markdown_report.write(record, path, conclusions.load(storage, record))
        if missing:
            logging.getLogger(__name__).warning("the report has no figures: %s", missing)
    else:
        report.write(record, path, conclusions.load(storage, record))
    return path
