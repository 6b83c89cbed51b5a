"""`winnow report`: the report of any study, one of stock Optuna included."""

from pathlib import Path

import click

from winnow.search.analysis import study_reader
from winnow.search.api.results import report_path, write_report
from winnow.search.api.study import open_storage
from winnow.search.cli.options import storage_option, study_argument
from winnow.search.cli.places import writable


@click.command()
@study_argument
@storage_option
@click.option("--output", type=click.Path(path_type=Path), help="The file.  [default: reports/STUDY.html, or .md]")
@click.option("--markdown", is_flag=True, help="Write Markdown, with the figures as PNG files in a folder beside it.")
@click.option("--trials", default="", metavar="N,N,…", help="Draw the curves of these trials in one picture.")
@click.option("--by", default="", metavar="NAME", help="Draw the mean curves by the values of this hyperparameter.")
def report(study: str, url: str, output: Path | None, markdown: bool, trials: str, by: str) -> None:
    """Write the report of STUDY: one HTML file that needs no network."""
    numbers = [_number(each) for each in trials.split(",") if each.strip()]
    path = writable(output or report_path(study, markdown=markdown))
    storage = open_storage(url, create=False)
    record = study_reader.load(storage, study)
    click.echo(f"Report: {write_report(storage, record, path, markdown=markdown, trials=numbers, by=by)}")


def _number(text: str) -> int:
    if not text.strip().isdecimal():
        raise click.BadParameter(f"{text.strip()!r} is no number of a trial", param_hint="--trials")
    return int(text)
