"""`winnow status`: a study now, or live until it is done."""

import dataclasses
import math
import time
from json import dumps

import click
from rich.console import Console
from rich.live import Live

from winnow.search.analysis import forecast
from winnow.search.analysis.forecast import Outlook
from winnow.search.analysis.status import Status
from winnow.search.api.study import load_study
from winnow.search.cli.options import json_option, storage_option, study_argument
from winnow.search.report.terminal import status_screen


@click.command()
@study_argument
@storage_option
@click.option("--watch", is_flag=True, help="Refresh until the study is done; with --json, one line per refresh.")
@click.option("--every", type=click.FloatRange(0.5), default=2.0, show_default=True, help="Seconds between refreshes.")
@json_option
def status(study: str, url: str, watch: bool, every: float, json: bool) -> None:
    """Show the trials, best value, time, workers and failures of STUDY."""
    loaded = load_study(study, url)
    if watch:
        loaded.storage.database.patience = math.inf
    console = Console()

    def look() -> tuple[Status, Outlook]:
        now = loaded.status()
        return now, forecast.look_ahead(loaded, now)

    def show(now: Status, ahead: Outlook) -> None:
        if json:
            numbers = {**now.as_dict(), **dataclasses.asdict(ahead)}
            click.echo(dumps(numbers, indent=None if watch else 2, default=str))
        else:
            console.print(status_screen.status(now, ahead))

    now, ahead = look()
    if watch and not json and console.is_terminal:
        with Live(status_screen.status(now, ahead), console=console, transient=True) as live:
            while not now.is_done:
                time.sleep(every)
                now, ahead = look()
                live.update(status_screen.status(now, ahead))
    elif watch:
        while not now.is_done:
            show(now, ahead)
            time.sleep(every)
            now, ahead = look()
    show(now, ahead)
