"""`winnow replay`: a recorded trial, trained again and compared."""

import dataclasses
import sys
from json import dumps

import click

from winnow.search.analysis import replay as replays
from winnow.search.api.study import load_study
from winnow.search.cli.options import json_option, storage_option, study_argument
from winnow.search.report.terminal import results
from winnow.search.report.terminal.screen import screen


@click.command()
@study_argument
@click.argument("number", type=click.IntRange(0))
@storage_option
@click.option("--device", default="cpu", show_default=True, help="Where to train.")
@json_option
def replay(study: str, number: int, url: str, device: str, json: bool) -> None:
    """Train trial NUMBER of STUDY again from its record and compare the learning curves, to the bit."""
    result = replays.replay(load_study(study, url), number, device)
    if json:
        click.echo(dumps({**dataclasses.asdict(result), "identical": result.identical}, indent=2))
    else:
        screen().print(results.replay(result))
    if not result.identical:
        sys.exit(1)
