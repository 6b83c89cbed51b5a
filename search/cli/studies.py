"""`winnow studies`: the ready studies, what each asks, how much it trains, and what those that were run here found."""

import tomllib
from json import dumps
from pathlib import Path

import click
from rich.table import Column, Table

from winnow.search.cli.options import json_option, storage_option
from winnow.search.report.terminal.screen import NARROW, screen
from winnow.search.study import ready, validation


@click.command()
@json_option
@click.option("--answers", is_flag=True, help="Print what those in the storage found, as Markdown.")
@storage_option
def studies(json: bool, answers: bool, url: str) -> None:
    """List the studies that come with Winnow. `winnow run NAME` runs one of them."""
    if answers:
        click.echo(_answers(url))
        return
    rows = []
    for name in ready.names():
        file = ready.find(Path(name))
        spec = validation.shaped(tomllib.loads(file.read_text(encoding="utf-8")), name)
        rows.append({"name": name, "question": ready.question(spec), "cost": ready.cost(spec)})
    if json:
        click.echo(dumps(rows, indent=2))
        return
    shown = screen()
    if shown.width < NARROW:
        shown.print("\n\n".join(f"{row['name']}: {row['question']} ({row['cost']})" for row in rows))
        return
    table = Table(Column("study", no_wrap=True), "question", "cost", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row.values())
    shown.print(table)


def _answers(url: str) -> str:
    from winnow.search.analysis import conclusions, study_reader
    from winnow.search.api.study import open_storage
    from winnow.search.report import ready_studies

    storage = open_storage(url, create=False)
    there = {study.study_name for study in storage.get_all_studies()}
    records = [study_reader.load(storage, name) for name in ready.names() if name in there]
    return ready_studies.answers([(record, conclusions.load(storage, record)) for record in records])
