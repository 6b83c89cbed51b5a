"""`winnow report`: the report of any study, one of stock Optuna included."""

from pathlib import Path

import click

from winnow.search.api.results import write_report
from winnow.search.api.study import open_storage
from winnow.search.cli.options import storage_option, study_argument


@click.command()
@study_argument
@storage_option
@click.option("--output", type=click.Path(path_type=Path), help="The file.  [default: reports/STUDY.html, or .md]")
@click.option("--markdown", is_flag=True, help="Write Markdown, with the figures as PNG files in a folder beside it.")
def report(study: str, url: str, output: Path | None, markdown: bool) -> None:
    """Write the report of STUDY: one HTML file that needs no network."""
    click.echo(f"Report: {write_report(open_storage(url, create=False), study, output, markdown=markdown)}")
