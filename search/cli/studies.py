"""`winnow studies`: the ready studies, what each asks, and how much it trains."""

import tomllib
from json import dumps
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from winnow.search.cli.options import json_option
from winnow.search.study import ready, validation


@click.command()
@json_option
def studies(json: bool) -> None:
    """List the studies that come with Winnow. `winnow run NAME` runs one of them."""
    rows = []
    for name in ready.names():
        file = ready.find(Path(name))
        spec = validation.shaped(tomllib.loads(file.read_text(encoding="utf-8")), name)
        rows.append({"name": name, "question": ready.question(spec), "cost": ready.cost(spec)})
    if json:
        click.echo(dumps(rows, indent=2))
        return
    table = Table("study", "question", "cost", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)
