"""`winnow new`: the spec of a first search, from a look at the data and at this machine."""

import shlex
from pathlib import Path
from typing import Any

import click

from winnow.search.api import first_spec
from winnow.search.api.forecast import told
from winnow.search.cli.places import writable
from winnow.search.report.terminal import data_overview
from winnow.search.report.terminal.screen import screen


@click.command()
@click.argument("source")
@click.option("--output", type=click.Path(path_type=Path), help="The spec's file.  [default: NAME.toml]")
@click.option(
    "--minutes",
    type=click.FloatRange(1),
    default=first_spec.MINUTES,
    show_default=True,
    help="What the search and its confirmation may take on this machine.",
)
@click.option("--black", type=float, help="Which value of deep grey images is black.  [default: 0]")
@click.option("--white", type=float, help="Which value of them is white.  [default: 65,535 for 16 bits]")
@click.option("--broken", type=click.Choice(["skip"]), help="Leave out what is no image.  [default: refuse it]")
def new(source: str, output: Path | None, minutes: float, **options: Any) -> None:
    """Write the spec of a first search on SOURCE: a folder of images, or data of your own or of a known name.

    The folder holds one subfolder a class. Data of your own are an npz file, a folder of idx files or what datasets'
    save_to_disk wrote, or module:function. The spec is written for this machine, each choice with its reason.
    """
    file = writable(output or Path(f"{first_spec.study_name(source)}.toml"))
    given = {name: value for name, value in options.items() if value is not None}
    with screen(stderr=True).status(f"Looking at {source}, and timing an epoch on it"):
        seen, forecast = first_spec.write(source, file, minutes, **given)
    if seen.images is not None:
        screen().print(data_overview.classes(seen.images))
    for sentence in told(forecast):
        screen().print(sentence)
    click.echo(f"Written: {file}")
    click.echo(f"Next: winnow run {shlex.quote(str(file))}")
