"""`winnow export`: a study as tables for other programs."""

from pathlib import Path
from typing import Literal

import click

from winnow.errors import StudyError
from winnow.search.analysis import conclusions, study_reader
from winnow.search.analysis import export as exports
from winnow.search.api.results import file_name
from winnow.search.api.study import open_storage
from winnow.search.cli.options import storage_option, study_argument
from winnow.search.cli.places import writable


@click.command()
@study_argument
@storage_option
@click.option(
    "--format", type=click.Choice(["csv", "parquet", "json"]), default="csv", show_default=True, help="Of files."
)
@click.option("--output", type=click.Path(path_type=Path), help="The folder.  [default: exports/STUDY]")
def export(study: str, url: str, format: Literal["csv", "parquet", "json"], output: Path | None) -> None:
    """Write the trials, epochs and ablations of STUDY as tables."""
    folder = writable(output or Path("exports") / file_name(study), folder=True)
    storage = open_storage(url, create=False)
    record = study_reader.load(storage, study)
    if not record.trials:
        raise StudyError(f"the study {study!r} has no trial yet, so there is nothing to write", "run it first")
    found = conclusions.load(storage, record).ablations
    for path in exports.write(record, found, folder, format):
        click.echo(path)
